"""The static embedder: BERT's tokenization, unit vectors, a digest that tells assets apart."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memos_cli.backends.embed import AKIN, ASSETS, SCALES, SUMS, VECTORS, VOCAB, StaticEmbedder

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    "I moved to Berlin in March.",
    "user: Café Zoë, naïve façade — ÀÉÎÕÜ ñandú Łódź İstanbul ΣΊΣΥΦΟΣ ẞ",
    "我搬到柏林了。I live in 北京 now",
    "日本語のテキスト、ひらがな カタカナ 한국어 텍스트",
    "emoji 🐶🎉 and 👩‍💻 zero\u200dwidth\u200b joiners",
    "nul\x00in\x00side, \x0bvertical\x1ctab\x85 \ufffd bell\x07",
    "tab\tnew\nline\r\nno\u00a0break\u3000wide\u2028line",
    "don't e-mail a.b@c.org: $5.00 (50%) #tag_one /usr/bin/env `x=1` ~^|<>",
    "unbelievably antidisestablishmentarianism Rindfleischetikettierung",
    "2026-11-23T10:15:00Z v1.2.3 192.168.0.1 +49 30 1234567",
    "a" * 100,
    "b" * 101,
    "short " + "x" * 5000 + " end",
    "[CLS] [MASK] [UNK] ##ing",
    "\ud800 lone surrogate",
    "   ",
    "",
]


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder.load()


def pieces(embedder: StaticEmbedder, text: str) -> list[str]:
    tokens = (ASSETS / VOCAB).read_text(encoding="utf-8").split("\n")
    return [tokens[index] for index in embedder.tokenizer.encode(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I moved to Berlin.", ["i", "moved", "to", "berlin", "."]),
        ("Café Zoë", ["cafe", "zoe"]),
        ("don't", ["don", "'", "t"]),
        ("embeddings", ["em", "##bed", "##ding", "##s"]),
        ("北京x", ["北", "京", "x"]),
        ("in\x00side", ["inside"]),
        ("in\x1cside\x0b", ["inside"]),
        ("no\u00a0break", ["no", "break"]),
        ("wait\u2026what", ["wait", "\u2026", "what"]),
        ("🐶 dog", ["dog"]),
        ("x" * 101 + " dog", ["dog"]),
        ("\ud800dog", ["dog"]),
        (" \t\n", []),
    ],
)
def test_pieces(embedder: StaticEmbedder, text: str, expected: list[str]) -> None:
    assert pieces(embedder, text) == expected


# The reference refuses surrogates, and knows special tokens inside a text.
@pytest.mark.parametrize("text", [t for t in TEXTS if "\ud800" not in t and "[" not in t])
def test_agrees_with_the_reference_tokenizer(embedder: StaticEmbedder, text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.BertWordPieceTokenizer(str(ASSETS / VOCAB), lowercase=True)
    ids = reference.encode(text, add_special_tokens=False).ids
    unknown = reference.token_to_id("[UNK]")
    assert embedder.tokenizer.encode(text) == [index for index in ids if index != unknown]


def test_special_tokens_in_a_text_are_plain_text(embedder: StaticEmbedder) -> None:
    assert pieces(embedder, "[CLS]") == ["[", "cl", "##s", "]"]


def test_cached_words_give_the_same_ids(embedder: StaticEmbedder) -> None:
    assert [embedder.tokenizer.encode(t) for t in TEXTS] == [
        StaticEmbedder.load().tokenizer.encode(t) for t in TEXTS
    ]


def test_rows_are_unit_vectors_or_zero(embedder: StaticEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dim)
    norms = np.linalg.norm(vectors, axis=1)
    known = np.array([bool(embedder.tokenizer.encode(text)) for text in TEXTS])
    assert np.allclose(norms[known], 1, atol=1e-6)
    assert not vectors[~known].any()


def test_shrinking_shortens_and_never_turns(embedder: StaticEmbedder) -> None:
    texts = ["ok", "I moved to Berlin in March with my sister and her three dogs", ""]
    full, shrunk = embedder.embed(texts), embedder.embed(texts, shrink=1.0)
    lengths = np.linalg.norm(shrunk, axis=1)
    assert 0 < lengths[0] < lengths[1] < 1
    assert lengths[2] == 0
    assert np.allclose(full * lengths[:, None], shrunk, atol=1e-6)


def test_nothing_in_nothing_out(embedder: StaticEmbedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dim)
    assert not embedder.embed(["", "\x00", "🐶"]).any()


def test_scripts_that_the_teacher_could_not_read_have_no_vector(embedder: StaticEmbedder) -> None:
    foreign, mixed, plain = embedder.embed(
        ["我住在柏林 Привет かな 한국어", "I live in 柏林", "I live in"]
    )
    assert not foreign.any()
    assert mixed @ plain == pytest.approx(1)


def test_a_row_depends_on_its_text_alone(embedder: StaticEmbedder) -> None:
    texts = [*TEXTS, "word " * 9000, *TEXTS] * 5
    together = embedder.embed(texts)
    other = StaticEmbedder.load()
    alone = np.concatenate([other.embed([text]) for text in texts[:40]])
    assert np.array_equal(together[:40], alone)
    assert np.array_equal(together, embedder.embed(texts))


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("dog", "puppy", "invoice"),
        ("car", "automobile", "banana"),
        ("I moved to Berlin in March", "where do I live now?", "the invoice is due on Friday"),
        ("I am allergic to peanuts", "food allergy", "my favourite band plays tonight"),
        ("She adopted a kitten", "What pets does she have?", "Which city did he fly to?"),
        ("My doctor prescribed new pills", "medication", "guitar lessons"),
    ],
)
def test_related_texts_are_nearer(embedder: StaticEmbedder, text: str, near: str, far: str) -> None:
    query, close, distant = embedder.embed([text, near, far])
    assert query @ close > query @ distant


def test_asset_is_what_its_sum_file_says(embedder: StaticEmbedder) -> None:
    lines = (ASSETS / SUMS).read_text(encoding="utf-8").splitlines()
    assert {line.split("  ")[1] for line in lines} == {AKIN, VECTORS, SCALES, VOCAB}
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest
    assert embedder.digest == hashlib.sha256((ASSETS / SUMS).read_bytes()).hexdigest()
    assert (
        sum((ASSETS / name).stat().st_size for name in (AKIN, VECTORS, SCALES, VOCAB)) < 10_000_000
    )


def test_digest_is_stable_and_follows_the_asset(embedder: StaticEmbedder, tmp_path: Path) -> None:
    assert StaticEmbedder.load(ASSETS).digest == embedder.digest
    for name in (AKIN, VECTORS, SCALES, VOCAB, SUMS):
        shutil.copy(ASSETS / name, tmp_path / name)
    assert StaticEmbedder.load(tmp_path).digest == embedder.digest
    (tmp_path / SUMS).write_text("other\n", encoding="utf-8")
    assert StaticEmbedder.load(tmp_path).digest != embedder.digest


def test_an_asset_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    for name in (AKIN, VECTORS, SCALES, SUMS):
        shutil.copy(ASSETS / name, tmp_path / name)
    (tmp_path / VOCAB).write_text("just\nthese\n", encoding="utf-8")
    with pytest.raises(ValueError, match="do not fit together"):
        StaticEmbedder.load(tmp_path)


def test_import_loads_no_numpy() -> None:
    code = "import sys, memos_cli.backends.embed; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_akin_words_are_near_in_sense_and_never_the_word_itself() -> None:
    embedder = StaticEmbedder.load()
    near = dict(embedder.akin("doctor"))
    assert "physicians" in near
    assert list(near.values()) == sorted(near.values(), reverse=True)
    assert all(0.4 <= value <= 1 for value in near.values())
    assert not {"doctor", "doctors"} & near.keys()
    assert embedder.akin("zxqv") == embedder.akin("") == embedder.akin("##ing") == []
