"""How long Ctrl-C takes: from the key to the end of the answer, and to the next prompt.

`python bench/ctrlc.py MODEL.gguf [ROUNDS]` talks to `memos chat` on a pseudo-terminal and presses
Ctrl-C at a random moment of the answer, or with `--prefill` of a long prompt's computation.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect

PROMPT = "\x1b[?2004h"
ENTERED = "\x1b[?2004l"


def main() -> None:
    """Print the median, the worst and the share under 100 ms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("rounds", type=int, nargs="?", default=20)
    parser.add_argument("--prefill", action="store_true", help="stop a long prompt's computation")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stopped, prompted = measure(Path(folder), asked)
    for name, took in (("answer ended", stopped), ("next prompt", prompted)):
        took.sort()
        quick = sum(t < 0.1 for t in took) / len(took)
        print(
            f"{name:13} median {took[len(took) // 2] * 1000:6.1f} ms, "
            f"worst {took[-1] * 1000:6.1f} ms, {quick:4.0%} under 100 ms"
        )


def measure(folder: Path, asked: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Seconds from Ctrl-C to `(stopped)` and to the prompt, of each round."""
    env = {
        **os.environ, "HOME": str(folder), "MEMOS_VAULT": str(folder / "vault"),
        "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", "MEMOS_CONTEXT": "4096",
    }  # fmt: skip
    program = [sys.executable, "-m", "memos_cli"]
    subprocess.run([*program, "init", folder / "vault"], env=env, check=True, capture_output=True)
    args = ["-m", asked.model, "--max-tokens", "100000", "--capture", "off", "--no-kv"]
    child = pexpect.spawn(program[0], [*program[1:], "chat", *args], env=env, timeout=300)
    child.delaybeforesend = None
    child.expect_exact(PROMPT)
    stopped, prompted = [], []
    for number in range(asked.rounds + 1):
        long = "word " * 300 if asked.prefill else ""
        child.send(f"/session s{number}\r")
        child.expect_exact(PROMPT)
        child.send(f"{long}Tell me story {number}.\r")
        child.expect_exact(ENTERED)
        child.expect(b"\xe2\x80\xa6" if asked.prefill else rb"\x1b\[K")
        time.sleep(random.uniform(0.2, 0.6))
        started = time.perf_counter()
        child.sendintr()
        child.expect_exact("(stopped)")
        stopped.append(time.perf_counter() - started)
        child.expect_exact(PROMPT)
        prompted.append(time.perf_counter() - started)
    child.close(force=True)
    return stopped[1:], prompted[1:]  # the first turn opens the tables


if __name__ == "__main__":
    main()
