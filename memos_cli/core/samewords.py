"""Ways to write one thing: numbers, hours, months and units, and everyday words that mean the same.

Unlike the groups of `core.nano_words`, which help a search, words of a group here may stand for
each other in a memory without changing what it says. Written by hand.
"""

# ruff: noqa: E501 - a form that is cut into lines of 100 characters is harder to read

from __future__ import annotations

import re
from typing import Final

from memos_cli.core.nano_words import stem

DAY: Final = re.compile(
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|august|september"
    r"|october|november|december)$",
    re.IGNORECASE,
)
LIGHT_VERBS: Final = frozenset(
    stem(w)
    for w in "take run keep store locate collect plant use go attend work wear own pay see stay make set lie listen come serve get drive write schedule base".split()  # noqa: SIM905
)
"""Verbs that a note may leave out: `backups run at two`, `backups at two`."""
DOSES: Final = frozenset("mg ml g tablet pill unit drop puff capsul".split())  # noqa: SIM905
"""What `takes` may be left out with: `I take 20 mg of ...`, not `I take 3 eggs`."""
DEALINGS: Final = frozenset(stem(w) for w in "pay see make get keep take".split())  # noqa: SIM905
"""Those of them that say something where somebody comes next: `I pay Ana 50`, `Ana has 50`."""
_GROUPS: Final = """
mother mum mom mam mama mummy|father dad daddy papa|grandmother grandma granny gran nan|grandfather grandpa granddad
child kid|children kids|favourite favorite|colour color|grey gray|centre center|metre meter|litre liter
theatre theater|programme program|licence license|tyre tire|aunt auntie|sister sis
rubbish trash garbage bins bin|cellar basement|flat apartment|mobile cell cellphone|password pw pwd passphrase passcode
afraid scared frightened fear|close shut|leave depart|begin start|stop quit|film movie|holiday vacation|bike bicycle
fridge refrigerator|live reside|repo repository|db database|usually normally generally|autumn fall
sofa couch|taxi cab|ill sick|tv television telly|email mail|wifi wireless wlan|big large|little small
boss manager|doctor physician|expire end|number nr num|id identifier|buy purchase|each every|max maximum|min minimum
loathe hate detest|diabetic diabetes|car automobile auto drive|fix repair mend|vet veterinarian|lawyer attorney
hoover vacuum|torch flashlight|trousers pants|jumper sweater|roommate flatmate|neighbour neighbor
config configuration|directory folder|app application|prod production|docs documentation|dev development|env environment
tuesday tue tues|thursday thu thurs|friday fri
february feb|april apr|june jun|july jul|august aug|september sep sept|october oct|november nov|december dec
km kilometer kilometre|kg kilo kilogram|g gram gramme|mg milligram|ml milliliter millilitre|l liter litre|cm centimeter centimetre
minutes min mins minute|hours h hr hrs hour|euro eur|dollar usd bucks|pound gbp quid|percent pct|degrees degree
group type|deadline due|allergic allergy|trainer coach|work employer|rehearsal rehearse|supervisor supervise supervised
keep kept store stored held hold|write writes wrote written|go goes going|take takes|give gives given|break broke split
"""
_NUMBERS: Final = {
    word: str(n)
    for n, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()  # noqa: SIM905
    )
} | {
    word: str(10 * n)
    for n, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)  # noqa: SIM905
} | {
    word: str(n)
    for n, word in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth".split(), 1)  # noqa: SIM905
}  # fmt: skip
_UNIT: Final = r"(?:mg|kg|g|ml|cl|l|km|cm|mm|m|min|mins|hrs?|h|k|eur|usd|gb|mb|kb)"
_FORMS: Final = (
    (r"[\u2019\u02bc`]", "'"),
    (r"[\u2010-\u2015]", "-"),
    (r"\b(can)(?:'t|not)\b", r"\1 not"),
    (r"\bwon't\b", "will not"),
    (r"\b(\w+)n't\b", r"\1 not"),
    (r"\b(i|we|you|they|he|she|it|that|there)'(?:m|re|ve|s)\b", r"\1 have"),
    (r"\b(i|we|you|they|he|she|it)'ll\b", r"\1 will"),
    (r"\b(i|we|you|they|he|she|it)'d\b", r"\1 would"),
    (r"\b(?:mr|mrs|ms)\.?(?= )", "filler"),
    (r"\bdr\.?(?= )", "doctor"),
    (r"\bwi-fi\b", "wifi"),
    (r"\be-mail\b", "email"),
    (r"\u20ac ?(\d[\d.,]*\w?)", r"\1 euro"),
    (r"\$ ?(\d[\d.,]*\w?)", r"\1 dollar"),
    (r"\u00a3 ?(\d[\d.,]*\w?)", r"\1 pound"),
    (r"(\d) ?\u20ac", r"\1 euro"),
    (r"(\d) ?%", r"\1 percent"),
    (r"(\d) ?\u00b0 ?c?\b", r"\1 degree "),
    (r"(?:(?<=\s)|^)[-\u2212](?=\d)", "minus "),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (rf"\b(\d+(?:[.,]\d+)?)({_UNIT})\b", r"\1 \2"),
    (r"\b(\d+)(?:st|nd|rd|th)\b", r"\1"),
    (r"(?<![-\w:/.])(\d{2,}(?: \d{2,})+)(?![\w:])", lambda m: m[1].replace(" ", "")),
    (r"\bnoon\b", "12:00"),
    (r"\b(\d{1,2})(?:[:.](\d\d))? ?([ap])\.?m\b\.?", lambda m: _clock(m[1], m[2], m[3].lower())),
    (r"\b(\d{1,2}):(\d\d)(?: (?:h|o'clock))?(?![\d:])", lambda m: _clock(m[1], m[2], "")),
    (r"\b(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-(one|two|three|four|five|six|seven|eight|nine)\b",
     lambda m: str(int(_NUMBERS[m[1].lower()]) + int(_NUMBERS[m[2].lower()]))),
    (r"\b(?:not|never) (?:stand|bear)\b", "hate"),
    (r"\bcan hate\b", "hate"),
    (r"\b(?:was|were) born (?:on|in (?=\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))|\b(?:has|have|celebrates?) (?:an?|her|his|my|their) birthday(?: on| in)?\b", "birthday"),
    (r"\b(?:must|has to|have to|needs to) be (?:finished|handed in|done|ready|paid) (?:by|on)\b|\bdue (?:back )?(?:by|on)\b", "due"),
    (r"\bis valid (?:until|till)\b|\bvalid (?:until|till)\b|\bexpires? (?:in|on)\b", "expire"),
    (r"\b(?:needs|requires) (?=\d)", "takes "),
    (r"\b(?:have|has|had) to (?=[a-z])", "must "),
    (r"\bcalled (?=me|us|him|her|them)", "phoned "),
    (r"(?<!\d )(?<!in )(?<!of )(?<!by )(?<!until )(?<!since )\bmay (?!\d)", "might "),
    (r"\b(?:phone|account|insurance|customer|member|serial|order|ticket|tax|policy) no\.?(?= |:)", lambda m: m[0].rsplit(" ", 1)[0] + " number"),
    (r"\b(?:number|licen[cs]e|registration) plate\b", "plate"),
    (r"\b(?:am|is|are|have) (?:an? )?member of\b|\bbelongs? to\b", "belong"),
    (r"\breports? to\b", "boss"),
    (r"\b(?:wakes?|gets?) up\b", "wake"),
    (r"\b(?:gave|gives?|given|giving) up\b", "quit"),
    (r"\blives? at\b", "address"),
    (r"\bgo(?:es)? to (?=[A-Z])", "attend "),
    (r"\bday off\b", "off"),
    (r"\b(\w+) day is (?=mon|tues|wednes|thurs|fri|satur|sun)", r"\1 is "),
    (r"\bphone number\b", "phone"),
    (r"\bnightly\b", "every night"),
    (r"\bdaily\b", "every day"),
    (r"\bweekly\b", "every week"),
    (r"\bmonthly\b", "every month"),
    (r"\bonce (?=every\b|each\b)", ""),
    (r"\b(?:an?|per) (?=hour|day|week|month|year)", "every "),
    (r"\bno longer\b|\bnot (.{1,40}?) any ?more\b", r"not anymore \1"),
)  # fmt: skip
_COMPILED: Final = tuple((re.compile(form, re.IGNORECASE), into) for form, into in _FORMS)
_HEADS: Final = {
    form: stem(group.split()[0])
    for group in _GROUPS.strip().replace("\n", "|").split("|")
    for word in group.split()
    for form in (word, f"{word}s")
}


def normal(text: str) -> str:
    """A text with contractions undone, and numbers, hours and units written in one way."""
    for form, into in _COMPILED:
        text = form.sub(into, text)
    return text


def word_for(word: str) -> str:
    """What a lower-case word counts as: a number in digits, the first of its group; "" for neither."""
    return _NUMBERS.get(word) or _HEADS.get(word, "")


def _clock(hour: str, minute: str | None, half: str) -> str:
    """A time of day on the 24-hour clock: 14h30, and 14 for the full hour."""
    hours = int(hour) % 12 + (12 if half == "p" else 0) if half else int(hour)
    return f"{hours}h{minute}" if minute and minute != "00" else str(hours)
