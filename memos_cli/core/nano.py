"""The prompt format of the small chat model that ships with memos, and the grammars of its output.

Training (`training/nano`) and the product build prompts with this one file, so they cannot drift.

Answer prompt (ChatML, every memory line its own `Part`, so that its KV state can be kept alone)::

    <|im_start|>system
    You are memos. Memories:
    - line                 (oldest first; lines of unknown age stand first, best of them last)
    <|im_end|>
    <|im_start|>user
    question<|im_end|>
    <|im_start|>assistant
    You told me: line<|im_end|>

Dates are not written into the lines: they decide the order, and the model was trained on "the later
of two conflicting lines wins". The reply is a quote of one line, of several (" Also: " between
them), `UNKNOWN`, or one of the `FIXED_REPLIES`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core.prompt import Part, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MODEL_NAME = "memos-nano"  # what `general.name` of the GGUF begins with
START, END = "<|im_start|>", "<|im_end|>"
ANSWER_SYSTEM = "You are memos. Memories:\n"
EXTRACT_SYSTEM = "You are memos. What is worth remembering?\n"
RELATE_SYSTEM = "You are memos. Compare two memories.\n"
QUOTE = "You told me: "
ALSO = " Also: "
UNKNOWN = "I don't know that yet."
NONE = "NONE"
HELLO = "Hello! Ask me about anything you told me."
WELCOME = "Any time."
NOTED = "Got it."
CANNOT = "I can't do that. I only keep what you tell me."
WHO = "I am memos. I remember what you tell me."
BYE = "Goodbye!"
FIXED_REPLIES = (HELLO, WELCOME, NOTED, CANNOT, WHO, BYE)
UNRELATED = "unrelated"
RELATIONS = ("duplicate", "contradicts", UNRELATED)

MAX_LINES = 32
MAX_LINE_CHARS = 300
MAX_MEMORY_CHARS = 1_500
MAX_QUESTION_CHARS = 400
MAX_EXTRACT_CHARS = 700

_SPACES = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|etc|e\.g|i\.e|No|approx|Ave|Rd)|(?:^|\b[A-Z](?:[a-z]*|\.)\s)[A-Z])\.$"
)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MemoryLine:
    """A recalled memory: its text and, where known, when it was said (ISO 8601, sorts as text)."""

    text: str
    date: str = ""


def clean(text: str, limit: int = MAX_LINE_CHARS) -> str:
    """One line of printable text: NFC, white space folded, control characters dropped.

    Cut at a word boundary so that the result has at most `limit` characters.
    """
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", text))
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})
    text = text.strip()
    if len(text) <= limit:
        return text
    head, _, _ = text[: limit - 1].rpartition(" ")
    return (head or text[: limit - 1]) + "…"


def order_lines(memories: Sequence[MemoryLine | str]) -> tuple[str, ...]:
    """The lines of the prompt, from memories in rank order of recall (best first).

    The best ones that fit the budget (`MAX_LINES`, `MAX_MEMORY_CHARS`) stay; repeated texts count
    once, with their latest date. They are put oldest first, because the later line wins.
    """
    kept: dict[str, tuple[str, int]] = {}
    used = 0
    for rank, memory in enumerate(memories):
        line = memory if isinstance(memory, MemoryLine) else MemoryLine(memory)
        text = clean(line.text)
        if not text:
            continue
        if text in kept:
            kept[text] = (max(kept[text][0], line.date), kept[text][1])
            continue
        if len(kept) >= MAX_LINES or (kept and used + len(text) > MAX_MEMORY_CHARS):
            continue
        used += len(text)
        kept[text] = (line.date, -rank)
    return tuple(sorted(kept, key=lambda text: kept[text]))


def lines_of(memories: Sequence[MemoryLine | str], turns: Sequence[Turn]) -> tuple[str, ...]:
    """The lines an answer may quote: the memories, then what the person said in this chat."""
    lines = list(order_lines(memories))
    for turn in turns[:-1]:
        if turn.role == "user":
            said = [clean(s) for s in sentences(turn.text)]
            lines += [s for s in said if not s.endswith("?") and s.count(" ") > 1]
    unique = dict.fromkeys(reversed(lines))
    return tuple(reversed(list(unique)[:MAX_LINES]))


def question_of(turns: Sequence[Turn]) -> str:
    """What the person said last, as the prompt carries it."""
    return clean(turns[-1].text, MAX_QUESTION_CHARS) if turns else ""


def answer_prompt(memories: Sequence[MemoryLine | str], turns: Sequence[Turn]) -> tuple[Part, ...]:
    """The prompt that asks for a reply to the last of `turns` from `memories` (best first).

    The model reads one question at a time: earlier statements of the person in `turns` become
    memory lines, earlier questions and replies are left out.
    """
    return _chat(ANSWER_SYSTEM, lines_of(memories, turns), question_of(turns))


def extract_prompt(turn: str) -> tuple[Part, ...]:
    """The prompt that asks which sentences of a person's `turn` are worth remembering."""
    return _chat(EXTRACT_SYSTEM, (), clean(" ".join(sentences(turn)), MAX_EXTRACT_CHARS))


def relate_prompt(a: str, b: str) -> tuple[Part, ...]:
    """The prompt that asks how the newer memory `b` relates to the older `a`."""
    return _chat(RELATE_SYSTEM, (a, b), "How does the second relate to the first?")


def _chat(system: str, lines: Iterable[str], user: str) -> tuple[Part, ...]:
    return (
        Part(START, special=True),
        Part("system\n" + system, stable=True),
        *(Part(f"- {clean(line)}\n", note=True) for line in lines),
        Part(END, special=True),
        Part("\n"),
        Part(START, special=True),
        Part("user\n" + user),
        Part(END, special=True),
        Part("\n"),
        Part(START, special=True),
        Part("assistant\n"),
    )


def quote_reply(lines: Sequence[str]) -> str:
    """The reply that quotes `lines` word for word."""
    return QUOTE + ALSO.join(lines)


def without_quotes(turn: str) -> str:
    """A turn without fenced code and quoted (`>`) lines."""
    text = _FENCE.sub("\n", turn)
    return "\n".join(row for row in text.split("\n") if not row.lstrip().startswith(">"))


def sentences(turn: str) -> list[str]:
    """The sentences of a turn, without fenced code, quoted (`>`) lines and empty pieces."""
    text = without_quotes(turn)
    pieces: list[str] = []
    start = 0
    for gap in _SENTENCE.finditer(text):
        piece = text[start : gap.end()]
        if "\n" not in gap.group() and _ABBREVIATION.search(piece.rstrip()):
            continue
        pieces.append(piece)
        start = gap.end()
    pieces.append(text[start:])
    return [p for p in (clean(piece) for piece in pieces) if p]


def pieces(turn: str, limit: int = MAX_EXTRACT_CHARS) -> list[str]:
    """A turn cut between sentences into pieces that fit an extraction prompt."""
    found: list[str] = []
    for sentence in sentences(turn):
        if found and len(found[-1]) + 1 + len(sentence) <= limit:
            found[-1] += "\n" + sentence
        else:
            found.append(sentence)
    return found


# Output: grammars (GBNF) and parsers.


def gbnf_literal(text: str) -> str:
    """`text` as a GBNF string literal; everything but plain ASCII is written as an escape."""
    out = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif 0x20 <= code < 0x7F:  # noqa: PLR2004 - printable ASCII
            out.append(char)
        elif code <= 0xFF:  # noqa: PLR2004
            out.append(f"\\x{code:02X}")
        elif code <= 0xFFFF:  # noqa: PLR2004
            out.append(f"\\u{code:04X}")
        else:
            out.append(f"\\U{code:08X}")
    return '"' + "".join(out) + '"'


def choice_grammar(texts: Sequence[str]) -> str:
    """A grammar that allows exactly one of `texts`."""
    return "root ::= " + " | ".join(gbnf_literal(text) for text in texts) + "\n"


def answer_grammar(lines: Sequence[str], *, fixed: bool = True) -> str:
    """A grammar for an honest reply: quotes of whole lines, `UNKNOWN`, and the fixed replies."""
    others = [UNKNOWN, *(FIXED_REPLIES if fixed else ())]
    root = [gbnf_literal(text) for text in others]
    if not lines:
        return f"root ::= {' | '.join(root)}\n"
    root.insert(0, f"{gbnf_literal(QUOTE)} line ({gbnf_literal(ALSO)} line)?")
    body = " | ".join(gbnf_literal(line) for line in lines)
    return f"root ::= {' | '.join(root)}\nline ::= {body}\n"


def extract_grammar(turn: str) -> str:
    """A grammar for extraction: `NONE`, or sentences of the turn itself, in order, a line each."""
    said = sentences(turn)
    rules = []
    for i, sentence in enumerate(said):
        last = i == len(said) - 1
        more = "" if last else f' ("\\n" s{i + 1})?'
        skip = "" if last else f" | s{i + 1}"
        rules.append(f"s{i} ::= {gbnf_literal(sentence)}{more}{skip}")
    root = f"root ::= {gbnf_literal(NONE)}{' | s0' if said else ''}"
    return "\n".join([root, *rules]) + "\n"


def relate_grammar() -> str:
    """A grammar that allows one of `RELATIONS`."""
    return choice_grammar(RELATIONS)


def parse_quote(reply: str, lines: Sequence[str]) -> tuple[int, ...]:
    """Which of `lines` a reply quotes word for word, as indices; empty if it quotes none."""
    if not reply.startswith(QUOTE):
        return ()
    rest, found = reply[len(QUOTE) :], []
    while rest:
        fits = [i for i, line in enumerate(lines) if rest == line or rest.startswith(line + ALSO)]
        if not fits:
            return ()
        best = max(fits, key=lambda i: len(lines[i]))
        found.append(best)
        rest = rest[len(lines[best]) + len(ALSO) :]
    return tuple(found)


def parse_extract(reply: str, turn: str) -> tuple[str, ...]:
    """The sentences of `turn` that an extraction reply names; anything else in it is dropped."""
    wanted = set(reply.split("\n"))
    return tuple(sentence for sentence in sentences(turn) if sentence in wanted)


def parse_relation(reply: str) -> str:
    """The relation a reply names; `unrelated`, which changes nothing, when it names none."""
    word = reply.strip().lower().rstrip(".")
    return word if word in RELATIONS else "unrelated"
