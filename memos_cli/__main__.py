"""The `memos` program. `--version` answers before anything is imported."""

from __future__ import annotations

import gc
import os
import sys

from memos_cli import __version__


def main() -> None:
    """Runs the command line and exits with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"memos {__version__}\n")
        return
    gc.set_threshold(100_000, 20, 20)  # a command makes many objects and few circles
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - numpy's threads cost more to start than they ever give back here
    from memos_cli.cli.app import run

    code = run(sys.argv[1:])
    gc.freeze()  # the interpreter's last collections would look through all of numpy and pyarrow
    sys.exit(code)


if __name__ == "__main__":
    main()
