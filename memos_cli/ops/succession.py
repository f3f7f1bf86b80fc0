"""Memories that replace others: what holds now stands before what held once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from memos_cli.core.query import Hit


def newest_first(hits: Sequence[Hit], fetch: Callable[[str], Hit | None]) -> list[Hit]:
    """The hits in their order, but each after the memories that replace it, and marked.

    `fetch` gives a successor by its id where it may be recalled; one that is not among `hits` is
    brought in. A circle of memories that replace each other is entered once.
    """
    known: dict[str, Hit | None] = {hit.cube.id: hit for hit in hits}
    follows = _followers(hits)
    found: dict[str, Hit] = {}
    for hit in hits:
        _emit(hit, known, follows, fetch, found)
    return list(found.values())


def _emit(
    first: Hit,
    known: dict[str, Hit | None],
    follows: Mapping[str, str],
    fetch: Callable[[str], Hit | None],
    found: dict[str, Hit],
) -> None:
    """Adds the chain of successors of a hit to `found`, the last one first, then the hit."""
    chain, seen, hit = [], set(), first
    while hit.cube.id not in found and hit.cube.id not in seen:
        seen.add(hit.cube.id)
        later = hit.cube.superseded_by or follows.get(hit.cube.id, "")
        if later and later not in known:
            known[later] = fetch(later)
        successor = known.get(later)
        if successor is None or later in seen:
            chain.append(hit)
            break
        chain.append(replace(hit, superseded_by=later))
        hit = successor
    for link in reversed(chain):
        found[link.cube.id] = link


def _followers(hits: Iterable[Hit]) -> dict[str, str]:
    """`{id: id of the hit that says it replaces it}`; of several the newest."""
    newest = sorted(hits, key=lambda hit: (hit.cube.created, hit.cube.id))
    return {old: hit.cube.id for hit in newest for old in hit.cube.supersedes if old != hit.cube.id}
