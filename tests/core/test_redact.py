"""Which passages count as quotations, and what is left of a text without them."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.redact import MARK, Redactor, Secret, fold, pieces

BERLIN = "I moved to Berlin in March and my flat has a balcony over the canal."
KNOWN = Redactor([Secret("k7d3m2qv9x1c", BERLIN), Secret("k7d3m2qv9x1c", "Kiel")])
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs",))
TEXTS = st.text(LETTERS, min_size=8, max_size=120)


def test_whole_texts_whatever_their_case_and_spacing() -> None:
    assert KNOWN.redact(f"you said {BERLIN}") == f"you said {MARK}"
    assert KNOWN.redact(f"“{BERLIN.upper()}”") == f"“{MARK}”"
    assert KNOWN.redact(BERLIN.replace(" ", "\n  ")) == MARK
    assert KNOWN.redact("I moved to Bremen in March.") == "I moved to Bremen in March."


def test_cut_starts_and_long_pieces() -> None:
    assert KNOWN.redact("add: I moved to B…") == f"add: {MARK}"
    assert KNOWN.redact("add: I moved to Berlin in March and my…") == f"add: {MARK}"
    assert KNOWN.redact("well, I moved to…") == "well, I moved to…"
    assert KNOWN.redact("that my flat has a balcony over the canal?") == f"that {MARK}?"
    assert KNOWN.redact("a balcony over the canal") == "a balcony over the canal"


def test_lines_of_a_longer_text() -> None:
    redactor = Redactor([Secret("a", "Shopping:\nthree pounds of quinces\n----------------\neggs")])
    assert redactor.redact("buy three  pounds of Quinces!") == f"buy {MARK}!"
    assert redactor.redact("eggs and ---------------- too") == "eggs and ---------------- too"


def test_short_texts_go_from_messages_that_name_the_memory() -> None:
    named = b"add: Kiel\n\nMemos-Op: add\nMemos-Ids: k7d3m2qv9x1c\n"
    other = b"add: Kiel\n\nMemos-Op: add\nMemos-Ids: m9s346q3d25v\n"
    assert KNOWN.message(named) == named.replace(b"Kiel", MARK.encode())
    assert KNOWN.message(other) == other


def test_messages_in_any_encoding_keep_their_bytes() -> None:
    secret = Redactor([Secret("a", "ein schönes Café")])
    assert secret.message("so: ein schönes Café\n".encode("latin-1")) == b"so: [purged]\n"
    assert secret.message("ü: ein schönes Café".encode("cp1252"), "cp1252") == b"\xfc: [purged]"
    assert secret.message(b"\xff\xfe nothing") == b"\xff\xfe nothing"


@given(TEXTS, TEXTS, TEXTS)
def test_whatever_stands_around_it_a_text_is_found(before: str, text: str, after: str) -> None:
    redactor = Redactor([Secret("a", text)])
    for form in (text, unicodedata.normalize("NFD", text)):
        left = redactor.redact(before + form + after)
        for piece in pieces(text):
            assert piece not in left.replace(MARK, "\0"), (text, left)


@given(TEXTS, st.lists(st.text(LETTERS, max_size=200), max_size=3))
def test_a_text_without_quotations_is_left_to_the_last_byte(text: str, others: list[str]) -> None:
    redactor = Redactor([Secret("a", text)])
    for other in others:
        if not redactor.spans(other):
            assert redactor.redact(other) == other
            line = json.dumps({"text": other}).encode()
            assert redactor.transcript(line + b"\n") == line + b"\n"


@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_a_transcript_stays_json(said: list[str], text: str) -> None:
    redactor = Redactor([Secret("a", text)])
    lines = [json.dumps({"role": "user", "text": f"{s} {text}", "n": [1, None]}) for s in said]
    left = redactor.transcript("\n".join([*lines, ""]).encode()).split(b"\n")
    assert len(left) == len(lines) + 1
    for line in left[:-1]:
        assert json.loads(line)["n"] == [1, None]


@given(st.text())
def test_folding_says_where_each_character_stood(text: str) -> None:
    folded, at = fold(text)
    assert len(folded) == len(at)
    assert at == sorted(at)
    assert fold(text.replace(" ", " \t "))[0] == folded
