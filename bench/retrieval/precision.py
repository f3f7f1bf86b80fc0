"""PrecisionMemBench: whether recall returns what answers, and nothing else.

The set (tenurehq/precisionMemBench) has 35 beliefs in scopes and 77 cases. Its rules, read from
its runner: `relevantBeliefs.shouldOnlyInclude` is the exact set that a search must return once
pinned beliefs are taken out; `mustExclude` may not come back at all; `pinnedFacts.mustInclude` and
`openQuestions.mustInclude` are listed by the runner itself from the seed, not searched. A search
returns at most `budget.maxBeliefs` (20), pinned ones count against it, and a relation brings the
beliefs that take part in it. A pass is active where something had to be found or was returned:
43 of the 77 cases can have one, and a system that returns too much has none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.retrieval.model import Corpus, DataSet, Memory, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bench.retrieval.run import Answer

FOLDER = "precisionmembench"
USER = "test-user"
LIMIT = 20
LEAST = "60%"  # of the best score; that keeps 81.5 of LoCoMo's 82.1 in the first ten
RIVALS = {
    "tenure": (43, 77, 12, 1.00, 1.00),
    "open-knowledge-format": (18, 36, 2, 0.47, 0.91),
    "supermemory": (17, 44, 2, 0.43, 0.55),
    "gbrain": (5, 34, 1, 0.14, 0.17),
    "agentmemory": (0, 7, 0, 0.17, 0.97),
    "yourmemory": (0, 21, 1, 0.17, 0.88),
    "atomicmemory": (0, 9, 0, 0.15, 0.95),
    "zep": (0, 9, 0, 0.09, 0.95),
    "vectors alone": (0, 11, 0, 0.09, 1.00),
    "hindsight": (0, 9, 0, 0.06, 1.00),
    "mem0": (0, 9, 0, 0.06, 0.99),
    "a-mem": (0, 9, 0, 0.06, 0.99),
}
"""As the set's own README has them: the COLUMNS but for the last."""
COLUMNS = ("active of 43", "passes of 77", "turns of 12", "precision", "recall", "returned")

Belief = dict[str, Any]


def beliefs(folder: Path) -> dict[str, Belief]:
    """The beliefs by id; OSError where they are not there."""
    raw = json.loads((folder / FOLDER / "beliefs.seed.json").read_text("utf-8"))
    return {belief["_id"]: belief for belief in raw}


def cases(folder: Path) -> list[dict[str, Any]]:
    """The 77 cases; OSError where they are not there."""
    path = folder / FOLDER / "retrieval.cases.json"
    return list(json.loads(path.read_text("utf-8")))


def turns(folder: Path) -> tuple[list[dict[str, Any]], list[Belief], list[dict[str, Any]]]:
    """`(turns, beliefs, turns)`: two sessions as cases, parted by what is learnt on the way."""
    raw = json.loads((folder / FOLDER / "session-retrieval.cases.json").read_text("utf-8"))
    before: list[dict[str, Any]] = []
    learnt: list[Belief] = []
    after: list[dict[str, Any]] = []
    for session in raw:
        for turn in session["turns"]:
            name = f"{session['caseId']}/{turn['turnIndex']}"
            case = {**turn, "caseId": name, "query": turn["userMessage"], "category": "sessions"}
            (after if learnt else before).append(case)
            learnt += [turn["createBeliefAtTurn"]] if "createBeliefAtTurn" in turn else []
    return before, learnt, after


def load(folder: Path) -> DataSet:
    """The beliefs twice: as every system is given them, and in the fields that memos has.

    As given: name, aliases, content and reason in one text, a namespace for each person and scope.
    In fields: the name is the title, aliases are tags, the content is the text; what was
    superseded or settled ends (`valid_until`), open questions have a namespace of their own.
    """
    seed, (before, learnt, after) = beliefs(folder), turns(folder)
    first, later = tuple(_questions([*cases(folder), *before])), tuple(_questions(after))
    corpora = []
    for name, made in (("as given", _given), ("in fields", _in_fields)):
        memories = tuple(map(made, seed.values()))
        corpora.append(Corpus(name, memories, first))
        corpora.append(Corpus(name, (*memories, *map(made, learnt)), later))
    return DataSet("precision", "PrecisionMemBench", tuple(corpora), depth=LIMIT)


def _questions(asked: Iterable[Mapping[str, Any]]) -> Iterable[Question]:
    for case in asked:
        if not case["query"].strip():
            continue  # the runner does not search then
        expected = case["expect"].get("relevantBeliefs", {}).get("shouldOnlyInclude", ())
        options = [f"--namespace={_space(_user(case), scope)}" for scope in case["scope"]]
        yield Question(
            case["query"],
            case["category"],
            tuple(expected),
            options=tuple(options),
            id=case["caseId"],
        )


def _user(case: Mapping[str, Any]) -> str:
    return str(case.get("userId", USER))


def _space(user: str, scope: str) -> str:
    return f"{user} {scope}"


def _given(belief: Belief) -> Memory:
    words = [belief["canonical_name"], *belief["aliases"], belief["content"]]
    text = " ".join(word for word in [*words, belief.get("why_it_matters")] if word)
    space = _space(belief["user_id"], belief["scope"][0])
    return Memory(belief["_id"], {"text": text, "namespace": space})


def _in_fields(belief: Belief) -> Memory:
    space = _space(belief["user_id"], belief["scope"][0])
    if belief["type"] == "open_question":
        space += " questions"
    line = {
        "text": belief["content"],
        "title": belief["canonical_name"],
        "tags": belief["aliases"],
        "namespace": space,
        "created": belief["created_at"],
    }
    if belief["superseded_by"] or belief["resolved_at"]:
        line["valid_until"] = belief["resolved_at"] or belief["updated_at"]
    return Memory(belief["_id"], line)


def score(
    asked: Sequence[Mapping[str, Any]],
    seed: Mapping[str, Belief],
    found: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """The COLUMNS of a system that returned `found[case id]`, by the rules of the set's runner."""
    active = passes = in_sessions = 0
    precisions, recalls, returned = [], [], []
    for case in asked:
        pinned, relevant = _context(case, seed, found.get(case["caseId"], ()))
        expected = set(case["expect"].get("relevantBeliefs", {}).get("shouldOnlyInclude", ()))
        right = expected & relevant
        passed = _passes(case, seed, pinned, relevant)
        if case.get("category") == "sessions":
            in_sessions += passed
            continue
        passes += passed
        returned.append(len(relevant))
        if relevant or expected:
            precisions.append(len(right) / len(relevant) if relevant else 0.0)
            active += passed
        if expected:
            recalls.append(len(right) / len(expected))
    means = _mean(precisions), _mean(recalls), _mean(returned)
    return dict(zip(COLUMNS, (active, passes, in_sessions, *means), strict=True))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _context(
    case: Mapping[str, Any], seed: Mapping[str, Belief], ranked: Sequence[str]
) -> tuple[set[str], set[str]]:
    """What the runner makes of a search: the pinned facts, and the relevant beliefs."""
    limit = case.get("budget", {}).get("maxBeliefs", LIMIT)
    pinned = [key for key in _pinned(case, seed) if seed[key]["type"] != "open_question"]
    pinned = [key for key in pinned if not seed[key]["superseded_by"]]
    relevant = [key for key in ranked[:limit] if key not in pinned]
    for relation in list(relevant):
        relevant += [
            key
            for key in seed[relation].get("participants", ())
            if key not in {*pinned, *relevant} and _takes_part(case, seed[key])
        ]
    kept = pinned[:limit]
    return set(kept), set(relevant[: max(0, limit - len(kept))])


def _takes_part(case: Mapping[str, Any], belief: Belief) -> bool:
    in_scope = set(belief["scope"]) & set(case["scope"])
    return belief["type"] != "open_question" and belief["user_id"] == _user(case) and bool(in_scope)


def _pinned(case: Mapping[str, Any], seed: Mapping[str, Belief]) -> list[str]:
    return [
        key
        for key, belief in seed.items()
        if belief["user_id"] == _user(case)
        and belief["pinned"]
        and not belief["resolved_at"]
        and set(belief["scope"]) & set(case["scope"])
    ]


def _passes(
    case: Mapping[str, Any], seed: Mapping[str, Belief], pinned: set[str], relevant: set[str]
) -> bool:
    expect = case["expect"]
    beliefs_, facts = expect.get("relevantBeliefs", {}), expect.get("pinnedFacts", {})
    open_ = {key for key in _pinned(case, seed) if seed[key]["type"] == "open_question"}
    asked = expect.get("openQuestions", {})
    exact = beliefs_.get("shouldOnlyInclude")
    return (
        (exact is None or set(exact) == relevant)
        and not set(beliefs_.get("mustExclude", ())) & (pinned | relevant)
        and set(facts.get("mustInclude", ())) <= pinned
        and not set(facts.get("mustExclude", ())) & pinned
        and set(asked.get("mustInclude", ())) <= open_
        and not set(asked.get("mustExclude", ())) & open_
    )


def table(folder: Path, answers: Mapping[str, Sequence[Answer]]) -> dict[str, dict[str, float]]:
    """`{"ranking, corpus": COLUMNS}` of every ranking that was run."""
    before, learnt, after = turns(folder)
    seed = beliefs(folder) | {belief["_id"]: belief for belief in learnt}
    asked = [*cases(folder), *before, *after]
    found = {}
    for name, given in answers.items():
        for corpus in dict.fromkeys(answer.corpus for answer in given):
            ranked = {a.question.id: a.ranked for a in given if a.corpus == corpus}
            found[f"{name}, {corpus}"] = score(asked, seed, ranked)
    return found
