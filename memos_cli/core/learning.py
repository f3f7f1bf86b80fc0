"""What a chat may learn from a person's message: their own statements, each once, nothing else."""

# ruff: noqa: E501 - a form that is cut into lines of 100 characters is harder to read

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis, nano, secrets
from memos_cli.core.cube import Kind
from memos_cli.core.nano_words import FUNCTION_WORDS
from memos_cli.core.ownwords import own_sentences
from memos_cli.core.rejected import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_WORDS: Final = 3
_SMALL_TALK: Final = re.compile(
    r"(?:hi(?:ya)?|hello|hey|thanks?|thank you|thx|cheers|ta|ok(?:ay)?|cool|great|nice|lovely|perfect"
    r"|brilliant|good (?:morning|evening|night|day|point|idea)|morning|night|bye|goodbye|see you"
    r"|talk to you|please|yes|yeah|yep|no(?= ?[,.!])|nope|sorry|how are you|never ?mind|l+o+l|ha(?:ha)*"
    r"|a+w+|wow|oh|hm+|by the way|btw|big news|good news|bad news|guess what|would you believe it"
    r"|well|so|but|and|then|plus|sure|got it|right|absolutely|definitely|of course|actually|fyi|anyway|also)\b",
    re.IGNORECASE,
)  # fmt: skip
_THANKS: Final = re.compile(r"(?:\w+,? )?(?:thanks?|thank you)(?: \w+){0,3} for\b", re.IGNORECASE)
_ASKS: Final = re.compile(
    r"(?:(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|can|could|will"
    r"|would|should|have|has|am|any|shall|may)\b(?!.*[.!]$)|(?:can|could|would|will|what) you\b"
    r"|(?:what|how) an? \w+)",
    re.IGNORECASE,
)
_STANDING: Final = re.compile(
    r"\b(?:always|never|ever|from now on|whenever|(?:every|each) time|in (?:the )?future|by default"
    r"|call me|when (?:you|I)|keep in mind|remember|note|don['\u2019]?t forget)\b",
    re.IGNORECASE,
)
_REQUEST: Final = re.compile(
    r"(?:(?:please|just|now|and|then|so) )*(?:let['\u2019]?s|help|write|make|translate|give|tell|show|explain"
    r"|compare|suggest|draft|change|forget|stop|start|continue|add|remove|delete|summari[sz]e|list"
    r"|describe|find|search|look|check|fix|repeat|rewrite|rephrase|shorten|convert|calculate|create"
    r"|generate|propose|recommend|answer|play|act|sort|rename|turn|use|don['\u2019]?t|do|be|keep|put|try"
    r"|go|come|wait|book|order|let (?:me|us)|remind|set|say|think|consider|plan|pick|choose|name|define|count|solve|prove"
    r"|imagine|tweak|edit|expand|scale|format|again|shorter|longer|avoid|read|open|run|print|draw)\b",
    re.IGNORECASE,
)
_PASSING: Final = re.compile(
    r"(?:(?:I['\u2019]?m|I am|we['\u2019]?re|we are) (?:(?:so|really|very|a bit|just|quite|still|already|too|not|all"
    r"|pretty|kind of|in|off|about) )*(?:tired|bored|hungry|thirsty|busy|back|off|to bed|here|done"
    r"|confused|exhausted|lost|ready|sorry|happy|glad|sad|sure|afraid|leaving|home|fine|good|ok(?:ay)?"
    r"|great|stuck|curious|wondering|thinking|looking|trying|asking|going to (?:bed|sleep|go|call it)"
    r"|heading|a hurry)\b"
    r"|I (?:(?:have|need|got|gotta)(?: to|ta)? (?:go|run|leave)\b|need (?:an?|some|you|to know|help)\b"
    r"|want (?:an?|some|you|to (?:know|ask|learn|understand|see))\b|was (?:just )?(?:wondering|asking)"
    r"|(?:don['\u2019]?t |do not )?(?:think|guess|suppose|mean|meant|hope|agree|doubt"
    r"|(?:know|see|understand|believe|get|like) (?:it|that|this|you|what|why|how)\b)"
    r"|don['\u2019]?t (?:know|see|understand)\b|told you|asked|will (?:try|do|see)\b)"
    r"|(?:that|this|it|these|those)(?:['\u2019]?s|['\u2019]ll| is| was| are| were| sounds?| looks?| works?| helps?"
    r"| helped| makes?| does| did| worked| seems?) (?!.*\b(?:I|my|me|our|we|us)\b)"
    r"|(?:the )?(?:first|second|third|last|other|old|new) one\b|my head\b|sounds\b|looks\b|here['\u2019]s\b|here (?:is|are)\b|looking forward\b|hopefully\b|hope\b|excited\b|appreciate"
    r"|(?:I|we) (?:really |totally |so )*appreciate\b|(?:I|we)(?:['\u2019]ll| will) (?:also |definitely )*(?:keep you|let you know|check (?:it|them|that) out)"
    r"|your (?:help|support|advice|encouragement|suggestions?|tips?)\b|(?:the|that|this) (?:plan|idea|approach|suggestion) \w+\b"
    r"|you(?:['\u2019]re| are|['\u2019]ve| have| did| can| could| should)?\b"
    r"|(?:she|he|they)(?:['\u2019]ll| will) \w+ (?:it|that|this)\b)",
    re.IGNORECASE,
)  # fmt: skip
_NOT_TODAY: Final = re.compile(
    r"\bit(?:['\u2019]s| is) (?:raining|pouring|snowing|cold|hot|sunny|late|early|dark|windy)\b",
    re.IGNORECASE,
)
_OWN: Final = re.compile(
    r"\b(?:I|I['\u2019](?:m|ve|d|ll)|my|mine|me|we|we['\u2019](?:re|ve|d|ll)|our|ours|us)\b",
    re.IGNORECASE,
)
_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|doesn['\u2019]t|don['\u2019]t|can|can['\u2019]t|will|won['\u2019]t|went|came"
    r"|got|gets?|moved|slipped|turned|left|joined|became|becomes|goes|lives?|works?|plays?|takes?|comes?"
    r"|starts?|ends?|opens?|closes?|costs?|needs?|likes?|loves?|hates?|wants?|eats?|drinks?|runs?"
    r"|uses?|meets?|takes|looks after|speaks?|knows?|drives?|wears?|weighs?|sits?|teaches)\b|\w['\u2019]s\b"
    r"|['\u2019](?:ve|re)\b",
    re.IGNORECASE,
)
_VAGUE: Final = re.compile(  # of the task at hand or of a mood: a model may judge it
    r"(?:(?:I|we)(?:['\u2019]ve)? (?:(?:really|still|also) )*(?:(?:need|have|got|ought) to|should|must) [a-z]+ (?!.*\b(?:every|always|each)\b)"
    r"|(?:I|we)(?:['\u2019]ll| will| plan to| just want| want to| hope to|['\u2019]d like to (?:\w+ ){0,2}(?:sure|see|know|get|add|implement))\b(?!.*\b(?:on|in|from|until|by|next|this) (?:the )?\w*(?:day|january|february|march|april|may|june|july|august|september|october|november|december|\d|week|month|year|summer|winter|spring|autumn|easter|christmas))"
    r"|(?:I['\u2019]m|I am|I was|we['\u2019]re) (?:(?:a bit|so|kind ?of|kinda|really|also|just|still|not|very|pretty|feeling|getting) )*"
    r"(?:kinda|feeling|considering|wondering|worried|struggling|sure|excited|curious|thinking|trying|hoping|confused|stressed|frustrated|proud|overwhelmed|unsure|interested in)\b"
    r"|I (?:just )?(?:feel|felt|still (?:feel|get)|(?:couldn['\u2019]t |totally )?agree|get it)\b"
    r"|(?:it|that|this)(?:['\u2019]s|['\u2019]ll| is| was| could| would| will| gives?| feels?| felt| seems?| sounds?| looks?| means?| inspire[sd]?| help[s]?| can)\b"
    r"|(?:starting|using|having|going|getting|helping) (?!\w+ (?:is|was) (?:my|our)\b))",
    re.IGNORECASE,
)
_ASKS_AFTER: Final = re.compile(
    r"[,;] (?:and )?(?:but )?(?:can|could|will|would|do|does|should|is|are|how|what|which|any) (?:you|I|this|that|it|we|there|they|tips|ideas)\b",
    re.IGNORECASE,
)
_CERTAIN: Final = re.compile(
    r"\d|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:january|february|march|april|may|june|july"
    r"|august|september|october|november|december|o['\u2019]clock|noon)\b",
    re.IGNORECASE,
)
_DEFINITE: Final = re.compile(
    r"(?:the(?! (?:article|text|author|log|error|e?-?mail|message|paper|post|page|file|code)\b)|both|all|there(?:['\u2019]s| is| are)|she|he|they)\b",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"[A-Z][\w\u2019'-]+(?: and [A-Z]\w+| [A-Z]\w+)* (?:\w+ly )?([a-z]\w*(?:['\u2019]t)?)"
)
_PREFERENCE: Final = re.compile(
    r"\b(?:I|we) (?:really |also |always |still |do |much )*"
    r"(?:like|love|prefer|enjoy|hate|dislike|favou?r"
    r"|(?:don['\u2019]t|do not|can['\u2019]t|cannot) (?:like|stand|eat|drink))\b"
    r"|\bmy fav(?:ou)?rite\b|\bI(?:['\u2019]d| would) (?:rather|like|prefer)\b"
    r"|\bI(?: am|['\u2019]m) (?:allergic|vegan|vegetarian)\b",
    re.IGNORECASE,
)
_INSTRUCTION: Final = re.compile(
    r"(?:please )?(?:always|never|from now on|call me|don['\u2019]t [^.!?]*\bever|use [^.!?]*\bwhenever"
    r"|when(?:ever)? you (?:write|show|answer|give|tell|explain))\b",
    re.IGNORECASE,
)  # fmt: skip


def statements(message: str) -> tuple[str, ...]:
    """The sentences of a message that may be worth remembering: no questions, no small talk.

    What is not the person's own (`core.ownwords`) is left out, and so are sentences too long to be
    learnt whole.
    """
    whole = nano.clean(message, len(message) + 1)
    return tuple(s for s in own_sentences(message) if s in whole and _is_statement(s))


def certain(message: str) -> tuple[str, ...]:
    """Those of the `statements` that say something of the person or of a definite thing.

    The small model misses many; these are learnt whether it names them or not.
    """
    return tuple(s for s in statements(message) if _is_certain(_told(s)))


def stands(sentence: str) -> bool:
    """Whether a sentence asks for something from now on, or is a name with a number ("pin: 4471")."""
    told = _told(sentence)
    return bool(_STANDING.search(told)) or _is_entry(told)


def asks(sentence: str) -> bool:
    """Whether a sentence begins as a question does, mark or not."""
    return _ASKS.match(_told(sentence)) is not None


def is_clause(sentence: str) -> bool:
    """Whether a sentence has a verb that tells, or speaks of the person."""
    return bool(_VERB.search(sentence) or _OWN.search(sentence))


def worth_learning(
    proposed: Iterable[str], message: str, seen: Sequence[str] = ()
) -> tuple[str, ...]:
    """The proposals that are statements of `message` itself and say nothing that `seen` says.

    `seen` are texts that are not the person's: the model's own answers. A model that proposes
    anything else is not believed.
    """
    said = {plain(s): s for s in statements(message)}
    known = {plain(sentence) for text in seen for sentence in (text, *nano.sentences(text))}
    wanted = dict.fromkeys(plain(text) for text in proposed)
    return tuple(said[key] for key in said if key in wanted and key not in known)


def kind_of(sentence: str) -> Kind:
    """A first guess at what a statement is: an instruction, a preference, else a fact."""
    if _INSTRUCTION.match(sentence):
        return Kind.INSTRUCTION
    return Kind.PREFERENCE if _PREFERENCE.search(sentence) else Kind.FACT


def _told(sentence: str) -> str:
    """A sentence without what it opens with: a greeting, thanks, "by the way"."""
    while found := _SMALL_TALK.match(sentence):
        sentence = sentence[found.end() :].lstrip(" ,.!;:-\u2013\u2014")
    return sentence


def _is_statement(sentence: str) -> bool:
    told = _told(sentence)
    if told.endswith(":") or _THANKS.match(sentence):
        return False
    if len(told.split()) < MIN_WORDS or analysis.is_question(told) or secrets.MARK in told:
        return False
    if _PASSING.match(told) or _NOT_TODAY.search(told) or asks(told):
        return False
    return _REQUEST.match(told) is None or _STANDING.search(told) is not None


def _is_certain(told: str) -> bool:
    if _VAGUE.match(told) or _ASKS_AFTER.search(told):
        return False
    if _OWN.search(told) or _STANDING.search(told):
        return True
    if not _VERB.search(told):
        return _is_entry(told)
    if _CERTAIN.search(told) or _DEFINITE.match(told):
        return True
    named = _NAMED.match(told)
    return named is not None and told.split(maxsplit=1)[0].lower() not in FUNCTION_WORDS


def _is_entry(told: str) -> bool:
    return bool(re.search(r"\w: \S.*\d", told))
