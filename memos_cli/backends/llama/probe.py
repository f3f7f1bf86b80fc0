"""A first run of a strange model in a process of its own."""

from __future__ import annotations

import subprocess  # noqa: TID251 - llama.cpp may end the process, so it gets one to end
import sys
from pathlib import Path
from typing import Final

from memos_cli.backends.llama.encoder import Encoder
from memos_cli.backends.llama.engine import Engine
from memos_cli.backends.llama.library import unloadable
from memos_cli.core.prompt import Prompt

PROBE_SECONDS: Final = 600
PROBE_CONTEXT: Final = 256


def probe(path: Path, pooling: str = "") -> None:
    """Load and run a model once in a child process; raise ModelUnusableError if that fails.

    With a `pooling` (see `core.families`) it is run as an encoder.

    A header can be right and the model still end the process that runs it; so let it end a child.
    """
    code = "import sys; from memos_cli.backends.llama.probe import try_out; try_out(*sys.argv[1:])"
    package_root = str(Path(__file__).parents[3])
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {package_root!r}); {code}",
             str(path), pooling],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode != 0:
        raise unloadable(path)


def try_out(path: str, pooling: str) -> None:
    """What the child of `probe` does: load, prefill, decode a token; or load and encode."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if pooling:
        with Encoder.load(Path(path), pooling) as encoder:
            if pooling == "rank":
                encoder.relevance("a", ["b"])
            else:
                encoder.embed(["a", "b " * encoder.limit])
        return
    with Engine.load(Path(path), n_ctx=PROBE_CONTEXT) as engine:
        vocabulary = engine.vocabulary
        for _ in engine.generate(
            Prompt(tuple(index % vocabulary for index in range(4))), max_tokens=2
        ):
            pass
