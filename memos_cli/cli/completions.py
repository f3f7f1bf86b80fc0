"""`memos completions`: static scripts for bash, zsh and fish, made from the command tree.

Static, so that a Tab costs nothing: asking the program itself would start Python each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.runtime import Runtime, command

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its names, the words it takes (empty: any), whether it takes a value, its help."""

    names: tuple[str, ...]
    choices: tuple[str, ...]
    takes_value: bool
    takes_path: bool
    help: str


@dataclass(frozen=True, slots=True)
class Node:
    """A command: its name (`model use` for a subcommand), help, options, words it may be given."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]


@command
def completions(
    rt: Runtime, shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]
) -> None:
    """Print a completion script for a shell.

    Put it where the shell looks for them, for example in
    ~/.local/share/bash-completion/completions/memos
    """
    rt.out.raw(script(shell).rstrip("\n"))


def script(shell: Shell) -> str:
    """The completion script for a shell, as it also lies in `completions/`."""
    nodes = tree()
    return {Shell.BASH: _bash, Shell.ZSH: _zsh, Shell.FISH: _fish}[shell](nodes)


def tree() -> list[Node]:
    """Every command and subcommand, in the order of the help page."""
    from memos_cli.cli.app import COMMANDS, load_command

    nodes = []
    for name in COMMANDS:
        loaded = load_command(name)
        children = getattr(loaded, "commands", {})
        nodes.append(_node(name, loaded, tuple(children)))
        nodes += [_node(f"{name} {child}", sub, ()) for child, sub in children.items()]
    return nodes


def _node(name: str, loaded: Any, children: tuple[str, ...]) -> Node:  # noqa: ANN401 - typer's private type
    options, words = [], list(children)
    for param in loaded.params:
        choices = tuple(
            str(getattr(c, "value", c)) for c in getattr(param.type, "choices", ()) or ()
        )
        if param.param_type_name != "option":
            words += choices
            continue
        takes = not (param.is_flag or param.count)
        path = takes and param.metavar in ("DIR", "FILE", "PATH")
        names = tuple(sorted([*param.opts, *param.secondary_opts], key=len, reverse=True))
        options.append(Option(names, choices, takes, path, param.help or ""))
    options.append(
        Option(("--help", "-h"), (), takes_value=False, takes_path=False, help="Show help.")
    )
    text = re.sub(r"\s+", " ", (loaded.help or "").split("\n\n")[0]).strip()
    return Node(
        name,
        text.split(". ")[0].split("; ")[0].split(": ")[0].rstrip("."),
        tuple(options),
        tuple(words),
    )


def _tops(nodes: Sequence[Node]) -> list[Node]:
    return [n for n in nodes if " " not in n.name]


def _bash(nodes: Sequence[Node]) -> str:
    cases, values = [], []
    for node in nodes:
        words = [*node.words, *(name for option in node.options for name in option.names)]
        cases.append(f'    "{node.name}") words="{" ".join(words)}" ;;')
        for option in node.options:
            pattern = "|".join(f'"{node.name} {name}"' for name in option.names)
            if option.choices:
                values.append(f'    {pattern}) words="{" ".join(option.choices)}"; plain=1 ;;')
            elif option.takes_path:
                values.append(f'    {pattern}) COMPREPLY=($(compgen -f -- "$cur")); return ;;')
            elif option.takes_value:
                values.append(f"    {pattern}) return ;;")
    tops = " ".join(n.name for n in _tops(nodes))
    groups = " ".join(sorted({n.name.split()[0] for n in nodes if " " in n.name}))
    newline = "\n"
    return f"""# bash completion for memos; made by `memos completions bash`, do not edit
_memos() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
  local name="" words="" plain="" word
  local tops=" {tops} " groups=" {groups} "
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    if [[ -z $name && $tops == *" $word "* ]]; then name=$word
    elif [[ -n $name && $groups == *" $name "* && $word != -* ]]; then name="$name $word"; break
    fi
  done
  case "$name $prev" in
{newline.join(values)}
  esac
  if [[ -z $plain ]]; then
    case "$name" in
{newline.join("  " + c for c in cases)}
      "") words="{tops} --version --help" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _memos memos
"""


def _zsh(nodes: Sequence[Node]) -> str:
    tops = "\n".join(f"    {_zsh_quote(f'{n.name}:{n.help}')}" for n in _tops(nodes))
    cases = []
    for node in nodes:
        lines = [f"        {_zsh_option(option)}" for option in node.options]
        words = " ".join(node.words)
        rest = f"'*: :({words})'" if words else "'*: :_default'"
        body = " \\\n".join([*lines, f"        {rest}"])
        cases.append(f'    "{node.name}")\n      _arguments -s \\\n{body} ;;')
    groups = "|".join(sorted({n.name.split()[0] for n in nodes if " " in n.name})) or "-"
    newline = "\n"
    return f"""#compdef memos
# zsh completion for memos; made by `memos completions zsh`, do not edit
_memos() {{
  local -a commands
  commands=(
{tops}
  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands
    return
  fi
  local name=$words[2]
  shift words; (( CURRENT-- ))
  case $name in
    {groups}) if (( CURRENT > 2 )); then name="$name $words[2]"; shift words; (( CURRENT-- )); fi ;;
  esac
  case $name in
{newline.join(cases)}
  esac
}}
_memos "$@"
"""


def _zsh_option(option: Option) -> str:
    told = option.help.replace("[", "(").replace("]", ")").replace(":", " ")
    action = ""
    if option.choices:
        action = f":value:({' '.join(option.choices)})"
    elif option.takes_path:
        action = ":path:_files"
    elif option.takes_value:
        action = ":value: "
    exclusive = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    return " ".join(_zsh_quote(f"{exclusive}{name}[{told}]{action}") for name in option.names)


def _zsh_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(nodes: Sequence[Node]) -> str:
    tops = _tops(nodes)
    names = " ".join(n.name for n in tops)
    lines = [
        "# fish completion for memos; made by `memos completions fish`, do not edit",
        "complete -c memos -f",
    ]
    for node in tops:
        told = _fish_quote(node.help)
        seen = f"not __fish_seen_subcommand_from {names}"
        lines.append(f"complete -c memos -n '{seen}' -a {node.name} -d {told}")
    for node in nodes:
        parts = node.name.split()
        where = " && ".join(f"__fish_seen_subcommand_from {part}" for part in parts)
        lines += [f"complete -c memos -n '{where}' -a {word}" for word in node.words]
        lines += [f"complete -c memos -n '{where}' {_fish_option(o)}" for o in node.options]
    return "\n".join(lines) + "\n"


def _fish_option(option: Option) -> str:
    flags = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names]
    if option.choices:
        flags.append(f"-x -a {_fish_quote(' '.join(option.choices))}")
    elif option.takes_value:
        flags.append("-r -F" if option.takes_path else "-x")
    return " ".join([*flags, f"-d {_fish_quote(option.help)}"])


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
