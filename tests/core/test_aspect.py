"""What an automatic round may take for one aspect of one subject."""

from __future__ import annotations

import pytest

from memos_cli.core.aspect import one_aspect

ALIKE = [
    ("My boss is called Priya.", "My new boss is called Ingvild Strand."),
    ("I live in Berlin.", "I moved from Berlin to Hamburg."),
    ("My sister lives in Graz.", "My sister moved to Linz."),
    ("The deadline is on May 3.", "The deadline is on June 9 now."),
    ("I drink coffee.", "I no longer drink coffee."),
]
APART = [
    ("My older sister is 11.", "My older brother just turned 5."),
    ("My neighbour Jack drives a VW Golf.", "I drive a Kia Niro now."),
    ("The Aurora deadline moved to May 3.", "The Falcon deadline moved to June 9."),
    ("My tutor is 105 cm tall.", "My tutor is 93 now."),
    ("The moving day is with Paula.", "The moving day is on the 26th instead."),
    ("My iron's serial number is 4711.", "The waffle iron's serial number is 815."),
    (
        "I see my niece on the 5th of August.",
        "I'm seeing my plumber on the 10th of August instead.",
    ),
    ("Cobalt switched from Emacs to Vim.", "Kestrel switched from Emacs to Helix."),
]


@pytest.mark.parametrize(("older", "newer"), ALIKE)
def test_one_aspect(older: str, newer: str) -> None:
    assert one_aspect(older, newer)


@pytest.mark.parametrize(("older", "newer"), APART)
def test_two_aspects_or_two_subjects(older: str, newer: str) -> None:
    assert not one_aspect(older, newer)
    assert not one_aspect(newer, older)
