"""The `memos` program. `--version` answers before anything is imported."""

from __future__ import annotations

import sys

from memos_cli import __version__


def main() -> None:
    """Runs the command line and exits with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"memos {__version__}\n")
        return
    from memos_cli.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
