"""Writes the docs that can be generated, and the completion scripts; `--check` only compares.

What it makes: `docs/commands.md` (every help page), `docs/exit-codes.md`, `docs/settings.md`,
`docs/json.md` (the shape of each command's JSON, read off real runs on `vaults/demo`),
`completions/`.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from memos_cli.cli.app import COMMANDS, load_command, run
from memos_cli.cli.completions import Shell, script
from memos_cli.cli.settings import SETTINGS, Environment
from memos_cli.core.errors import INTERRUPTED_EXIT_CODE, all_errors

ROOT = Path(__file__).resolve().parent.parent
MADE = "<!-- made by `make docs`, do not edit -->\n\n"
COMPLETION_FILES = {Shell.BASH: "memos.bash", Shell.ZSH: "_memos", Shell.FISH: "memos.fish"}
SAMPLES = (
    "add Tea --json",
    "add --jsonl < notes.jsonl",
    "recall tomatoes --json",
    "recall tomatoes --json --explain --expect m9s3 --budget 99",
    "show t4f5v3 --json",
    "edit t4f5v3 --text New --json --dry-run",
    "forget t4f5v3 --json --dry-run",
    "forget --purge t4f5v3 --json --dry-run",
    "freeze t4f5v3 --json --dry-run",
    "tag t4f5v3 +drink --json --dry-run",
    "chat Hello --json --no-save",
    "sessions --json",
    "review --json",
    "log --json -n 1",
    "diff --json HEAD~1 HEAD",
    "diff --recall note --json HEAD~1 HEAD",
    "log --recall note --json -n 1",
    "revert HEAD --json --dry-run",
    "undo --json --dry-run",
    "blame t4f5v3 --json",
    "bisect note --bad-if note --json",
    "branch --json",
    "switch -c side --json --dry-run",
    "merge main --json --dry-run",
    "grant scout read work --json",
    "policy --json",
    "policy check scout read work --json",
    "policy retention work 30d --json --dry-run",
    "revoke scout --json --dry-run",
    "audit --json -n 1 --op add",
    "status --json",
    "doctor --json",
    "config --json",
    "evolve --json --dry-run",
    "profile --json",
    "kv build --all --json",
    "kv list --json",
    "kv verify --json",
    "kv clear --json --dry-run",
    "model list --json",
    "model info --json",
    "show zzzz --json",
)


def _call(args: list[str], *, cwd: Path, stdin: str = "") -> str:
    """Stdout of one command, in this process, far from the person's own settings."""
    out = io.StringIO()
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(cwd), "COLUMNS": "100",
        "MEMOS_VAULT": str(cwd / "v"), "GIT_CONFIG_GLOBAL": "/dev/null",
    }  # fmt: skip
    source = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    run(args, Environment(environ=environ, cwd=cwd, stdin=source, stdout=out, stderr=io.StringIO()))
    return out.getvalue()


def commands_page() -> str:
    """Every command's `--help`."""
    pages = [MADE + "# Commands\n\nThe help pages, as `memos COMMAND --help` prints them.\n"]
    for name in COMMANDS:
        names = [name, *(f"{name} {sub}" for sub in getattr(load_command(name), "commands", {}))]
        pages += [f"\n## memos {full}\n\n```text\n{_help(full)}\n```\n" for full in names]
    return "".join(pages)


def _help(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "memos_cli", *name.split(), "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PATH": os.environ["PATH"], "COLUMNS": "100", "HOME": "/nonexistent"},
    )  # fmt: skip
    return done.stdout.rstrip()


def exit_codes_page() -> str:
    """The table of exit codes, from the error classes."""
    rows = [("0", "", "it worked")]
    rows += [(str(e.exit_code), f"`{e.code}`", e.meaning) for e in all_errors()]
    rows += [(str(INTERRUPTED_EXIT_CODE), "", "interrupted by Ctrl-C"),
             ("141", "", "the reader of the pipe went away; nothing is printed")]  # fmt: skip
    table = "".join(f"| {code} | {slug} | {meaning} |\n" for code, slug, meaning in rows)
    text = (
        "# Exit codes\n\nThe second column is `error.code` in JSON. Treat a code that you do not "
        "know as a failure.\n\n| code | error | meaning |\n|---|---|---|\n"
    )
    return MADE + text + table


def settings_page() -> str:
    """The table of settings."""
    rows = "".join(
        f"| `{s.key}` | `{s.default}` | {f'`{s.env}`' if s.env else ''} | {s.meaning} |\n"
        for s in SETTINGS
    )
    return (
        MADE + "# Settings\n\n"
        "Flags win over the environment, that over the vault's `memos.toml`, that over\n"
        "`$XDG_CONFIG_HOME/memos/config.toml`, that over the default. "
        "`memos config` shows where each comes from.\n"
        "`MEMOS_VAULT` and `MEMOS_ACTOR` stand in for `--vault` and `--as`.\n\n"
        "| key | default | environment | meaning |\n|---|---|---|---|\n" + rows
    )


def json_page() -> str:
    """The shape of every command's JSON, read off real runs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(ROOT / "vaults" / "demo", place / "v")
        _call(["init", str(place / "v")], cwd=place)
        subprocess.run(["git", "init", "-q", str(place / "v")], check=True)
        _call(["init", str(place / "v")], cwd=place)
        git = ["git", "-C", str(place / "v"), "-c", "user.name=d", "-c", "user.email=d@localhost"]
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "demo"], check=True)
        parts = [
            MADE + "# JSON\n\nThe shape of what `--json` prints: one document, `memos` is the "
            "version of this contract. Keys may be added. "
            "`--jsonl` prints the items of a list, one a line.\n"
        ]
        for sample in SAMPLES:
            line, _, redirected = sample.partition(" < ")
            stdin = '{"text": "A note", "kind": "fact"}\n' if redirected else ""
            said = _call(line.split(), cwd=place, stdin=stdin)
            first = json.loads(said.strip().split("\n")[0])
            shape = json.dumps(_shape(first), indent=1, ensure_ascii=False)
            parts.append(f"\n## memos {sample}\n\n```json\n{_compact(shape)}\n```\n")
    return "".join(parts)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: 1 if key == "memos" else _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return {"str": "…", "int": 0, "float": 0.5}.get(type(value).__name__, value)


def _compact(text: str) -> str:
    return text.replace("[\n  ]", "[]")


def pages() -> dict[str, str]:
    """`{path: content}` of everything that is generated."""
    made = {
        "docs/commands.md": commands_page(),
        "docs/exit-codes.md": exit_codes_page(),
        "docs/settings.md": settings_page(),
        "docs/json.md": json_page(),
    }
    for shell, name in COMPLETION_FILES.items():
        made[f"completions/{name}"] = script(shell)
    return made


def main() -> int:
    """Writes what differs; with `--check` names it and returns 1."""
    stale = []
    for path, content in pages().items():
        place = ROOT / path
        if not place.exists() or place.read_text() != content:
            stale.append(path)
            if "--check" not in sys.argv:
                place.parent.mkdir(exist_ok=True)
                place.write_text(content)
    for path in stale:
        print("stale:" if "--check" in sys.argv else "wrote", path)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
