"""Why a memory that a person names is among the results of a query, or is not.

The query is weighed once more by the searcher itself, with the memory among what competes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import codec, packing, ranking
from memos_cli.core.errors import NothingFoundError, VaultDamagedError
from memos_cli.core.reasons import lacking, nearness
from memos_cli.ops.history import LogFilter, log
from memos_cli.ops.memories import find_at
from memos_cli.ops.recall import as_of, still_to_come
from memos_cli.ops.scoring import LEXICAL, NEAREST
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from memos_cli.core.cube import Cube
    from memos_cli.core.query import Query, Recalled
    from memos_cli.ops.recall import Ranked, Searcher
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Expected:
    """The place of a memory among the results (from 1; None: it is not there), and why."""

    id: str
    rank: int | None
    why: str


def expected(searcher: Searcher, result: Recalled, prefix: str) -> Expected:
    """What became of the one memory whose id begins with `prefix` in a result.

    Raises UsageError for a malformed or ambiguous prefix, NothingFoundError where no memory has,
    nor ever had, such an id.
    """
    ws, query = searcher.ws, result.query
    commit, moment = as_of(ws, query.at) if query.at else (None, ws.now())
    for rank, hit in enumerate(result.results, 1):
        if hit.cube.id.startswith(check_prefix(prefix)):
            return Expected(hit.cube.id, rank, f"is number {rank}, with a score of {hit.score:.3f}")
    try:
        cube = _cube(ws, prefix, commit)
    except VaultDamagedError as error:
        return Expected(prefix, None, f"cannot be searched: {error.message.rstrip('.')}")
    except NothingFoundError:
        return _gone(ws, prefix, query)
    kept = "; ".join(_left_out(cube, query, moment))
    return Expected(cube.id, None, kept or _weighed(searcher, result, cube, (commit, moment)))


def _weighed(
    searcher: Searcher, result: Recalled, cube: Cube, when: tuple[str | None, datetime]
) -> str:
    """Why a memory that passes the filters was not among the results."""
    ranked, asked = searcher.ranked(result.query, *when, more=cube.id)
    keys = [row.key for row in ranked.named(cube.id) if row.key in ranked.pool]
    if keys:
        return _behind(searcher, result, ranked, keys[0], cube)
    if asked and asked.only:
        return f'was not made in the time of "{asked.meant.text}", and nothing else is asked for'
    return "is not in the search tables: `memos doctor` says more"


def _cube(ws: Workspace, prefix: str, commit: str | None) -> Cube:
    if commit is None:
        return ws.load(prefix)[1]
    return codec.parse(find_at(ws, check_prefix(prefix), commit)[1])


def _gone(ws: Workspace, prefix: str, query: Query) -> Expected:
    """A memory that is not there (then): what the history says of it."""
    last = next(iter(log(ws, LogFilter(limit=1), prefix)), None)
    if last is None:
        msg = f"No memory has, or ever had, an id that begins with {prefix}."
        raise NothingFoundError(msg)
    id_ = next((i for i in last.ids if i.startswith(check_prefix(prefix))), prefix)
    if query.at:
        return Expected(id_, None, f"was not there at {query.at}")
    by = f"{last.op or 'a commit'} of {last.actor}, {last.time:%Y-%m-%d}, {last.commit[:10]}"
    return Expected(id_, None, f"is no longer there ({by}): {last.subject}")


def _left_out(cube: Cube, query: Query, now: datetime) -> Iterator[str]:
    """The filters that a memory does not pass."""
    choices = (
        ("--kind", "kind", str(cube.kind), query.kinds),
        ("--state", "state", str(cube.state), query.states),
        ("--namespace", "namespace", cube.namespace, query.namespaces),
    )
    for option, name, own, wanted in choices:
        if wanted and own not in set(map(str, wanted)):
            yield f"has the {name} {own}, which is left out ({option} {own} asks for it)"
    missing = [tag for tag in query.tags if tag not in cube.tags]
    if missing:
        yield f"lacks the tag {', '.join(missing)}"
    if query.since and cube.created < query.since:
        yield f"was made on {cube.created:%Y-%m-%d}, before --since"
    if query.until and cube.created > query.until:
        yield f"was made on {cube.created:%Y-%m-%d}, after --until"
    ended = [end for end in (cube.valid_until, cube.expires) if end and end <= now]
    if ended and "expired" not in set(map(str, query.states)):
        yield f"was valid until {min(ended):%Y-%m-%d} (--state expired asks for such)"
    if still_to_come(cube, now):
        yield f"holds from {cube.valid_from:%Y-%m-%d} on"


def _behind(searcher: Searcher, result: Recalled, ranked: Ranked, key: str, cube: Cube) -> str:
    """Why a memory that competes was not among the results."""
    query, score, row = result.query, ranked.scores[key], ranked.pool[key]
    created = {k: r.created for k, r in ranked.pool.items()}
    order = ranking.best(ranked.scores, created, len(ranked.scores))
    place, terms = order.index(key) + 1, frozenset(row.terms.split(" "))
    lacks = ", ".join(f'"{word}"' for word in lacking(ranked.question, terms))
    told = f"scores {score.total:.3f} and would be number {place} of {len(order)}"
    lack = f"it lacks {lacks}" if lacks else "it has every word of the question"
    detail = f"{lack}, and is {nearness(score.cosine)} in meaning ({score.cosine:.2f})"
    if query.min_score is None and not searcher.answers(score, row):
        near = searcher.weights.near
        return f"is no answer: {detail}; a memory with none of the words must have {near:.2f}"
    best = ranked.scores[order[0]].total
    least = searcher.least(best, query)
    if score.total < least:
        return f"{told}, but {least:.3f} is the least shown beside a best of {best:.3f}: {detail}"
    if place > LEXICAL:
        found = f"only the best {LEXICAL} are looked at ({LEXICAL} by words, {NEAREST} by meaning)"
        return f"{told}; {found}: {detail}"
    if query.budget is not None:
        return f"{told}, but {_no_room(searcher, result, cube)}"
    last = result.results[-1].score if result.results else 0.0
    shown = f"-k shows {len(result.results)}, the last with {last:.3f}"
    return f"{told}; {shown}: {detail}"


def _no_room(searcher: Searcher, result: Recalled, cube: Cube) -> str:
    """Why the budget has no room for a memory."""
    for hit in result.results:
        if packing.said(hit.cube.text) == packing.said(cube.text):
            return f"{hit.cube.id} says the same"
    price = packing.cost(cube.text, searcher.count)
    left = (result.query.budget or 0) - (result.tokens or 0)
    if price <= left:
        return f"-k shows {len(result.results)}"
    return f"takes {price} tokens, and {left} of the budget are left"
