"""What a statement claims: of whom, in which respect, and what sort of value it gives.

Enough of English for two statements to be compared by `core.relation`. A statement that fits no
form has no respect, and is then never taken to replace another.
"""

# ruff: noqa: E501 - a form that is cut into lines of 100 characters is harder to read

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from memos_cli.core import analysis
from memos_cli.core.nano_words import stem

_TOKEN: Final = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?", re.UNICODE)
_FILLER: Final = frozenset(
    """really actually always now just get gets got getting as said remember note please again only
    still already also well you know told anyway currently today instead after all definitely own
    any some new current more longer anymore never ever n't mr mrs ms dr""".split()  # noqa: SIM905
)
_STOPS: Final = (analysis.STOP_WORDS | _FILLER) - {"not", "no", "nor"} | {"not", "no", "nor"}
_OPENING: Final = re.compile(
    r"^(?:(?:as (?:I|you) (?:said|know|mentioned)|remember(?: that)?|(?:please )?(?:note|keep in mind)(?: that)?"
    r"|don['\u2019]t forget(?: that)?|by the way|btw|fyi|well|so|oh|and|big news|good news|bad news|actually"
    r"|would you believe it|guess what|it turn(?:s|ed) out(?: that)?)\b[,:;!]?\s*)+",
    re.IGNORECASE,
)
_NEGATED: Final = re.compile(
    r"\b(?:not|no(?!\. (?:is|are|\d))|never|nor|without|cannot|none)\b|n['\u2019]t\b|\b(?:stopped|quit|gave up|hates?|dislikes?"
    r"|loathes?)\b|\bgag\b",
    re.IGNORECASE,
)
_PAST: Final = re.compile(
    r"\b(?:was|were|used to|had been|formerly|previously|back then|in the past)\b|\b(?:my|our|the) (?:old|ex|former|previous)\b"
    r"|^before\b",
    re.IGNORECASE,
)
_FUTURE: Final = re.compile(
    r"\b(?:will|shall|going to|gonna|plan(?:ning)? to|want(?:s)? to|hope(?:s)? to|next (?:week|month|year|\w+))\b|['\u2019]ll\b"
    r"|\b(?:i|we|he|she|they)['\u2019 ]?(?:m|re|s| am| are| is) (?:not )?(?:flying|driving to|moving|travelling|going|spending|giving)",
    re.IGNORECASE,
)
CUE: Final = re.compile(
    r"\b(?:now|no longer|any ?more|instead|new|nowadays|these days|as of|from (?:today|now) on|meanwhile"
    r"|(?:has |have |was |is |been )?(?:moved|postponed|rescheduled|changed|switched|slipped|delayed|brought forward)"
    r"|(?:grown|shrunk|gone up|gone down|went up|went down|up|down|rose|fell|increased|dropped) to|went up|went down"
    r"|turned|a raise|after all|sold|since (?:today|yesterday|this (?:week|month|year)))\b",
    re.IGNORECASE,
)
_BE: Final = (
    r"(?:(?:is|are) (?:now |currently |no longer |not )?(?:called |named |moved to |postponed to |due "
    r"|emptied |up to |down to |closed |open )?"
    r"|(?:has |have |was |were )?(?:been )?(?:moved|slipped|changed|postponed|rescheduled|switched|delayed|grown|shrunk|gone up"
    r"|gone down|dropped|risen) (?:to |from )?|went (?:up|down)(?: to)? |turned |turns |expires? |costs? |weighs? |takes? |starts? )"
)
_WHOSE: Final = r"(?:(?P<det>my|our|the|his|her|their) )?"
_OF_THING: Final = re.compile(
    rf"^(?:now |today )?{_WHOSE}(?P<np>[^,;:.!?]{{2,60}}?)(?:, ?| )(?P<be>{_BE})(?P<value>\S.*)$",
    re.IGNORECASE,
)
_NEW_THING: Final = re.compile(
    r"^(?:my |our |the )?(?P<new>new )?(?P<np>[a-z][\w' -]{2,40}?): (?P<value>\S.*)$", re.IGNORECASE
)
_HAS_NEW: Final = re.compile(
    r"^(?P<who>[\w'\u2019 ]{1,40}?)(?: (?:has|have|got|gets|have got|has got)|['\u2019]ve(?: got)?|['\u2019]s got) a new (?P<np>[a-z]+)\b(?P<value>.*)$",
    re.IGNORECASE,
)
_LIVES: Final = re.compile(
    r"^(?P<who>[^,;:.!?]{1,60}?)(?:'ve|'s|'re|'m)?(?: (?:has|have|now|just|recently|both|all|is|are|am))* "
    r"(?:(?:lives?|living|resides?)(?: now)? (?:in|at|on|near|by)|moved (?:back |over )?(?:in)?to)\b(?P<value>.*)$",
    re.IGNORECASE,
)
_NOW_LIVES: Final = re.compile(
    r"^(?P<who>I|we)\b.*\b(?:now live|live now|moved (?:in)?to)\b(?P<value>.*)$", re.IGNORECASE
)
_WORKS: Final = re.compile(
    r"^(?P<who>[^,;:.!?]{1,60}?)(?:['\u2019]ve|['\u2019]m)?(?: (?:has|have|now|just|am|is))* "
    r"(?:works?|working|started|joined) (?:at|for) (?P<value>[A-Z].*)$"
)
_DRIVES: Final = re.compile(
    r"^(?P<who>[^,;:.!?]{1,60}?) .*?\bdrives? (?P<value>an? .*)$|^(?P<whom>I|we) drive (?P<what>an? .*)$",
    re.IGNORECASE,
)
_SET: Final = re.compile(
    r"^(?:I|we)(?:'ve| have)? (?:just )?(?:changed|switched|moved|set|reset) (?:my |our |the )(?P<np>[a-z][^,;:.]{1,40}?) to (?P<value>.*)$",
    re.IGNORECASE,
)
_RAISE: Final = re.compile(
    r"^(?P<who>I) got a (?:pay )?(?:raise|rise)\b(?P<value>.*)$", re.IGNORECASE
)
_DOES: Final = re.compile(
    r"^(?P<who>I|we)(?:'ve|'m|'re)?(?: (?:now|only|always|usually|started|have|am|been|still|mostly))* (?P<verb>[a-z]+)\b(?!')(?P<value>.*)$",
    re.IGNORECASE,
)
_PREP: Final = re.compile(r"\b(?:at|in|on|of|for|from|with|to|near|by)\b")
_SORTS: Final = {
    "clock": r"\b\d{1,2}[:.]\d\d\b|\bo['\u2019]clock\b|\bhalf (?:past )?(?:\w+)\b|\b(?:at|to) (?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon)\b|\b\d{1,2} ?(?:am|pm)\b",
    "weekday": r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b",
    "date": r"\b\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\b(?:january|february|march|april|may|june|july|august|september|october|november|december) \d|\b(?:in|until|by) (?:january|february|march|april|may|june|july|august|september|october|november|december)|\b(?:19|20)\d\d\b",
    "money": r"[\u20ac$\u00a3]|\b(?:euros?|kroner|dollars?|pounds?|francs?|eur|usd|nok)\b",
    "often": r"\b(?:once|twice|times|every|daily|weekly)\b",
}
_SORT_RES: Final = {name: re.compile(form, re.IGNORECASE) for name, form in _SORTS.items()}
_COUNT_WORDS: Final = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|twenty|thirty|forty|fifty|sixty|\d[\d.,]*)"
_COUNTED: Final = re.compile(rf"\b{_COUNT_WORDS} ([a-z]{{2,}})", re.IGNORECASE)
_BARE: Final = re.compile(
    rf"^(?:to |at |only |about |just )*{_COUNT_WORDS}(?: years old)?(?: (?:yesterday|today|now|on \w+|last \w+|this \w+|from today on))*[.! ]*$",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"\b(?=\w*\d)[A-Z0-9]{2,}(?:[ -]\d+)*\b")
_PLACED: Final = re.compile(
    r"\b(room|floor|number|size|line|platform|gate|seat|row|flat|port|page) \d+", re.IGNORECASE
)
_WHERE: Final = re.compile(
    r"(?:now )?(?:in|on|under|behind|at|with|from|next to|near|inside|above|below|beside|by) \w",
    re.IGNORECASE,
)
_NAMES: Final = re.compile(
    r"(?:(?:an?|the|now|called|named|in|at|on|to|for|by|near|\d{4}) )*([A-Z][\w'-]+)"
)
_TITLE: Final = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof)\. ")
_NATION: Final = re.compile(
    r"(?:ian|ish|ese|can|gian|German|French|Dutch|Greek|Swiss|Czech|Thai|Welsh)$"
)
_DAYS: Final = re.compile(
    r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|January|February|March|April|May|June|July|August|September|October|November|December|I|Mr|Mrs|Ms|Dr)$"
)
KIN: Final = frozenset(
    stem(word)
    for word in """son daughter wife husband partner mother father mum mam mom dad sister brother aunt uncle
    grandmother grandma grandfather grandpa cousin niece nephew child kid girl boy baby friend colleague
    neighbour neighbor roommate flatmate girlfriend boyfriend fianc\u00e9 fianc\u00e9e twin mother-in-law""".split()  # noqa: SIM905
)
_PRONOUNS: Final = frozenset(
    "i we it that this those these all there he she they you what i'm i've we're we've".split()  # noqa: SIM905
)
_NO_UNIT: Final = frozenset("past may jun jul of to in and or at on is am pm by".split())  # noqa: SIM905
_AGE: Final = frozenset({"age"})
SELF: Final = frozenset({"self"})
_ASKED: Final = {"live": "live in", "work": "work at", "car": "car drive"}


@dataclass(frozen=True, slots=True)
class Claim:
    """One respect of a statement: `who` it is about, which `respect`, a value of which `sorts`.

    `who` is SELF or stems of names and kin words, a sort "date", "name", "people" of "six people".
    `single` marks respects of which there is one value at a time, `deed` what somebody does.
    `which` tells one of several of a kind: `at the clinic` of `my boss at the clinic`.
    """

    who: frozenset[str]
    respect: frozenset[str]
    value: str
    sorts: frozenset[str]
    single: bool = False
    deed: bool = False
    which: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement taken apart; `terms` are the stems that say what it is about."""

    text: str
    terms: frozenset[str]
    negated: bool
    past: bool
    future: bool
    changed: bool
    who: frozenset[str]
    claims: tuple[Claim, ...]


@lru_cache(maxsize=1024)
def read(text: str) -> Statement:
    """Take a statement apart."""
    text = _OPENING.sub("", text.replace("\u2019", "'")).strip()
    claims = tuple(_claims(text))
    return Statement(
        text=text,
        terms=terms_of(text),
        negated=_NEGATED.search(text) is not None,
        past=_PAST.search(text) is not None,
        future=_FUTURE.search(text) is not None,
        changed=CUE.search(text) is not None,
        who=_subject(text),
        claims=claims,
    )


def asked_by(text: str) -> tuple[str, ...]:
    """Searches for what may be said of the same respect in other words."""
    respects = frozenset().union(*(claim.respect for claim in read(text).claims))
    return tuple(ask for respect, ask in _ASKED.items() if respect in respects)


def terms_of(text: str) -> frozenset[str]:
    """The stems of what a text is about, numbers as they stand."""
    words = (word.lower().removesuffix("'s").rstrip("'") for word in _TOKEN.findall(text))
    kept = (
        w
        for w in words
        if w not in _STOPS and not w.endswith("n't") and w.split("'")[0] not in _STOPS
    )
    return frozenset(w if w[0].isdigit() else stem(w) for w in kept)


def sorts_of(value: str) -> frozenset[str]:
    """Which sorts of value a text gives."""
    found = {name for name, form in _SORT_RES.items() if form.search(value)}
    found |= {stem(word.lower()) for word in _COUNTED.findall(value)} - _NO_UNIT
    found |= {word.lower() for word in _PLACED.findall(value)}
    if _BARE.match(value.strip()):
        hour = re.match(r"\D*\d{1,2}\b", value)
        found |= {"number", "clock"} if hour else {"number"}
    if _CODE.search(value):
        found.add("code")
    if _WHERE.match(value.strip()):
        found.add("place")
    name = _NAMES.match(_TITLE.sub("", value.lstrip(" ,")))
    if name and not (_NATION.search(name[1]) or _DAYS.match(name[1])):
        found.add("name")
    return frozenset(found or {"word"})


def _claims(text: str) -> list[Claim]:
    found = [*(_of_change(text) or _of_thing(text)), *_of_person(text)]
    return [claim for claim in found if claim.who and claim.respect]


def _of_change(text: str) -> list[Claim]:
    """`Eskil has a new teacher, ...`, `I changed the wifi password to ...`, `New licence plate: ...`."""
    if match := _HAS_NEW.match(text):
        return [_claim(_person(match["who"]), match["np"], match["value"])]
    if match := _RAISE.match(text):
        return [_claim(SELF, "salary", match["value"])]
    match = _SET.match(text) or _NEW_THING.match(text)
    return [_claim(SELF, match["np"], match["value"])] if match else []


def _of_person(text: str) -> list[Claim]:
    """Where somebody lives and works, what they drive, what they do."""
    found: list[Claim] = []
    for form, respect in ((_LIVES, "live"), (_NOW_LIVES, "live"), (_WORKS, "work")):
        if (match := form.match(text)) and (who := _person(match["who"])):
            found.append(
                Claim(
                    who, frozenset({respect}), match["value"], sorts_of(match["value"]), single=True
                )
            )
    if match := _DRIVES.match(text):
        who = _person(match["who"] or match["whom"])
        found.append(_claim(who, "car", match["value"] or match["what"]))
    if (match := _DOES.match(text)) and match["verb"] not in analysis.STOP_WORDS:
        sorts = sorts_of(match["value"])
        verb = terms_of(match["verb"])
        found.append(Claim(SELF, verb, match["value"], sorts, deed=True))
    return found


def _of_thing(text: str) -> list[Claim]:
    """`My boss at the clinic is ...`, `Eskil's teacher is ...`, `Our son Eskil turned ...`."""
    match = _OF_THING.match(text)
    if not match:
        return []
    det, noun, verb = (match["det"] or "").lower(), match["np"], match["be"].lower()
    if noun.lower().split()[0] in _PRONOUNS or det in {"his", "her", "their"}:
        return []
    owner, _, thing = noun.rpartition("'s ") if "'s " in noun else ("", "", noun)
    head = _PREP.split(thing)[0].split(",")[0]
    which = terms_of(noun) - terms_of(head) - terms_of(owner)
    value, stems = match["value"].strip(), terms_of(head)
    if owner:
        return [replace(_claim(_person(owner), head, value), which=which)]
    aged = _BARE.match(value) and verb.startswith(("is", "are"))
    if (aged or verb.startswith("turn")) and _may_age(noun, det):
        return [Claim(_person(noun), _AGE, value, frozenset({"number"}))]
    # Of somebody so much is said that one thing seldom takes the place of another.
    single_name = (
        not det and " " not in thing and thing[:1].isupper() and verb.startswith(("is", "are"))
    )
    return (
        []
        if stems & KIN
        else [Claim(SELF, stems, value, sorts_of(value), deed=single_name, which=which)]
    )


def _may_age(noun: str, det: str) -> bool:
    """Whether a phrase may name somebody: a kin word, or a single name ("Emre just")."""
    first = noun.split(maxsplit=1)[0]
    alone = set(noun.lower().split()[1:]) <= {"just", "now", "already", "has"}
    return bool(terms_of(noun) & KIN) or (not det and first[:1].isupper() and alone)


def _claim(who: frozenset[str], respect: str, value: str) -> Claim:
    return Claim(who, terms_of(respect), value, sorts_of(value))


def _person(phrase: str) -> frozenset[str]:
    """Who a phrase names: SELF for I and we, else the stems of kin words and names in it."""
    phrase = phrase.strip()
    if phrase.lower() in {"i", "we", "my", "our", "i've", "we've", "i'm"}:
        return SELF
    return terms_of(phrase)


def _subject(text: str) -> frozenset[str]:
    """The kin words and names before the verb, SELF where there are none."""
    if third := re.match(r"(?:he|she|they)\b", text, re.IGNORECASE):
        return frozenset({third[0].lower()})
    if re.match(r"[\w ]+? (?:is|are) (?:my|our) ", text):
        return SELF
    head = re.split(
        r"\b(?:is|are|was|has|have|lives?|works?|turned|moved|can|does|said)\b", text, maxsplit=1
    )[0]
    names = {stem(n.lower().removesuffix("'s")) for n in re.findall(r"[A-Z][\w'-]+", head)}
    first = re.match(r"[A-Za-z']+", head)
    if first and first[0].lower() in analysis.STOP_WORDS | {
        "i'm",
        "i've",
        "we're",
        "we've",
        "i'd",
        "we'd",
    }:
        names.discard(stem(first[0].lower().removesuffix("'s")))
    kin = terms_of(head) & KIN
    return (
        frozenset(
            kin
            | (
                names
                if kin or (first and first[0][0].isupper() and head.strip() == first[0])
                else set()
            )
        )
        or SELF
    )
