"""How the small chat model answers: line by line, it judges whether a memory is the answer.

A model of six million weights is bad at picking one of twelve lines, and good at judging one.
So the policy asks once per line, with the prompt of `answer_prompt([line], turns)` and a grammar
that allows `You told me:`, `UNKNOWN` or a fixed reply; adds how much of the question the line
covers by its words and how near it is in sense; and quotes the best line word for word, or says
that it does not know. Nothing that is shown was decoded freely, so nothing can be invented. The
constants were tuned on the `dev` split of `tests/data/nano_questions.jsonl`, on generated items and
on held-out notes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from memos_cli.core import nano, nano_words
from memos_cli.core.prompt import Turn
from memos_cli.core.relation import Relation, relation
from memos_cli.core.spelling import mended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.prompt import Completion, Part

SAYS: Final = nano.QUOTE.strip()
MAX_REPLY_TOKENS: Final = 24
WORTH: Final = 1.5  # log-odds from which on a sentence is remembered
DENIED: Final = 3.0  # and the other way: from which on a person decides, whatever rules say
NONE_TOKENS: Final = 4  # the most that `NONE` may be made of


class Complete(Protocol):
    """Greedy decoding under a grammar; `logprob` is the bare model's, before the grammar."""

    def __call__(self, parts: Sequence[Part], grammar: str, max_tokens: int) -> Completion:
        """Continue the prompt `parts`."""
        ...


class Language(Protocol):
    """What is known of words, whatever model judges the lines."""

    def alike(self, question: str, lines: Sequence[str]) -> Sequence[float]:
        """Cosines (-1 to 1) of a question with lines, by word vectors: one number a line."""
        ...

    def rank(self, word: str) -> int | None:
        """How common a lower-case word is, 0 for the commonest; None if it is no word."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """The constants of the decision, in units of log-odds.

    `words`: what full coverage of the question by a line adds, `sense`: what a cosine of 1 does.
    `deny`: how sure the model alone may be that a line does not answer before it is passed over.
    `least`: the score below which nothing is quoted; `bare`: the same for a line that shares no
    word or synonym with the question. `newer`: how much worse a newer line may score than the best
    and still replace it. `also`: how much worse a further line may score in a question that asks
    for several.
    """

    words: float = 3.7
    sense: float = 8.0
    deny: float = 2.3
    least: float = 3.2
    bare: float = 2.4
    newer: float = 2.0
    also: float = 2.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `lines` are the memories it quotes, in the order of the prompt."""

    text: str
    lines: tuple[str, ...] = ()


def judge(complete: Complete, line: str, question: str) -> float:
    """The model's log-odds that `line`, read alone, answers `question`.

    It is the chance that the reply begins with `You told me:`; one token shows it.
    """
    prompt = nano.answer_prompt([line], (Turn("user", question),))
    done = complete(prompt, nano.choice_grammar([SAYS]), 1)
    return _odds(done.logprob)


def _odds(logprob: float) -> float:
    chance = min(max(math.exp(min(logprob, 0.0)), 1e-6), 1 - 1e-6)
    return math.log(chance / (1 - chance))


def small_talk(complete: Complete, question: str) -> str:
    """What the model says to a turn when it has no memories: a fixed reply or `UNKNOWN`."""
    grammar = nano.choice_grammar([nano.UNKNOWN, *nano.FIXED_REPLIES])
    return complete(
        nano.answer_prompt((), (Turn("user", question),)), grammar, MAX_REPLY_TOKENS
    ).text


def answer(
    memories: Sequence[nano.MemoryLine | str],
    turns: Sequence[Turn],
    complete: Complete,
    language: Language,
    policy: Policy | None = None,
) -> Reply:
    """The reply to the last of `turns` from `memories` (in rank order of recall, best first).

    Slips of the finger in the question are mended first.
    """
    policy = policy or Policy()
    lines = nano.lines_of(memories, turns)
    question = mended(nano.question_of(turns), lines, language.rank)
    talk = small_talk(complete, question)
    if is_talk(talk, question):
        return Reply(talk)
    odds = [judge(complete, line, question) for line in lines]
    return decide(question, lines, odds, language.alike(question, lines), policy)


def is_talk(reply: str, question: str) -> bool:
    """Whether a reply to no memories at all settles the turn."""
    if reply not in nano.FIXED_REPLIES:
        return False
    if question.rstrip().endswith("?"):
        return reply in {nano.HELLO, nano.WHO} and len(nano_words.content(question)) <= 1
    return reply != nano.NOTED or not nano_words.begins_to_ask(question)


def decide(
    question: str,
    lines: Sequence[str],
    odds: Sequence[float],
    near: Sequence[float],
    policy: Policy,
) -> Reply:
    """Quote the line with the best score, a newer one that is as good, or none."""
    cover = nano_words.coverage(question, lines)
    scores = [
        o + policy.words * c + policy.sense * n if o > -policy.deny else -math.inf
        for o, c, n in zip(odds, cover, near, strict=True)
    ]
    order = sorted(range(len(lines)), key=scores.__getitem__, reverse=True)
    if not order:
        return Reply(nano.UNKNOWN)
    best = order[0]
    if scores[best] < (policy.least if cover[best] > 0 else policy.bare):
        return Reply(nano.UNKNOWN)
    for i in order[1:]:
        if i > best and scores[i] >= scores[best] - policy.newer and odds[i] > 0:
            best = i
    chosen = [best]
    if nano_words.asks_for_several(question):
        floor = scores[best] - policy.also
        chosen += [i for i in order if i != best and scores[i] >= floor and odds[i] > 0][:2]
    quoted = tuple(lines[i] for i in sorted(chosen))
    return Reply(nano.quote_reply(quoted), quoted)


def extract(turn: str, complete: Complete) -> tuple[str, ...]:
    """The sentences of a turn that the model would remember, each as it was typed."""
    said = [s for s in nano.sentences(turn) if not s.endswith("?")]
    return tuple(dict.fromkeys(s for s in said if worth(complete, s) > WORTH))


def worth(complete: Complete, sentence: str) -> float:
    """The model's log-odds that a sentence holds something to remember.

    It is the chance that the reply is not `NONE`. One token does not show it: the reply to "Nora
    lives in Oslo" is that sentence, and begins with the same one.
    """
    done = complete(nano.extract_prompt(sentence), nano.choice_grammar([nano.NONE]), NONE_TOKENS)
    return -_odds(done.logprob)


def relate(older: str, newer: str, complete: Complete) -> str:
    """One of `nano.RELATIONS`. Rules come first; the model is asked where they see nothing."""
    judged = relation(nano.clean(older), nano.clean(newer))
    if judged in _WORDS:
        return _WORDS[judged]
    done = complete(nano.relate_prompt(older, newer), nano.relate_grammar(), 8)
    return nano.parse_relation(done.text)


_WORDS: Final = {Relation.SAME: "duplicate", Relation.REPLACES: "contradicts"}
