"""`memos recall`."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.explain import (
    expected_json,
    in_a_line,
    print_expected,
    print_reasons,
    reasons_json,
    understood,
)
from memos_cli.cli.places import places, wanted
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import cube_json, local_time, short_id, unusual
from memos_cli.core import packing
from memos_cli.core.cube import Kind, State, check_name, decode_utf8, lines_of
from memos_cli.core.errors import ModelUnusableError, NothingFoundError, RefusedError, UsageError
from memos_cli.core.query import MAX_K, Query
from memos_cli.core.safetext import one_line, visible
from memos_cli.core.weights import RANKINGS, Weights
from memos_cli.core.when import require_when

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.core.query import Hit, Recalled
    from memos_cli.ops.encoders import Reranker
    from memos_cli.ops.expected import Expected
    from memos_cli.ops.recall import Searcher
    from memos_cli.ops.workspace import Workspace

_SCORE_WIDTH = 4
_LINES = 4  # of a memory on a terminal; `show` has the rest


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is printed of each memory."""

    ids: bool = False
    text: bool = False
    explain: bool = False


@command
def recall(  # noqa: PLR0913 - one parameter an option of the contract
    rt: Runtime,
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY", help="What to find; - or nothing reads stdin."),
    ] = None,
    *,
    k: Annotated[
        int | None, typer.Option("-k", min=1, max=MAX_K, help="How many, at most.")
    ] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Only of this kind; repeatable.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", "-t", metavar="TAG", help="Only with every TAG.")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only of this namespace; repeatable.")
    ] = None,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Only in this state; repeatable. Usual: activated and frozen."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only created from then on.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Only created by then.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="REV|DATE", help="Ask the memories as they were then.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(metavar="TOKENS", min=1, help="No more than fits into a prompt.")
    ] = None,
    min_score: Annotated[
        str | None,
        typer.Option(metavar="SCORE|N%", help="Only from this score, or share of the best, on."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why each is there: what its score is made of.")
    ] = False,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="ID", help="Say why this memory is not there."),
    ] = None,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Let the reranker model order the best results.")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="Print the texts alone.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids alone.")] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="A query a line of stdin, a JSON line for each.")
    ] = False,
) -> None:
    """Find the memories that answer a question, the best first."""
    now = rt.now()
    plain = Query(
        text="",
        kinds=tuple(kind or ()),
        tags=tuple(check_name(name, "a tag") for name in tag or ()),
        namespaces=tuple(check_name(name, "a namespace") for name in namespace or ()),
        since=require_when(since, now, start=True) if since else None,
        until=require_when(until, now) if until else None,
        at=at,
        budget=budget,
        explain=explain,
    )
    plain = _with_least(plain, min_score) if min_score else plain
    plain = replace(plain, states=tuple(state)) if state else plain
    lines = _questions(rt, query, batch=batch)
    ws = rt.workspace()
    chosen = replace(plain, k=k if k or budget else default_k(rt, ws))
    searcher = open_searcher(rt, ws, rerank=rerank, counted=budget is not None)
    if batch:
        for line in lines:
            found = _asked(searcher, replace(chosen, text=line))
            rt.out.object({"memos": 1, **_document(found, ws, _expected(searcher, found, expect))})
        return
    found = _asked(searcher, replace(chosen, text=lines[0]))
    for lack in found.degraded:
        rt.out.message(f"Note: {lack}.")
    told = _expected(searcher, found, expect)
    if explain and found.time and not rt.out.json:
        rt.out.message(understood(found.time))
    try:
        _print(rt, ws, found, _Shape(ids or rt.out.quiet, text, explain), told)
    finally:
        if not rt.out.json:
            print_expected(rt.out, told)


def _asked(searcher: Searcher, query: Query) -> Recalled:
    found = searcher.search(query)
    if not query.explain:
        return found
    from memos_cli.ops.explain import completed

    return completed(found)


def _expected(
    searcher: Searcher, found: Recalled, prefixes: Sequence[str] | None
) -> list[Expected]:
    if not prefixes:
        return []
    from memos_cli.ops.expected import expected

    return [expected(searcher, found, prefix) for prefix in prefixes]


def _with_least(query: Query, told: str) -> Query:
    """`--min-score`: 0.3 is a score, 60% a share of the best one."""
    try:
        number = float(told.removesuffix("%"))
    except ValueError:
        number = math.nan
    if told.endswith("%") and 0 <= number <= 100:  # noqa: PLR2004 - per cent
        return replace(query, min_share=number / 100)
    if told.endswith("%") or not math.isfinite(number):
        msg = f"--min-score is {told!r}; it must be a score such as 0.3, or 0% to 100%."
        raise UsageError(msg)
    return replace(query, min_score=number)


def _questions(rt: Runtime, words: list[str] | None, *, batch: bool) -> list[str]:
    if batch:
        if words:
            msg = "With --batch the queries come from stdin, a line each."
            raise UsageError(msg)
        given = decode_utf8(rt.text_or_stdin(None), "stdin")
        return lines_of(given)
    question = " ".join(words) if words else None
    text = decode_utf8(rt.text_or_stdin(question), "The query").strip()
    if not text:
        msg = "The query is empty."
        raise UsageError(msg)
    return [text]


def default_k(rt: Runtime, ws: Workspace) -> int:
    """How many results the settings ask for."""
    value, origin = rt.settings.value("recall.k", ws.config)
    if not 1 <= value <= MAX_K:
        msg = f"recall.k is {value} ({origin}); it must be 1 to {MAX_K}."
        raise UsageError(msg)
    return int(value)


def open_searcher(
    rt: Runtime, ws: Workspace, *, rerank: bool = False, counted: bool = False
) -> Searcher:
    """A searcher with the ranking of the settings; `counted` if there is a budget to keep."""
    from memos_cli.ops.recall import Searcher

    name, origin = rt.settings.value("recall.ranking", ws.config)
    weights: Weights | None = RANKINGS.get(name)
    if weights is None:
        msg = f"recall.ranking is {name!r} ({origin}); it must be one of {', '.join(RANKINGS)}."
        raise UsageError(msg)
    reranker = _reranker(rt, ws) if rerank else None
    count = _counter(rt, ws) if counted else packing.estimate
    return Searcher(ws, weights=weights, reranker=reranker, count=count)


def _counter(rt: Runtime, ws: Workspace) -> Callable[[str], int]:
    """Counts tokens as the chat model does, or says that it can only estimate them."""
    from memos_cli.cli.model import chosen
    from memos_cli.ops.models import vocabulary

    try:
        model = chosen(rt, ws)
        return vocabulary(model, places(rt.settings), rt.out.message).count
    except (ModelUnusableError, RefusedError) as error:
        rt.out.message(f"Note: tokens are estimated, at four letters each: {error.message}")
        return packing.estimate


def _reranker(rt: Runtime, ws: Workspace) -> Reranker:
    from memos_cli.ops.encoders import chosen_reranker

    chosen = wanted(rt.settings, "models.reranker", ws.config)
    return chosen_reranker(ws, chosen, places(rt.settings))


def _document(found: Recalled, ws: Workspace, told: Sequence[Expected] = ()) -> dict[str, Any]:
    return {
        "query": found.query.text,
        "at": found.at,
        "vault": str(ws.root),
        "degraded": list(found.degraded),
        "time": found.time.to_json() if found.time else None,
        **_spent(found),
        **expected_json(told),
        "results": [_hit_json(hit, explain=found.query.explain) for hit in found.results],
        "elapsed_ms": round(found.elapsed_ms, 1),
    }


def _spent(found: Recalled) -> dict[str, int]:
    """With a budget: it, and the tokens that the results take of it."""
    if found.query.budget is None or found.tokens is None:
        return {}
    return {"tokens": found.tokens, "budget": found.query.budget}


def _hit_json(hit: Hit, *, explain: bool) -> dict[str, Any]:
    return {
        **cube_json(hit.cube),
        **({"superseded_by": hit.superseded_by} if hit.superseded_by else {}),
        "score": round(hit.score, 4),
        "scores": {name: round(value, 4) for name, value in hit.scores.items()},
        "tiers": list(hit.tiers),
        **(reasons_json(hit) if explain else {}),
    }


def _print(
    rt: Runtime, ws: Workspace, found: Recalled, shape: _Shape, told: Sequence[Expected]
) -> None:
    if rt.out.json:
        _print_document(rt, ws, found, told)
    elif not found.results:
        raise _nothing()
    elif rt.out.jsonl:
        for hit in found.results:
            rt.out.object(_hit_json(hit, explain=shape.explain))
    elif rt.out.is_terminal and not (shape.ids or shape.text):
        _print_for_person(rt, found.results, shape)
    else:
        for hit in found.results:
            rt.out.raw(_line(hit, shape))


def _nothing() -> NothingFoundError:
    return NothingFoundError("No memory answers that.")


def _print_document(rt: Runtime, ws: Workspace, found: Recalled, told: Sequence[Expected]) -> None:
    """The document of the contract; one without results says so as an error too."""
    document = _document(found, ws, told)
    if found.results:
        rt.out.document(document)
        return
    nothing = _nothing()
    error = {"code": nothing.code, "message": nothing.message, "hint": nothing.hint}
    rt.out.document({**document, "error": error})
    raise typer.Exit(nothing.exit_code)


def _line(hit: Hit, shape: _Shape) -> str:
    """A memory in a pipe: its id, its text, or both with the score between, tabs around it."""
    if shape.ids:
        return hit.cube.id
    if shape.text:
        return visible(hit.cube.text)
    fields = [hit.cube.id, f"{hit.score:.3f}", one_line(hit.cube.text)]
    return "\t".join([*fields, *([in_a_line(hit)] if shape.explain else [])])


def _print_for_person(rt: Runtime, hits: Sequence[Hit], shape: _Shape) -> None:
    out = rt.out
    short = {hit.cube.id: short_id(rt.opened, hit.cube.id) for hit in hits}
    id_width = max(map(len, short.values()))
    margin = _SCORE_WIDTH + 2 + id_width + 2
    for hit in hits:
        score = out.styled(f"{hit.score:{_SCORE_WIDTH}.2f}", "green")
        head = f"{score}  {out.styled(short[hit.cube.id].ljust(id_width), 'cyan')}  "
        for at, line in enumerate(_lines(_said(hit), out.width - margin)):
            out.raw((" " * margin if at else head) + _highlighted(rt, line, hit.why))
        out.raw(" " * margin + out.styled(_facts(rt, hit), "dim"))
        if shape.explain:
            print_reasons(out, hit, margin)


def _said(hit: Hit) -> str:
    speaker = hit.cube.speaker
    return f"{speaker}: {hit.cube.text}" if speaker else hit.cube.text


def _lines(text: str, width: int) -> list[str]:
    """The first lines of a text, safe and wrapped, with a mark where there is more."""
    lines = [
        piece
        for line in visible(text).expandtabs(4).split("\n")
        for piece in textwrap.wrap(line, max(20, width)) or [""]
    ]
    lines = [line for line in lines if line] or [""]
    return lines if len(lines) <= _LINES else [*lines[: _LINES - 1], lines[_LINES - 1] + " …"]


def _highlighted(rt: Runtime, line: str, words: Sequence[str]) -> str:
    """A safe line with the matched words in bold."""
    if not words:
        return rt.out.styled(line)
    stems = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    pieces = re.split(rf"(?i)(?<!\w)({stems})", line)
    return "".join(rt.out.styled(p, *(["bold"] if at % 2 else [])) for at, p in enumerate(pieces))


def _facts(rt: Runtime, hit: Hit) -> str:
    cube = hit.cube
    facts = [str(cube.kind), local_time(cube.created, rt.out)]
    facts += unusual(cube)
    facts += _validity(rt, hit)
    return " · ".join([*facts, *(f"#{tag}" for tag in cube.tags)])


def _validity(rt: Runtime, hit: Hit) -> list[str]:
    """What a person must know before they believe it: what replaced it, until when it holds."""
    found = []
    if hit.superseded_by:
        found.append(f"superseded by {short_id(rt.opened, hit.superseded_by)}")
    if hit.cube.valid_until:
        found.append(f"valid until {hit.cube.valid_until.astimezone():%Y-%m-%d}")
    return found
