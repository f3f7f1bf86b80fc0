"""Thousands of byte strings looked for in gigabytes at once.

Each string of at least `2 * width - 1` bytes holds a block of `width` bytes that lies at a multiple
of `width` in whatever holds it. So it is enough to look at one place in `width`: numpy looks all of
them up in a table of the blocks there can be, and what is left is compared byte by byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST: Final = 4096  # bytes of a needle that are compared; where all of it is, its start is
_BITS: Final = 22
_MIX: Final = 0x9E3779B97F4A7C15
_LOOK: Final = 64
_WIDTHS: Final = (8, 4)


class Needles:
    """Byte strings to be found; those of fewer than 7 bytes are looked for one by one."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._groups: list[_Group] = []
        rest = sorted({needle[:LONGEST] for needle in needles if needle})
        for width in _WIDTHS:
            fitting = [n for n in rest if len(n) >= 2 * width - 1]
            rest = [n for n in rest if len(n) < 2 * width - 1]
            if fitting:
                self._groups.append(_Group(fitting, width))
        self._tiny = rest

    def find(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """`(offset, needle)` of each place where one stands."""
        for group in self._groups:
            yield from group.find(data)
        for needle in self._tiny:
            at = data.find(needle)
            while at >= 0:
                yield at, needle
                at = data.find(needle, at + 1)


class _Group:
    """Needles that are found by blocks of one width."""

    def __init__(self, needles: list[bytes], width: int) -> None:
        import numpy as np

        self._width = width
        self._type = np.dtype(f"<u{width}")
        self._blocks: dict[int, list[tuple[bytes, int]]] = {}
        for needle in needles:
            begin = _best(needle, 2 * width - 1)
            for phase in range(begin, begin + width):
                block = int.from_bytes(needle[phase : phase + width], "little")
                self._blocks.setdefault(block, []).append((needle, phase))
        self._known = np.array(sorted(self._blocks), dtype=self._type)
        self._table = np.zeros(1 << _BITS, dtype=np.bool_)
        self._table[self._mixed(self._known)] = True

    def _mixed(self, blocks: Any) -> Any:  # noqa: ANN401 - numpy is imported where it is used
        import numpy as np

        wide = blocks.astype(np.uint64) if self._width < 8 else blocks  # noqa: PLR2004
        return (wide * np.uint64(_MIX)) >> np.uint64(64 - _BITS)

    def find(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        import numpy as np

        count = len(data) // self._width
        blocks = np.frombuffer(data, dtype=self._type, count=count)
        maybe = np.flatnonzero(self._table[self._mixed(blocks)])
        found = np.searchsorted(self._known, blocks[maybe])
        found[found == len(self._known)] = 0
        for number in maybe[self._known[found] == blocks[maybe]].tolist():
            for needle, phase in self._blocks[int(blocks[number])]:
                at = number * self._width - phase
                if at >= 0 and data.startswith(needle, at):
                    yield at, needle


def _best(needle: bytes, length: int) -> int:
    """Where in a needle the `length` bytes stand that are least like anything else's."""
    starts = range(min(len(needle) - length + 1, _LOOK))
    return max(starts, key=lambda at: len(set(needle[at : at + length])))
