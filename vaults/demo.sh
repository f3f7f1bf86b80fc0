#!/usr/bin/env bash
# The main job end to end, offline, on a copy of vaults/demo: run it with `make demo`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export MEMOS_VAULT="$place/vault" GIT_AUTHOR_NAME=Mira GIT_AUTHOR_EMAIL=mira@localhost \
  GIT_COMMITTER_NAME=Mira GIT_COMMITTER_EMAIL=mira@localhost

bold='' cyan='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' cyan=$'\033[36m' plain=$'\033[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() { # shows a command as one would type it, and runs it
  printf '%s$' "$cyan"
  for word; do case $word in *\ *) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
  printf '%s\n' "$plain"
  "$@"
}

say "A vault is a folder of text files under git; this one belongs to Mira."
cp -r "$here/demo" "$MEMOS_VAULT"
git -C "$MEMOS_VAULT" init --quiet --initial-branch=main --template=
git -C "$MEMOS_VAULT" add --all
git -C "$MEMOS_VAULT" commit --quiet --message "Mira's memories"
run memos status

say "Recall searches by words and by meaning. The first search builds the tables."
run memos recall "how do I get in without my key" -k 3
run memos recall "what is the sick vegetable on the balcony" -k 3

say "A local model answers from what is remembered, and says so when nothing is."
run memos chat "Who is my boss these days?"
run memos chat "What should Ada not eat?"
run memos chat "What is my shoe size?"

say "What you tell it becomes a memory: a file and a commit."
run memos chat "I bought a red bicycle yesterday."
run memos recall "bicycle" -k 1
bicycle=$(memos recall "bicycle" -k 1 --ids)
run memos diff
run memos log -n 3

say "Undo it, and it is gone everywhere. The text is the truth, tables follow."
run memos undo
run memos recall "bicycle" -k 1 --min-score 0.5 || echo "(exit code $?: nothing found)"
run rm -rf "$MEMOS_VAULT/lance" "$MEMOS_VAULT/.memos"
run memos recall "bake a cake" -k 1

say "What the model has computed of a memory is kept: asked again, it reads less."
run memos kv list | head -n 4
run memos chat "What should Ada not eat?" --no-save --json | grep -o '"kv": {[^}]*}'

say "Order: what says the same becomes one, in a commit that can be taken back."
run memos add "my daughter Ada is allergic to hazelnuts"
run memos evolve --only merge
run memos undo

say "Agents share the vault under their own names, and see what they are granted."
run memos add --namespace work "Okafor's salary is talked over in January."
run memos --as scout recall "salary" -k 1 --min-score 0.5 || echo "(exit code $?: for scout it is not there)"
run memos grant scout read work
run memos --as scout recall "salary" -k 1

say "Undone is still in the history. Forgotten for good: out of every commit, and looked for in every byte."
run memos forget --purge "$bicycle" --yes
run memos doctor
