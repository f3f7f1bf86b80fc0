"""How people type: case, full stops, fillers; small talk; and natural sentences to quote."""

# ruff: noqa: E501
# Lists of phrases read better unwrapped.

from __future__ import annotations

import ast
import random
import re
import sysconfig
import zlib
from functools import cache
from pathlib import Path

from memos_cli.core import nano
from training.nano.values import DATA

LEADS = (
    "Just so you know, ", "Note to self: ", "By the way, ", "Remember that ", "FYI ", "Btw ", "Remember: ",
    "For the record, ", "Also, ", "Oh, and ", "Don't forget: ", "Update: ", "Please remember that ", "Note: ",
    "I just found out that ", "Turns out ", "As I said, ", "We decided that ", "So ", "Well, ", "Good news: ", "To be clear, ",
    "For next time: ", "In case I forget: ", "Important: ", "I should mention that ", "You should know that ", "Actually, ", "Yes, ",
    "Right, ", "Hey, ", "PS: ", "Today I learned that ", "Seems that ",
)  # fmt: skip
TAILS = (
    ", finally", ", I think", " by the way", ", which is great", ", sadly", ", as always", " for now", ", he's nice",
    ", it's fine", " apparently", ", don't ask", ", long story", " (finally)", ", argh", " again", ", probably",
    ", so far", ", to be exact", " at last", ", unfortunately", ", thank god", " since last week",
    ", as you know", ", according to the letter", " until further notice", ", she says", ", he told me", " from now on", ", believe it or not",
    ", if I remember right", ", not cheap", ", very happy with it", ", could be worse", ", took a while", ", weird", " (ask me later)", ", please note",
    ". It is nice", ". Not bad", ". I like it", ". Long overdue", ". She is great", ". He is fun", ". Very handy", ". Annoying",
)  # fmt: skip
ASKS = (
    "{q}?", "{q}?", "{q}?", "{q}?", "{q}?", "{q}?", "{q}?", "{q}?", "{q}?", "{q}", "{q}", "{q} again?", "Remind me: {q}?",
    "Do you know {q}?", "Hey, {q}?", "So {q}?", "Quick question: {q}?", "Tell me, {q}?", "Hm, {q}?", "Can you remember {q}?",
    "Please tell me {q}.", "I forgot, {q}?", "{q}??", "Sorry, {q}?", "Hi, {q}?",
)  # fmt: skip
FRAMES = (
    "what about {w}?", "what did I say about {w}?", "tell me about {w}", "{w}?", "do you remember {w}?", "anything on {w}?",
    "what do you know about {w}?", "what was that about {w}?", "find {w}", "which note mentions {w}?", "what's up with {w}?",
    "where did I mention {w}?", "is there something about {w}?", "who said something about {w}?",
    "did I tell you anything about {w}?", "have I mentioned {w}?", "notes on {w}", "show me what I said about {w}",
)  # fmt: skip
SMALL_TALK: dict[str, tuple[str, ...]] = {
    nano.HELLO: ("hello", "hi", "hey", "good morning", "good evening", "hi there", "hello memos", "hey you", "good afternoon", "howdy", "hiya", "morning", "hello again", "how are you", "how's it going", "hey how are you doing", "are you there"),
    nano.WELCOME: ("thanks", "thank you", "thanks a lot", "great, thanks", "perfect", "thank you so much", "cool, thanks", "cheers", "that helps", "awesome", "nice", "good job", "thx", "well done", "great"),
    nano.BYE: ("bye", "goodbye", "see you later", "good night", "see you tomorrow", "talk to you later", "ciao", "that's all for today", "I'm off", "until next time"),
    nano.WHO: ("who are you", "what are you", "what is your name", "what can you do", "are you a robot", "are you human", "what's memos", "introduce yourself", "how do you work", "are you an AI", "help", "what do you do"),
    nano.CANNOT: ("write me a poem", "write a story about a {w}", "tell me a joke", "translate this into {w}", "sing a song", "write an email to {f}", "summarise this article", "book a table for two", "call {f}", "set a timer for ten minutes", "order a pizza", "play some music", "write a python function that sorts a list", "draw a picture of a {w}", "open the browser", "turn on the lights", "fix this code", "send a message to {f}", "search the web for {w}", "write a letter to {f}", "make a plan for my day", "explain quantum physics", "buy a {w} for me", "give me a recipe for {w}", "solve this equation", "rewrite this paragraph"),
    nano.UNKNOWN: ("what's the capital of {c}", "who won the world cup", "what's the weather like", "what time is it", "how far is the moon", "who invented the telephone", "what is the meaning of life", "how many people live in {c}", "what's 17 times 23", "who is the president", "what day is it today", "why is the sky blue", "what's the best {w}", "how do I get rich", "who wrote {b}", "is it going to rain tomorrow", "what should I do with my life", "how old is the universe"),
}  # fmt: skip
FILLER = (
    "lol", "That's funny.", "I'm so tired today.", "What a day.", "Hmm let me think.", "ok", "Never mind.", "Haha.", "Sure.",
    "I see.", "That makes sense.", "Interesting!", "Oh well.", "Not sure what to say.", "It's raining right now.", "Let's see.",
    "I'm back.", "Wait a second.", "Sounds good.", "I don't get it.", "That was quick.", "Good point.", "Whatever.", "Brr, cold in here.",
    "I'm hungry.", "Anyway.", "You are right.", "Fine by me.", "Great!", "Ugh, Monday.", "Time for a break.", "Let me check.", "One moment please.",
    "That didn't work.", "It works now.", "Nice one.", "I'll try that later.", "No idea.", "This is annoying.", "Yes please.", "No thanks.",
)  # fmt: skip
COMMANDS = (
    "Write a short poem about {w}.", "Summarise the text above.", "Translate this to {l}.", "Make it shorter.", "Fix the bug in this function.",
    "Give me three ideas for {w}.", "Explain how {w} works.", "Rewrite that in a friendlier tone.", "Show me an example.", "Run the tests.",
    "List the files in this folder.", "Compare {w} and {x}.", "Draft an email about {w}.", "Continue.", "Try again.", "Print the first ten lines.",
)  # fmt: skip
PASTE = (
    'The article says: "{s}"', "From the docs: {s}", "Error: {s}", "Traceback: {s}", 'He wrote "{s}"', "Quote: {s}", "{s}", "{s}",
    "The manual says {s}", "Log: {s}", 'The email reads: "{s}"', "Wikipedia: {s}",
)  # fmt: skip


@cache
def asides() -> tuple[str, ...]:
    """The lines of `data/asides*.txt`: what is not worth remembering, with slots."""
    return lines("asides*.txt")


@cache
def keeps() -> tuple[str, ...]:
    """The lines of `data/keeps*.txt`: what is, though it is said in passing; with slots."""
    return lines("keeps*.txt")


def lines(pattern: str) -> tuple[str, ...]:
    """The rows of files of `data`, without empty ones and notes (`#`)."""
    rows = [row.strip() for p in sorted(DATA.glob(pattern)) for row in p.read_text().split("\n")]
    return tuple(row for row in rows if row and not row.startswith("#"))


_WORD = re.compile(r"[A-Za-z][a-z]{2,}")
STOP = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "not",
        "but",
        "with",
        "that",
        "this",
        "from",
        "they",
        "them",
        "then",
        "than",
        "when",
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "where",
        "why",
        "how",
        "can",
        "could",
        "should",
        "would",
        "will",
        "shall",
        "may",
        "might",
        "must",
        "does",
        "did",
        "done",
        "been",
        "being",
        "its",
        "his",
        "her",
        "him",
        "she",
        "you",
        "your",
        "our",
        "ours",
        "their",
        "there",
        "here",
        "into",
        "onto",
        "over",
        "under",
        "about",
        "after",
        "before",
        "only",
        "also",
        "just",
        "very",
        "more",
        "most",
        "some",
        "any",
        "all",
        "each",
        "every",
        "other",
        "such",
        "same",
        "own",
        "too",
        "off",
        "out",
        "one",
        "two",
        "get",
        "got",
        "let",
        "put",
        "set",
        "use",
        "used",
        "using",
        "make",
        "made",
    ]
)


_IS = re.compile(r"^(?:my|the|our|My|The|Our) ([a-z][a-z' -]{2,40}?) (?:is|are) (.+)$")


def terse(text: str, rng: random.Random) -> str:
    """Note style: "my blood type is A" becomes "blood type: A"; or "we" for "I"."""
    match = _IS.match(text)
    if match and rng.random() < 0.6:
        return match.group(1) + rng.choice([": ", ": ", " = ", " ", " - "]) + match.group(2)
    if rng.random() < 0.5:
        text = re.sub(r"\bmy\b", "our", re.sub(r"\bI\b(?!')", "we", text))
        return text.replace("we am", "we are").replace("we was", "we were")
    return re.sub(r"^(I'm |I am |my |the |we |I |our )", "", text)


def line_style(text: str, rng: random.Random) -> str:
    """A fact line as somebody might type it."""
    if rng.random() < 0.12:
        text = terse(text, rng)
    roll = rng.random()
    if roll < 0.08:
        text = rng.choice(LEADS) + text
    elif roll < 0.14:
        text = text + rng.choice(TAILS)
    roll = rng.random()
    if roll < 0.62:
        text = text[0].upper() + text[1:]
        return text + (rng.choice("...!") if rng.random() < 0.8 and text[-1] not in "`'" else "")
    if roll < 0.8:
        return text
    if roll < 0.88:
        return text[0].upper() + text[1:]
    if roll < 0.95:
        return (
            text.replace("I'm", "im").lower()
            if not re.search(r"[A-Z0-9@/`]{2}|`|@", text)
            else text
        )
    return text + "."


def question_style(text: str, rng: random.Random) -> str:
    """A question as somebody might type it."""
    text = rng.choice(ASKS).format(q=text)
    if rng.random() < 0.65:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.06:
        text = text.rstrip("?")
    if rng.random() < 0.05:
        text = typo(text, rng)
    return text


def typo(text: str, rng: random.Random) -> str:
    """One pair of neighbouring letters swapped or one letter lost."""
    i = rng.randrange(max(1, len(text) - 2))
    if rng.random() < 0.5:
        return text[:i] + text[i + 1 : i + 2] + text[i : i + 1] + text[i + 2 :]
    return text[:i] + text[i + 1 :]


def content_words(text: str) -> list[str]:
    """Words that say what a sentence is about."""
    return [w for w in _WORD.findall(text) if w.lower() not in STOP]


def natural_sentences(cache: Path, limit: int = 14_000) -> list[str]:  # noqa: C901 - one walk, no more
    """Sentences of 25-110 characters from the docstrings of Python's standard library (PSF licence)."""
    if cache.exists():
        return cache.read_text().split("\n")
    found: set[str] = set()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" in path.parts or "/test" in str(path):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                doc = ast.get_docstring(node) or ""
                for piece in re.split(r"(?<=[.!?])\s+|\n\s*\n", doc):
                    text = " ".join(piece.split())
                    good = re.fullmatch(r"[A-Z][\w ,.'()/:;`\"-]{24,109}", text) is not None
                    if good and len(content_words(text)) > 3 and "  " not in text:
                        found.add(text)
    rows = sorted(found)
    random.Random(1).shuffle(rows)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("\n".join(rows[:limit]))
    return rows[:limit]


def sentence_held(text: str) -> bool:
    """Whether a natural sentence is kept out of training."""
    return zlib.crc32(text.encode()) % 12 == 0
