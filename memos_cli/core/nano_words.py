"""Words for the small chat model: what a question is about, and whether an answer is grounded.

Pure text: a light English stemmer, everyday synonyms, and how much of a question a line covers.
The synonyms were written by hand for this project.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FUNCTION_WORDS = frozenset(
    """a about above after again all already also always am an and any anyone anything anywhere are
    aren't around as at away back be because been before being between both but by can can't cannot
    could couldn't did didn't do does doesn't doing don't done down each either else ever every
    exactly few for from get gets getting go goes going got had has hasn't have haven't having he
    her here hers herself hey hi him himself his hm how i i'd i'll i'm i've if in instead into is
    isn't it it's its itself just know last let like many may maybe me might mine more most much
    must my myself need needs neither never next no nor not now of off ok on once one only onto or
    other our ours ourselves out over own perhaps please put quick question really remember remind
    right said same say says shall she should shouldn't since so some someone something somewhere
    sorry still such tell than that that's the their them themselves then there these they thing
    things think this those though through till to today together told too under until up upon us
    use used very want wants was wasn't we well were weren't what what's whatever when when's where
    where's whether which while who who's whom whose why will with within without would you you're
    your yours yourself yet""".split()  # noqa: SIM905 - a page of words reads better than a list
)
"""Words that say nothing about the subject; an answer may always use them."""

_GROUPS = """
kid child son daughter boy girl baby toddler|wife husband spouse partner|mother mum mom mama
father dad papa|grandmother grandma gran granny|grandfather grandpa granddad|sister sis sibling
brother sibling|boss manager supervisor lead report|colleague coworker workmate|neighbour neighbor
landlord landlady rent|doctor gp physician|dentist teeth tooth|vet veterinarian
optician eye glasses|roommate flatmate|friend buddy mate|lawyer attorney|physio physiotherapist
trainer coach|hairdresser barber|live home house based reside moved address flat apartment
work job employ employer company firm profession occupation living|earn salary pay income wage
car auto vehicle drive|bike bicycle cycle|motorbike motorcycle|plate registration licence license
phone mobile cell cellphone number call|email mail e-mail|wifi wireless network internet
password pw pin code passcode key combination combo unlock open type|laptop notebook computer
screen monitor display|tv television telly|fridge refrigerator|sofa couch|washing washer
hoover vacuum|trash rubbish garbage bin bins waste|torch flashlight|wardrobe closet
cost price pay paid charge euro dollar pound franc kroner bucks $ € £|budget money|cheap expensive
buy bought purchase shopping grocery store shop|gift present birthday give
favourite favorite best prefer love like enjoy|hate dislike stand avoid don't
prefer rather better over|colour color|allergic allergy rash react tolerate avoid
eat food meal dish diet vegetarian vegan meat|drink coffee tea beverage
medicine medication pill drug tablet dose take mg|illness sick ill disease diagnosed suffer
hurt pain ache|afraid scared fear scare frighten|language speak spoken fluent tongue
learn study studying lesson started|university college degree studied
school attend kindergarten nursery|instrument play|hobby pastime free|run running jog jogging
swim swimming|exercise gym workout train training|practice rehearsal rehearse
meeting meet appointment|deadline due finish|wedding married marry marriage anniversary engaged
birthday born birth date|old age year|tall height|heavy weigh weight
holiday vacation trip travel leave|flight plane fly airport|train rail railway|hotel staying stay
luggage suitcase bag|film movie cinema|book reading read novel|author writer|music song listen
band|dog puppy|cat kitten|pet animal|rabbit bunny|spare extra second|hide hid hidden
find located location where place|keep kept store stored|drawer cupboard cabinet
switch switched changed change replaced moved dropped left|quit stop stopped gave
current now currently moment|former previous before old ex used earlier
start started begin began joined join since|end ends expire expires until valid renew
deploy release ship rollout|revert undo rollback roll back|command run|server host machine
database db postgres postgresql mysql sqlite|production prod|repository repo|log logs logfile
editor ide|owner owns maintain maintainer responsible charge|tests test testing
package parcel delivery|letter post|fetch collect pick pickup
repair repaired fix fixed mend service serviced|broken break broke|oven bake baked degrees
recipe ingredient|temperature degrees warm hot|size big large wide|serial model|brand make made
insurance policy insured|tax vat|bank account savings|mortgage loan
owe owes lent borrowed lend borrow|client customer|rate hourly charge|invoice bill billing
desk office sit seat|badge|team colleague|nickname called name call|handle username user
origin originally from grew born|close closes closed shut opening hours opens open
plant planted garden|water watering|jumper sweater pullover|trousers pants|rucksack backpack
cab taxi|autumn fall|ill sick|bring take along|guest guests people coming|organise organize
licence license driving|passport|sleep bed bedtime|wake alarm get|supplier supplies supply
supervisor supervises advisor|thesis dissertation|exam test|newspaper magazine subscription
tyre tire|grey gray|programme program|licence license|centre center|theatre theater|metre meter
litre liter|cheque check|drummer drum drums|singer sing sings voice|guitarist guitar|pianist piano
conductor conduct conducts|driver drive|painter paint painted|teacher teach teaches
baker bake bakery|owner own|winner win won|before used previous former|next upcoming
anniversary married|pipeline ci build breaks fails fail|crash fail error broken|disk drive
folder directory|reply answer replies answers|painkiller ibuprofen aspirin paracetamol
drug medicine|antibiotic penicillin amoxicillin|allergy allergic rash|dose mg tablet pill drops
bone wrist arm leg ankle|expecting pregnant due baby|third second child kid
package manager npm pnpm yarn pip|linter lint ruff flake8 eslint|landlord rent lease
postcode zip address|flat apartment|ground floor|storey floor|cellar basement|attic loft
money cash price|rehearsal practice|gig concert play|trash bins garbage|hibernate sleep sleeps
herb cilantro basil parsley|jumper sweater|socks shoes clothes|colour favourite|train plane
vacation leave holiday|photo picture|camera photo
"""


def _stem(word: str) -> str:
    for ending, length in (("ies", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4), ("e", 4)):
        if word.endswith(ending) and len(word) >= length and not word.endswith("ss"):
            root = word[: -len(ending)]
            if ending in {"ing", "ed"} and len(root) > 3 and root[-1] == root[-2]:  # noqa: PLR2004
                root = root[:-1]
            return root + ("y" if ending == "ies" else "")
    return word


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """The word without its common English endings, in lower case."""
    word = word.lower().replace("\u2019", "'").removesuffix("'s").strip("'")
    once = _stem(word)
    return once.removesuffix("e") if len(once) > 4 else once  # noqa: PLR2004


def _synonyms() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for row in _GROUPS.replace("\n", "|").split("|"):
        group = {stem(word) for word in row.split()}
        for word in group:
            table.setdefault(word, set()).update(group)
    return {word: frozenset(group) for word, group in table.items()}


SYNONYMS = _synonyms()
"""Stem to the stems that may stand for it."""

_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][a-z]+)?|[€$£]", re.UNICODE)


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers included."""
    return [w.lower().replace("\u2019", "'") for w in _TOKEN.findall(text)]


def content(text: str) -> list[str]:
    """The stems of the words that say what a text is about, each once, in order."""
    found = (
        w
        for w in words(text)
        if w not in FUNCTION_WORDS and w.removesuffix("'s") not in FUNCTION_WORDS
    )
    return list(dict.fromkeys(stem(w) for w in found))


def coverage(question: str, lines: Sequence[str], synonym: float = 0.85) -> list[float]:
    """For each line, how much of what the question asks about stands in it (0 to 1).

    A word weighs more the fewer lines have it; a synonym counts `synonym` of the word itself.
    """
    asked = content(question)
    stems = [set(content(line)) for line in lines]
    totals = [0.0] * len(lines)
    weight_sum = 0.0
    for word in asked:
        near = SYNONYMS.get(word, frozenset()) - {word}
        hits = [1.0 if word in have else synonym * bool(near & have) for have in stems]
        spread = sum(1 for hit in hits if hit)
        weight = math.log(1 + (len(lines) + 1) / (spread + 1)) if spread else 0.7
        weight_sum += weight
        for i, hit in enumerate(hits):
            totals[i] += weight * hit
    return [total / weight_sum if weight_sum else 0.0 for total in totals]


def grounded(answer: str, sources: Iterable[str]) -> bool:
    """Whether every content word of an answer stands in the sources; numbers must stand exactly."""
    texts = list(sources)
    have = {stem(word) for text in texts for word in words(text)}
    return all(word in have for word in content(answer))


_SEVERAL = re.compile(
    r"\b(?:which|what) (?:[a-z]+ )?[a-z]*[^su\W]s (?:do|are|have|can|should|did|am)\b"
    r"|\b(?:what|who) are (?:my|our|the)\b|\blist\b",
    re.IGNORECASE,
)


_ASKS = re.compile(
    r"(?:who|whom|whose|what|which|when|where|why|how|is|are|am|was|were|do|does|did|have|has|had"
    r"|can|could|should|will|would)(?:'s|'re|'d)?\s+\w",
    re.IGNORECASE,
)


def begins_to_ask(turn: str) -> bool:
    """Whether a turn begins as a question does ("is my thesis about ..."), mark or not."""
    return _ASKS.match(turn.lstrip()) is not None and not turn.rstrip().endswith((".", "!"))


def asks_for_several(question: str) -> bool:
    """Whether a question asks for more than one thing ("which languages ...", "what are ...")."""
    return _SEVERAL.search(question) is not None


PERSONS = frozenset(
    stem(w)
    for w in """son daughter wife husband mother father mum dad sister brother aunt uncle
    grandmother grandma grandfather cousin niece nephew boss dentist doctor cat dog""".split()  # noqa: SIM905
)
"""Stems of kinship and roles: who a question or a memory is about."""
