# bash completion for memos; made by `memos completions bash`, do not edit
_memos() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
  local name="" words="" plain="" word
  local tops=" init add recall show edit forget freeze unfreeze pin unpin tag archive unarchive chat sessions review evolve log diff revert undo restore blame bisect branch switch merge status doctor model kv config completions " groups=" kv model "
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ -z $name && $tops == *" $word "* ]]; then name=$word
    elif [[ -n $name && $groups == *" $name "* && $word != -* ]]; then name="$name $word"; break
    fi
  done
  case "$name $prev" in
    "init --vault"|"init -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "init --as") return ;;
    "add --kind") words="fact preference event instruction episode document"; plain=1 ;;
    "add --tag"|"add -t") return ;;
    "add --namespace") return ;;
    "add --source") return ;;
    "add --title") return ;;
    "add --priority") return ;;
    "add --ttl") return ;;
    "add --valid-from") return ;;
    "add --valid-until") return ;;
    "add --sensitivity") return ;;
    "add --link") return ;;
    "add --supersedes") return ;;
    "add --vault"|"add -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "add --as") return ;;
    "recall -k") return ;;
    "recall --kind") words="fact preference event instruction episode document"; plain=1 ;;
    "recall --tag"|"recall -t") return ;;
    "recall --namespace") return ;;
    "recall --state") words="generated activated merged archived expired frozen"; plain=1 ;;
    "recall --since") return ;;
    "recall --until") return ;;
    "recall --at") return ;;
    "recall --budget") return ;;
    "recall --min-score") return ;;
    "recall --expect") return ;;
    "recall --vault"|"recall -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "recall --as") return ;;
    "show --at") return ;;
    "show --vault"|"show -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "show --as") return ;;
    "edit --text") return ;;
    "edit --vault"|"edit -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "edit --as") return ;;
    "forget --reason") return ;;
    "forget --backup") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "forget --map") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "forget --vault"|"forget -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "forget --as") return ;;
    "freeze --vault"|"freeze -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "freeze --as") return ;;
    "unfreeze --vault"|"unfreeze -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "unfreeze --as") return ;;
    "pin --vault"|"pin -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "pin --as") return ;;
    "unpin --vault"|"unpin -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "unpin --as") return ;;
    "tag --vault"|"tag -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "tag --as") return ;;
    "archive --vault"|"archive -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "archive --as") return ;;
    "unarchive --vault"|"unarchive -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "unarchive --as") return ;;
    "chat --session"|"chat -s") return ;;
    "chat --model"|"chat -m") return ;;
    "chat --capture") return ;;
    "chat --branch") return ;;
    "chat -k") return ;;
    "chat --temperature") return ;;
    "chat --max-tokens") return ;;
    "chat --system") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "chat --vault"|"chat -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "chat --as") return ;;
    "sessions --vault"|"sessions -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "sessions --as") return ;;
    "review --accept") return ;;
    "review --reject") return ;;
    "review --vault"|"review -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "review --as") return ;;
    "evolve --only") return ;;
    "evolve --vault"|"evolve -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "evolve --as") return ;;
    "log -n") return ;;
    "log --since") return ;;
    "log --until") return ;;
    "log --op") return ;;
    "log --actor") return ;;
    "log --recall") return ;;
    "log -k") return ;;
    "log --vault"|"log -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "diff --recall") return ;;
    "diff -k") return ;;
    "diff --vault"|"diff -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "diff --as") return ;;
    "revert --vault"|"revert -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "revert --as") return ;;
    "undo --vault"|"undo -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "undo --as") return ;;
    "restore --at") return ;;
    "restore --vault"|"restore -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "restore --as") return ;;
    "blame --at") return ;;
    "blame --vault"|"blame -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "blame --as") return ;;
    "bisect --bad-if") return ;;
    "bisect --bad-cmd") return ;;
    "bisect --good") return ;;
    "bisect --bad") return ;;
    "bisect -k") return ;;
    "bisect --vault"|"bisect -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "bisect --as") return ;;
    "branch --vault"|"branch -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "branch --as") return ;;
    "switch --vault"|"switch -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "switch --as") return ;;
    "merge --vault"|"merge -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "merge --as") return ;;
    "status --vault"|"status -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "status --as") return ;;
    "doctor --vault"|"doctor -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "doctor --as") return ;;
    "model list --vault"|"model list -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "model list --as") return ;;
    "model info --vault"|"model info -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "model info --as") return ;;
    "model use --vault"|"model use -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "model use --as") return ;;
    "model pull --vault"|"model pull -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "model pull --as") return ;;
    "kv list --vault"|"kv list -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "kv list --as") return ;;
    "kv build --tag"|"kv build -t") return ;;
    "kv build --model"|"kv build -m") return ;;
    "kv build --vault"|"kv build -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "kv build --as") return ;;
    "kv verify --vault"|"kv verify -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "kv verify --as") return ;;
    "kv clear --vault"|"kv clear -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "kv clear --as") return ;;
    "kv measure --model"|"kv measure -m") return ;;
    "kv measure --vault"|"kv measure -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "kv measure --as") return ;;
    "config --vault"|"config -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "config --as") return ;;
    "completions --vault"|"completions -C") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "completions --as") return ;;
  esac
  if [[ -z $plain ]]; then
    case "$name" in
      "init") words="--nested --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "add") words="--kind --tag -t --namespace --source --title --priority --ttl --valid-from --valid-until --sensitivity --link --supersedes --lines --jsonl --allow-secret --dry-run -n --vault -C --as --json --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "recall") words="-k --kind --tag -t --namespace --state --since --until --at --budget --min-score --explain --expect --rerank --text --ids --batch --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "show") words="--at --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "edit") words="--text --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "forget") words="--reason --reject --purge --yes -y --backup --map --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "freeze") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "unfreeze") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "pin") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "unpin") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "tag") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "archive") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "unarchive") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "chat") words="--session -s --continue -c --new --lines --model -m --no-memory --no-save --no-kv --capture --branch -k --temperature --max-tokens --system --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "sessions") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "review") words="--accept --reject --all --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "evolve") words="--only --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "log") words="-n --since --until --op --actor --oneline --patch -p --recall -k --vault -C --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "diff") words="--stat --recall -k --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "revert") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "undo") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "restore") words="--at --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "blame") words="--at --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "bisect") words="--bad-if --bad-cmd --good --bad -k --verbose -v --vault -C --as --json --jsonl --quiet -q --no-color --debug --help -h" ;;
      "branch") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "switch") words="--create -c --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "merge") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "status") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "doctor") words="--repair --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "model") words="list info use pull --help -h" ;;
      "model list") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "model info") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "model use") words="--embedder --reranker --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "model pull") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "kv") words="list build verify clear measure --help -h" ;;
      "kv list") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "kv build") words="--all --pinned --tag -t --model -m --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "kv verify") words="--vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "kv clear") words="--unsound --dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "kv measure") words="--model -m --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "config") words="--dry-run -n --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "completions") words="bash zsh fish --vault -C --as --json --jsonl --quiet -q --no-color --debug --verbose -v --help -h" ;;
      "") words="init add recall show edit forget freeze unfreeze pin unpin tag archive unarchive chat sessions review evolve log diff revert undo restore blame bisect branch switch merge status doctor model kv config completions --version --help" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _memos memos
