"""Whether a text may hold an expression of time: cheap, so that `timephrase` is imported for those.

The names of months, days and seasons are here for both.
"""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
MONTHS: Final = {
    **{name: n for n, name in enumerate(_MONTHS, 1)},
    **{name[:3]: n for n, name in enumerate(_MONTHS, 1)},
    "sept": 9,
}
DAYS: Final = {
    "monday": 0, "tuesday": 1, "wednesday": 2, "thursday": 3, "friday": 4, "saturday": 5,
    "sunday": 6,
}  # fmt: skip
SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""The first month of each; the seasons are those of the north."""
MAX_TEXT: Final = 2_000  # characters of a question or memory that are looked at


def any_of(names: object) -> str:
    """A pattern of these names, the longest first."""
    return "|".join(sorted(names, key=len, reverse=True))  # type: ignore[call-overload]


_HINT: Final = re.compile(
    rf"\b(?:yesterday|today|tonight|tomorrow|ago|weekends?|(?:last|past|previous|this|current|next"
    rf"|coming)\ \w+|(?:19|20)[0-9]{{2}}|{any_of(MONTHS)}|{any_of(DAYS)}|{any_of(SEASONS)}"
    r"|before|after|since|until|while|when|during|around)\b",
    re.IGNORECASE,
)


def may_hold(text: str) -> bool:
    """Whether a text is worth a closer look: it has a word that times are told with."""
    return _HINT.search(text[:MAX_TEXT]) is not None
