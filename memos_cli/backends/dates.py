"""Written dates ("7 May 2023", "May 7th", "2023-05-07"), read by python-dateutil.

Only what `core.timephrase` has cut out of a text comes here: searching a text with it finds dates
in "may" and "march". It is imported when the first such date is met (26 ms of CPU).
"""

from __future__ import annotations

import re
from datetime import date, datetime, time

_OF_THE = re.compile(r"\b(?:of|the)\b", re.IGNORECASE)


def read_date(text: str, today: date) -> date | None:
    """The day that `text` names, in the year of `today` where it names none; None where none."""
    from dateutil.parser import ParserError, parse

    try:
        start = datetime.combine(today.replace(month=1, day=1), time.min)
        found: datetime = parse(_OF_THE.sub(" ", text), default=start)
        return found.date()
    except (ParserError, ValueError, OverflowError):
        return None
