"""What `memos evolve` does to a year of a made-up life, and to LoCoMo's own sentences.

The year has 10,000 turns: statements of 1,500 facts from the templates of `training/nano` (each with
its key and value, so that every merge and replacement can be judged), changes of 30 % of them and
repetitions of 40 %, in the same or in other words; some 1,800 questions, which leave a line in the
access log each; and remarks, which are not facts: they take up turns and are neither written nor stored.
What the templates say in one respect has one subject and one key, so any two facts hold side by
side, though many differ in the subject alone. The rules were not tuned on it.

    python bench/evolve.py [--facts N] [--changed N] [--seed N] [--locomo FILE] [--show] [--wrong] [--json FILE]

`before` is the store as it was added, `after` the same after a round without `archive`, `archived`
after a round of `archive` alone. LoCoMo (CC BY-NC) is read where it lies: `--show` prints 20 of the
steps on it for a person to judge and nothing of its text is kept.
"""

# ruff: noqa: E501, SIM905
# A script that prints a table.

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.retrieval import locomo  # noqa: E402
from memos_cli.core.evolution import comparable  # noqa: E402
from memos_cli.core.learning import statements  # noqa: E402
from memos_cli.core.query import Query  # noqa: E402
from memos_cli.core.relation import relation  # noqa: E402
from memos_cli.ops import access, capture  # noqa: E402
from memos_cli.ops.embedder import shipped_embedder  # noqa: E402
from memos_cli.ops.evolve import evolve  # noqa: E402
from memos_cli.ops.opening import open_workspace  # noqa: E402
from memos_cli.ops.recall import Searcher, as_of  # noqa: E402
from memos_cli.ops.setup import init  # noqa: E402
from memos_cli.ops.timemachine import revert, undo  # noqa: E402
from memos_cli.ops.workspace import Surroundings  # noqa: E402
from training.nano.facts import (  # noqa: E402
    CATEGORIES,
    PASS,
    Fact,
    FactType,
    answers,
    fresh,
    new_fact,
    render,
    types,
)
from training.nano.values import Values, lists  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.core.evolution import Step
    from memos_cli.ops.workspace import Workspace

LOCOMO = ROOT.parent / "shared" / "data" / "locomo" / "dev.json"
START = datetime(2025, 1, 1, tzinfo=UTC)
END = START + timedelta(days=365)
TURNS = 10_000
FACTS = 1_500
ASKED = 3_000  # questions; those before the fact was told are dropped
CHANGED, REPEATED = 0.3, 0.4
CHANGING_SHARE = 0.5  # of the facts, those of a type that may change
CHANGES = 50  # of the test of contradictions
FILE_STEPS = ("expire", "supersede", "merge", "review")
SHOWN = 20
DEPTH = 10

# -- a year ---------------------------------------------------------------------------------------

CHANGING = {
    "p_job": "job", "p_employer": "company", "p_city": "city", "p_address": "address",
    "p_phone": "phone", "p_school": "school", "p_car": "carmodel", "p_study": "subject",
    "p_age": "n", "p_office": "room", "p_shoe": "n", "p_visit": "date", "p_habit": "time",
    "p_meet": "date", "favourite": "x", "home_city": "city", "job": "job",
    "employer": "company", "boss": "name", "salary": "price", "desk": "room", "car": "carmodel",
    "editor": "editor", "phone_no": "phone", "email": "email", "bank": "bank", "rent": "price",
    "weight_self": "n", "wifi_home": "pw", "trash": "day", "wake": "time", "rate": "price",
    "language_learning": "language", "reading": "book", "clientx": "company", "flight": "flightno",
    "provider": "company", "trip_plan": "city", "insurance": "company", "t_brand": "brand",
    "t_place": "place", "k_code": "pin", "s_port": "port", "s_host": "ip", "s_deploy": "cmd",
    "s_owner": "first", "s_lang": "tech", "s_limit": "n", "pr_deadline": "date",
    "pr_budget": "price", "pr_lead": "first", "pr_stack": "toolx", "e_time": "date",
    "e_place": "room", "sh_where": "street", "sh_hours": "time", "m_dose": "dose", "f_cost": "price",
}  # fmt: skip
"""Types of which one value holds at a time, and the slot that it is in."""
OMITTED = {
    "p_job": "retired|used to|did", "p_study": "degree|PhD|university", "p_shoe": "ring|shirts",
    "p_office": "practice", "salary": "year", "trash": "recycl|paper", "wake": "bed|sleep",
    "rate": "day rate", "email": "work email", "sh_where": "nearest|good|called|contact",
    "sh_hours": "open|which day", "rent": "due", "insurance": "the car", "f_cost": "year",
    "provider": "phone|number", "k_code": "password", "reading": "nightstand",
}  # fmt: skip
"""Their wordings that speak of something else."""
DATED = frozenset(("p_visit", "p_meet", "e_time"))  # two lines of these may be two occasions
LEFT_OUT = frozenset(
    "roles kinname p_name p_knows p_hobby p_owes met rel_both trade kin_detail citynote colorpref"
    " like_food moviepref musicpref watched tool_pref name_self drink_pref diet hobby gave_up commute"
    " p_married oncall proglang t_color t_price t_owner t_return phone_model over r_amount m_why"
    " t_broken lostfound teamrules t_consumable home_street distance".split()
)
"""Types whose facts may contradict those of another type, or one another."""
TAKEN = frozenset(
    (
        "boss",
        "team lead",
        "project manager",
        "brother",
        "sister",
        "car",
        "phone",
        "desk",
        "editor",
        "bank",
    )
)
LEADS = ("By the way, ", "Just so you know, ", "FYI ", "Remember that ")
_SLOT = re.compile(r"\{(@?[A-Za-z]+\d?)\}")


@dataclass(frozen=True)
class Told:
    """A statement, the number of its fact and of the value (0: as it was first) it has of it."""

    when: datetime
    text: str
    fact: int
    value: int
    how: str  # first, change, same words, other words


@dataclass(frozen=True)
class Known:
    """A fact: its key, and a question for it; `changed` says whether it has a second value."""

    key: str
    question: str
    changed: bool


@dataclass
class Year:
    """Statements by time, and facts by number; `asked` are the questions of the year."""

    told: list[Told] = field(default_factory=list)
    facts: list[Known] = field(default_factory=list)
    asked: list[tuple[datetime, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Wordings:
    """The templates of one respect of a type: of lines, of changes, and of questions."""

    lines: tuple[str, ...]
    changes: tuple[str, ...]
    questions: tuple[str, ...]


def slots(template: str) -> frozenset[str]:
    """The slots of a template that hold values."""
    found = _SLOT.findall(template)
    return frozenset(s for s in found if not s.startswith("@") and s.lower() != "the")


def of_change(kind: FactType, slot: str) -> Wordings:
    """The wordings of a type that say its one value and no other."""
    omitted = re.compile(OMITTED.get(kind.id, r"(?!)"))

    def fit(letter: str) -> list[str]:
        return [w for w in kind.wordings.get(letter, ()) if not omitted.search(w)]

    changes = [w for w in fit("U") if slot in slots(w)]
    changes = [w for w in changes if all(_is_old(s, slot) for s in slots(w) - {slot})]
    tag = kind.tags[changes[0]]
    changes = [w for w in changes if kind.tags[w] == tag]
    lines = [w for w in fit("L") if slots(w) == {slot} and kind.tags[w] == tag]
    probe = Fact(kind, {})
    asked = [q for q in fit("Q") if not slots(q) and answers(probe, q, lines[0])]
    return Wordings(tuple(lines), tuple(changes), tuple(asked))


def _is_old(name: str, slot: str) -> bool:
    return name.startswith("old") or name == f"{slot}2"


def of_rest(kind: FactType) -> Iterator[Wordings]:
    """For each respect of a type the lines that say the same, as far as the tables tell."""
    tags = dict.fromkeys(kind.tags[w] for w in kind.wordings["L"])
    for tag in tags:
        here = [w for w in kind.wordings["L"] if kind.tags[w] == tag and slots(w)]
        if not here:
            continue
        alike = [w for w in here if slots(w) == slots(here[0])] if tag else here[:1]
        probe = Fact(kind, {})
        asked = [q for q in kind.wordings.get("Q", ()) if not slots(q)]
        asked = [q for q in asked if answers(probe, q, here[0])]
        if asked:
            yield Wordings(tuple(alike), (), tuple(asked))


def subjects(rng: random.Random) -> dict[str, list[tuple[str, ...]]]:
    """By kind what facts are about; no two of them can be meant by the same words."""
    values = Values(rng)

    def first_of(name: str) -> list[str]:
        return [v.split("/")[0] for v in lists()[name] if v.split("/")[0] not in TAKEN]

    names = first_of("first")
    rng.shuffle(names)
    relations = [*first_of("kin"), *first_of("role")]
    rng.shuffle(relations)
    people = [("person", rel, "", "rel") for rel in relations[:35]]
    people += [("person", rel, names.pop(), "both") for rel in relations[35:45]]
    people += [("person", "", names.pop(), "name") for _ in range(15)]
    pets = [("person", pet, "", "rel") for pet in rng.sample(first_of("pet"), 6)]
    named = [p.split("/")[0] for p in lists()["petname"]]
    pets += [("person", "", name, "name") for name in rng.sample(named, 6)]
    found = {
        "": [()],
        "my": people,
        "p_city": people[::2],
        "p_address": people[1::2],
        "an": pets,
        "cat": [(cat,) for cat in CATEGORIES],
    }
    for kind in {t.subject for t in types()} - set(found):
        known = first_of(kind) if kind in lists() else [values.draw(kind) for _ in range(20)]
        found[kind] = [(value,) for value in dict.fromkeys(known)]
    return found


def make(facts: int = FACTS, *, seed: int = 1, changed: int | None = None) -> Year:
    """A year with that many facts; the same for the same seed."""
    rng = random.Random(seed)
    changed = round(facts * CHANGED) if changed is None else changed
    about = subjects(rng)
    may: list[tuple[FactType, Wordings, tuple[str, ...]]] = []
    rest = []
    for kind in types():
        if kind.id in CHANGING:
            words = of_change(kind, CHANGING[kind.id])
            may += product([kind], [words], about.get(kind.id, about[kind.subject]))
        elif kind.id not in LEFT_OUT:
            rest += list(product([kind], of_rest(kind), about[kind.subject]))
    rng.shuffle(may)
    rng.shuffle(rest)
    may.sort(key=lambda item: bool(item[0].subject))  # the person's own come first
    wanted = max(changed, round(facts * CHANGING_SHARE))
    chosen = may[:wanted] + rest[: facts - wanted]
    if len(chosen) < facts:
        sys.exit(f"The templates give {len(chosen):,} facts that differ.")
    numbers = rng.sample(range(wanted), changed)
    order = [*numbers, *(n for n in range(facts) if n not in set(numbers))]
    again = set(rng.sample(range(facts), round(facts * REPEATED)))
    year = Year()
    turns = rng.sample(range(TURNS), TURNS)
    for number, at in enumerate(order):
        kind, words, subject = chosen[at]
        _tell(year, rng, (kind, words, subject), changed=number < changed, again=number in again)
    _set_times(year, turns, rng)
    return year


def _tell(
    year: Year,
    rng: random.Random,
    what: tuple[FactType, Wordings, tuple[str, ...]],
    *,
    changed: bool,
    again: bool,
) -> None:
    """Adds the statements of a fact, in their order; `when` is set later."""
    kind, words, subject = what
    values = Values(rng)
    fact = new_fact(kind, values, subject)
    number = len(year.facts)
    line = rng.choice(words.lines)
    told = [("first", 0, render(line, fact, rng))]
    question = render(rng.choice(words.questions), fact, rng, question=True)
    repeat_old = again and (not changed or rng.random() < 0.5)
    if repeat_old:
        told.append(_again(words, line, told[0][2], fact, rng, 0))
    if changed:
        slot = CHANGING[kind.id]
        old = fact.values[slot]
        while fact.values[slot].casefold() == old.casefold():
            fact.values[slot] = fresh(slot, fact, values)
        texts = " ".join(w for letter in PASS for w in kind.wordings.get(letter, ()))
        fact.values |= {s: old for s in slots(texts) - {slot} if _is_old(s, slot)}
        as_change = kind.id in DATED or rng.random() < 0.7
        second = rng.choice(words.changes if as_change else words.lines)
        told.append(("change", 1, render(second, fact, rng)))
        if again and not repeat_old:
            told.append(_again(words, second, told[-1][2], fact, rng, 1))
    key = "|".join((kind.id, *filter(None, subject), words.lines[0]))
    year.facts.append(Known(key, question, changed))
    year.told += [Told(START, _said(t, rng), number, value, how) for how, value, t in told]


def _again(
    words: Wordings, line: str, text: str, fact: Fact, rng: random.Random, value: int
) -> tuple[str, int, str]:
    others = [w for w in words.lines if w != line]
    if others and rng.random() < 0.6:
        return "other words", value, render(rng.choice(others), fact, rng)
    return "same words", value, text


def _said(text: str, rng: random.Random) -> str:
    """As somebody types it."""
    roll = rng.random()
    if roll < 0.1:
        text = rng.choice(LEADS) + text
    return text[0].upper() + text[1:].rstrip(".") + "." if roll < 0.85 else text


def _set_times(year: Year, turns: Sequence[int], rng: random.Random) -> None:
    """Gives each statement a turn of its own, those of a fact in their order."""
    step = (END - START) / TURNS
    by_fact: dict[int, list[int]] = defaultdict(list)
    for at, told in enumerate(year.told):
        by_fact[told.fact].append(at)
    free = list(turns)
    for at_all in by_fact.values():
        mine = sorted(free.pop() for _ in at_all)
        for at, turn in zip(at_all, mine, strict=True):
            old = year.told[at]
            year.told[at] = Told(START + turn * step, old.text, old.fact, old.value, old.how)
    firsts = {n: year.told[at_all[0]].when for n, at_all in by_fact.items()}
    year.told.sort(key=lambda told: told.when)
    weights = [1 / (rank + 2.7) for rank in range(len(year.facts))]
    ranked = rng.sample(range(len(year.facts)), len(year.facts))
    drawn = rng.choices(ranked, weights, k=min(ASKED, len(free)))
    moments = (START + free.pop() * step for _ in drawn)
    year.asked = sorted(
        (when, n) for when, n in zip(moments, drawn, strict=True) if when > firsts[n]
    )


# -- a vault of it --------------------------------------------------------------------------------


@dataclass
class Stored:
    """A vault, the statement behind each id, and the commits with the time until which they go."""

    ws: Workspace
    now: list[datetime]
    of: dict[str, Told] = field(default_factory=dict)
    commits: list[tuple[datetime, str]] = field(default_factory=list)

    def in_force(self) -> list[Cube]:
        """The memories that recall draws from and nothing has replaced."""
        return comparable(every(self.ws), self.now[0])

    def reopen(self) -> None:
        """What the next command sees."""
        self.ws = open_workspace(self.ws.root, self.ws.around)


def every(ws: Workspace) -> Iterator[Cube]:
    """All memories of a vault."""
    for entry in ws.catalog.entries():
        if entry.id:
            yield ws.load(entry.id)[1]


def empty(root: Path, now: list[datetime]) -> Workspace:
    """A new vault with a clock that is set by hand."""
    around = Surroundings("user", lambda: now[0], dict(os.environ))
    init(root, around)
    return open_workspace(root, around)


def store(year: Year, root: Path, marks: Sequence[datetime]) -> Stored:
    """Adds the statements, with a commit at each of `marks`, and notes the questions."""
    now = [START]
    stored = Stored(empty(root, now), now)
    for since, until in pairwise([START, *marks]):
        part = [told for told in year.told if since <= told.when < until]
        if not part:
            continue
        now[0] = until
        new = [
            capture.NewMemory(
                told.text,
                created=told.when.replace(microsecond=0),
                source="bench",
                allow_secret=True,
            )
            for told in part
        ]
        added = capture.add(stored.ws, new)
        stored.of |= {p.id: told for p, told in zip(added.added, part, strict=True)}
        stored.commits.append((until, added.commit or ""))
    ids: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for id_, told in stored.of.items():
        ids[told.fact].append((told.when, id_))
    for when, number in year.asked:
        known = [id_ for told_at, id_ in sorted(ids[number]) if told_at < when]
        access.note(stored.ws, "recall", known[-1:], when)
    return stored


# -- what became of it ----------------------------------------------------------------------------


@dataclass
class Judged:
    """Counts of a plan, and the texts of what is wrong in it."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def judge(plan: Iterable[Step], of: Mapping[str, Told]) -> Judged:
    """What of a plan is right: a merge of one value, a replacement by a later value of one fact.

    `merge` and `supersede` count memories, `review` pairs. A memory that is replaced by one of its
    own value is right as far as the store goes, and counted as `supersede, same value`.
    """
    found = Judged()
    for step in plan:
        for id_ in step.ids:
            found.counts[step.step] += 1
            a, b = of[id_], of.get(step.into)
            if b is None:
                continue
            same = (a.fact, a.value) == (b.fact, b.value)
            later = a.fact == b.fact and b.value > a.value
            right = {"merge": same, "supersede": same or later, "review": later}[step.step]
            found.counts[f"{step.step}, same value"] += same
            if not right:
                found.wrong[step.step].append(f"{a.text}  ->  {b.text}")
    return found


def missed(
    of: Mapping[str, Told], facts: Sequence[Known], left: Iterable[str]
) -> dict[str, list[tuple[str, str]]]:
    """Of the memories `left` in force, those that a value or a repetition outdates, and which."""
    there: dict[int, list[Told]] = defaultdict(list)
    for id_ in left:
        there[of[id_].fact].append(of[id_])
    found: dict[str, list[tuple[str, str]]] = {"supersede": [], "merge": []}
    changes = {t.fact: t.text for t in of.values() if t.how == "change"}
    for number, told in there.items():
        told.sort(key=lambda t: t.when)
        newest = int(facts[number].changed)
        found["supersede"] += [(t.text, changes[number]) for t in told if t.value < newest]
        now = [t.text for t in told if t.value == newest]
        found["merge"] += pairwise(now)
    return found


def why(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """What the rules say of pairs: where they name a change, the pair was not compared."""
    return dict(Counter(str(relation(older, newer)) for older, newer in pairs))


@dataclass
class Asked:
    """Shares of the facts: the current value among the first; of the changed: the old one first."""

    at_1: float
    at_10: float
    stale_1: float
    stale_before: float  # an old value anywhere before the current one
    lost: list[str] = field(default_factory=list)


def ask(stored: Stored, facts: Sequence[Known]) -> Asked:
    """One question for each fact; noted nowhere, so that it keeps nothing from fading."""
    searcher = Searcher(stored.ws)
    first = ten = stale = before = 0
    lost = []
    for number, fact in enumerate(facts):
        hits, _ = searcher.answer(Query(fact.question, k=DEPTH), None, stored.now[0])
        found = [stored.of[hit.cube.id] for hit in hits]
        values = [t.value if t.fact == number else None for t in found]
        newest = int(fact.changed)
        first += values[:1] == [newest]
        ten += newest in values
        stale += fact.changed and values[:1] == [0]
        ours = [v for v in values if v is not None]
        before += fact.changed and ours[:1] == [0]
        if newest not in values:
            lost.append(fact.question)
    changed = max(1, sum(fact.changed for fact in facts))
    return Asked(first / len(facts), ten / len(facts), stale / changed, before / changed, lost)


def history(stored: Stored, facts: Sequence[Known], limit: int) -> dict[str, int]:
    """Whether the old value of changed facts is found in the last commit before its change."""
    searcher = Searcher(stored.ws)
    first = {n: min(t.when for t in stored.of.values() if t.fact == n) for n in range(len(facts))}
    change = {t.fact: t.when for t in stored.of.values() if t.how == "change"}
    asked: dict[str, list[int]] = defaultdict(list)
    for number in sorted(change):
        fitting = [c for until, c in stored.commits if first[number] < until <= change[number]]
        if fitting and sum(map(len, asked.values())) < limit:
            asked[fitting[-1]].append(number)
    found = Counter(asked=0, at_1=0, at_10=0)
    for commit, numbers in asked.items():
        oid, moment = as_of(stored.ws, commit)
        for number in numbers:
            hits, _ = searcher.answer(
                Query(facts[number].question, k=DEPTH, at=commit), oid, moment
            )
            told = [stored.of[hit.cube.id] for hit in hits]
            right = [t.fact == number and t.value == 0 for t in told]
            found.update(asked=1, at_1=right[:1] == [True], at_10=any(right))
    return dict(found)


def cpu() -> float:
    """CPU seconds so far, those of git included."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(facts: int, seed: int, root: Path) -> dict[str, Any]:
    """The year: numbers, and under `texts` what is wrong or missed."""
    year = make(facts, seed=seed)
    months = [START + (END - START) * part / 12 for part in range(1, 13)]
    started = cpu()
    stored = store(year, root / "year", months)
    add_s = cpu() - started
    ws, embedder = stored.ws, shipped_embedder([])
    total = len(stored.in_force())
    asked = {"before": ask(stored, year.facts)}
    started = cpu()
    evolve(ws, embedder, only=FILE_STEPS, dry_run=True)
    plan_s = cpu() - started
    done = evolve(ws, embedder, only=FILE_STEPS)
    both_s = cpu() - started - plan_s
    stored.reopen()
    ws = stored.ws
    left = {cube.id for cube in stored.in_force()}
    again = evolve(ws, embedder, only=FILE_STEPS)
    asked["after"] = ask(stored, year.facts)
    past = history(stored, year.facts, 100)
    fading = evolve(ws, embedder, only=("archive",))
    stored.reopen()
    last = {cube.id for cube in stored.in_force()}
    rounds = {"files": again.plan, "all": evolve(stored.ws, embedder).plan}
    asked["archived"] = ask(stored, year.facts)
    return {
        "facts": facts,
        "changed": sum(f.changed for f in year.facts),
        "statements": dict(Counter(t.how for t in year.told)),
        "turns": {"statements": len(year.told), "questions": len(year.asked),
                  "remarks": TURNS - len(year.told) - len(year.asked)},
        "memories": {"before": total, "after": len(left), "archived": len(last)},
        "steps": _steps(year, stored, done.plan, left),
        "archive": _archived(year, stored, fading.plan, last),
        "asked": {name: {k: v for k, v in vars(a).items() if k != "lost"} for name, a in asked.items()},
        "history": past,
        "second round": {name: dict(Counter(s.step for s in plan)) for name, plan in rounds.items()},
        "seconds": {"add": add_s, "plan": plan_s, "apply": both_s - plan_s},
        "texts": _texts(stored, year, done.plan, left)
        | {"second round": [_of_step(stored, s) for s in (*rounds["files"], *rounds["all"])]}
        | {"no longer found": sorted(set(asked["after"].lost) - set(asked["before"].lost))},
    }  # fmt: skip


def _of_step(stored: Stored, step: Step) -> str:
    texts = [stored.of[i].text if i in stored.of else i for i in (*step.ids, step.into) if i]
    return f"{step.step}: {'  ->  '.join(texts)}"


def _texts(
    stored: Stored, year: Year, plan: Sequence[Step], left: set[str]
) -> dict[str, list[str]]:
    wrong = judge(plan, stored.of).wrong
    not_done = missed(stored.of, year.facts, (id_ for id_ in left if id_ in stored.of))
    return {f"wrong {k}": v for k, v in wrong.items()} | {
        f"missed {k}": [f"{relation(*pair)}: {'  ->  '.join(pair)}" for pair in pairs]
        for k, pairs in not_done.items()
    }


def _steps(
    year: Year, stored: Stored, plan: Sequence[Step], left: set[str]
) -> dict[str, dict[str, Any]]:
    judged = judge(plan, stored.of)
    not_done = missed(stored.of, year.facts, (id_ for id_ in left if id_ in stored.of))
    return {
        name: {
            "made": judged.counts[name],
            "wrong": len(judged.wrong[name]),
            "same value": judged.counts[f"{name}, same value"],
            "missed": len(not_done.get(name, [])),
            "rules say": why(not_done.get(name, [])),
        }
        for name in ("merge", "supersede", "review")
    }


def _archived(year: Year, stored: Stored, plan: Sequence[Step], last: set[str]) -> dict[str, int]:
    """Wrong is what was asked for within the half year before the end."""
    recent = {n for when, n in year.asked if when > END - timedelta(days=180)}
    gone = [stored.of[id_] for step in plan for id_ in step.ids]
    there = {(stored.of[i].fact, stored.of[i].value) for i in last if i in stored.of}
    current = [t for t in gone if t.value == int(year.facts[t.fact].changed)]
    lost = [t for t in current if (t.fact, t.value) not in there]
    return {
        "made": len(gone),
        "current values": len(lost),
        "asked for within 180 days": sum(t.fact in recent for t in lost),
        "told within 180 days": sum(t.when > END - timedelta(days=180) for t in gone),
    }


# -- contradictions -------------------------------------------------------------------------------


def contradictions(changes: int, seed: int, root: Path) -> dict[str, dict[str, float]]:
    """After each job: the newest value first of the two, the old one out of force, history."""
    year = make(3 * changes, seed=seed, changed=changes)
    middle = START + (END - START) / 2
    moved = [
        Told((middle if t.value else START) + (t.when - START) / 2, t.text, t.fact, t.value, t.how)
        for t in year.told
    ]
    year.told, year.asked = sorted(moved, key=lambda told: told.when), []
    stored = store(year, root / "contradictions", [middle, END])
    found = {"add": _state(stored, year)}
    before = stored.ws.git.head() or ""
    evolve(stored.ws, shipped_embedder([]), only=FILE_STEPS)
    stored.reopen()
    evolved = found["evolve"] = _state(stored, year)
    found["reindex"] = _reindexed(stored, year)
    taken_back = undo(stored.ws)
    stored.reopen()
    found["undo"] = _state(stored, year)
    revert(stored.ws, [taken_back.commit or ""])
    stored.reopen()
    found["redo"] = _state(stored, year)
    found["redo, reindex"] = _reindexed(stored, year)
    found["checks"] = {
        "undo is as before": stored.ws.git.tree(before, "")
        == stored.ws.git.tree(taken_back.commit or "", ""),
        "reindex changes nothing": evolved == found["reindex"],
        "redo is as evolve": evolved == found["redo"] == found["redo, reindex"],
    }
    return found


def _reindexed(stored: Stored, year: Year) -> dict[str, float]:
    shutil.rmtree(stored.ws.root / "lance")
    stored.reopen()
    return _state(stored, year)


def _state(stored: Stored, year: Year) -> dict[str, float]:
    """Counts of the changed facts."""
    searcher = Searcher(stored.ws)
    force = {stored.of[c.id].fact for c in stored.in_force() if _outdated(stored, year, c.id)}
    first = found = unmarked = 0
    for number, fact in enumerate(year.facts):
        if not fact.changed:
            continue
        hits, _ = searcher.answer(Query(fact.question, k=50), None, stored.now[0])
        ours = [hit for hit in hits if stored.of.get(hit.cube.id, year.told[0]).fact == number]
        values = [stored.of[hit.cube.id].value for hit in ours if hit.cube.id in stored.of]
        found += 1 in values
        first += values[:1] == [1]
        old = [h for h in ours if _outdated(stored, year, h.cube.id)]
        unmarked += not all(h.superseded_by for h in old)
    past = history(stored, year.facts, len(year.facts))
    return {
        "newest first": first, "newest found": found, "old not marked": unmarked,
        "old out of force": sum(f.changed for f in year.facts) - len(force),
        "history asked": past["asked"], "history first": past["at_1"],
    }  # fmt: skip


def _outdated(stored: Stored, year: Year, id_: str) -> bool:
    told = stored.of.get(id_)
    return told is not None and told.value < int(year.facts[told.fact].changed)


# -- LoCoMo ---------------------------------------------------------------------------------------

_FIRST_PERSON = re.compile(r"\b(?:I|I['\u2019](?:m|ve|d|ll)|my|me|we|our|us)\b", re.IGNORECASE)


def own_words(file: Path) -> Iterator[capture.NewMemory]:
    """Each person's own statements of LoCoMo, in a namespace a person."""
    for corpus in locomo.load(file.parents[1]).corpora:
        for turn in corpus.memories:
            line = turn.line
            said = line["text"].split(" [", 1)[0]
            for text in statements(said):
                if _FIRST_PERSON.search(text):
                    yield capture.NewMemory(
                        text, namespace=f"{corpus.name}-{line['speaker']}".lower(), source="bench",
                        created=datetime.fromisoformat(line["created"]), allow_secret=True,
                    )  # fmt: skip


def conversations(file: Path, root: Path, *, show: bool) -> dict[str, Any]:
    """Counts; with `show` 20 of the steps are printed."""
    new = list(own_words(file))
    now = [max(item.created for item in new if item.created) + timedelta(days=1)]
    ws = empty(root / "locomo", now)
    capture.add(ws, new)
    texts = {cube.id: cube.text for cube in every(ws)}
    before = len(comparable(every(ws), now[0]))
    started = cpu()
    done = evolve(ws, shipped_embedder([]), only=FILE_STEPS)
    seconds = cpu() - started
    ws = open_workspace(ws.root, ws.around)
    after = len(comparable(every(ws), now[0]))
    if show:
        steps = [s for s in done.plan if s.step != "review"]
        steps += [s for s in done.plan if s.step == "review"]
        for step in steps[:SHOWN]:
            print(f"{step.step}: " + "  |  ".join(texts[i] for i in (*step.ids, step.into)))
    counts = Counter({step.step: 0 for step in done.plan})
    for step in done.plan:
        counts[step.step] += len(step.ids)
    return {
        "persons": len({item.namespace for item in new}), "before": before, "after": after,
        **counts, "cpu_s": seconds,
        "second round": len(evolve(ws, shipped_embedder([]), only=FILE_STEPS).plan),
    }  # fmt: skip


# -- the tables -----------------------------------------------------------------------------------


def show_year(found: Mapping[str, Any]) -> None:
    """Prints the tables of the year."""
    turns = found["turns"]
    print(f"{sum(turns.values()):,} turns: {turns['statements']:,} statements of {found['facts']:,} facts, "
          f"{turns['questions']:,} questions, {turns['remarks']:,} remarks (not facts, not stored)")  # fmt: skip
    print("statements: " + ", ".join(f"{n:,} {how}" for how, n in found["statements"].items()))
    print(f"\n{'':24}{'before':>10}{'after':>10}{'archived':>10}")
    columns = ("before", "after", "archived")
    print(f"{'memories in force':24}" + "".join(f"{found['memories'][c]:>10,}" for c in columns))
    rows = {"at_1": "recall@1", "at_10": "recall@10", "stale_1": "stale@1 (of changed)",
            "stale_before": "old before current"}  # fmt: skip
    for key, name in rows.items():
        print(f"{name:24}" + "".join(f"{100 * found['asked'][c][key]:>9.1f}%" for c in columns))
    print(
        f"\n{'':12}{'made':>8}{'wrong':>8}{'same value':>12}{'missed':>8}  the rules say of those"
    )
    for name in ("merge", "supersede", "review"):
        row = found["steps"][name]
        print(f"{name:12}{row['made']:>8}{row['wrong']:>8}{row['same value']:>12}{row['missed']:>8}  "
              + ", ".join(f"{n} {verdict}" for verdict, n in row["rules say"].items()))  # fmt: skip
    for name in ("archive", "history", "second round", "seconds"):
        row = found[name]
        print(
            f"{name}: "
            + ", ".join(
                f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )


def show_contradictions(found: Mapping[str, Mapping[str, float]], changes: int) -> None:
    """Prints the table of the jobs."""
    columns = list(found["add"])
    print(f"\n{f'of {changes} changed facts':24}" + "".join(f"{c:>18}" for c in columns))
    for job in (job for job in found if job != "checks"):
        print(f"{job:24}" + "".join(f"{found[job][c]:>18}" for c in columns))
    print(
        ", ".join(f"{name}: {'yes' if right else 'NO'}" for name, right in found["checks"].items())
    )


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--facts", type=int, default=FACTS)
    parser.add_argument(
        "--changed", type=int, default=CHANGES, help="of the test of contradictions"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locomo", type=Path, default=LOCOMO, metavar="FILE")
    parser.add_argument("--show", action="store_true", help=f"print {SHOWN} of the steps on LoCoMo")
    parser.add_argument("--wrong", action="store_true", help="print what is wrong in the year")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
        root = Path(folder)
        found = {"seed": given.seed, "year": measure(given.facts, given.seed, root)}
        texts = found["year"].pop("texts")
        show_year(found["year"])
        if given.wrong:
            for name, rows in texts.items():
                print(f"\n{name} ({len(rows)}):", *rows, sep="\n  ")
        found["contradictions"] = contradictions(given.changed, given.seed + 1, root)
        show_contradictions(found["contradictions"], given.changed)
        if given.locomo.exists():
            found["locomo"] = conversations(given.locomo, root, show=given.show)
            print("\nLoCoMo: " + ", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}"
                                           for k, v in found["locomo"].items()))  # fmt: skip
        else:
            print(f"\nLoCoMo was not measured: {given.locomo} is not there.")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
