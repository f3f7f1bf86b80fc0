"""A GGUF model in llama.cpp, through its C functions: tokenise, prefill, decode, stop.

llama.cpp answers some mistakes by ending the process. What is checked here before it sees anything:
a prompt fits the context, a batch is at most `BLOCK` tokens, a context never outlives its model.
The file itself must have passed `memos_cli.backends.gguf.read` and, if it is a stranger, `probe`.
"""

from __future__ import annotations

from memos_cli.backends.llama.encoder import Encoder
from memos_cli.backends.llama.engine import Engine
from memos_cli.backends.llama.joining import Join
from memos_cli.backends.llama.library import log
from memos_cli.backends.llama.opening import KV_TYPES
from memos_cli.backends.llama.probe import probe
from memos_cli.backends.llama.stats import Stats
from memos_cli.backends.llama.vocabulary import Vocabulary

__all__ = ["KV_TYPES", "Encoder", "Engine", "Join", "Stats", "Vocabulary", "log", "probe"]
