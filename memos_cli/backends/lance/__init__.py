"""LanceDB: the table of memories, derived from their text and disposable."""

from __future__ import annotations

from memos_cli.backends.lance.native import TableError
from memos_cli.backends.lance.table import Lance

__all__ = ["Lance", "TableError"]
