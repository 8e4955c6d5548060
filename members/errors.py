"""One exception for every request that cannot be carried out as given.

A function `..._problems` (or `problems`, `problem`) returns texts, empty where nothing is wrong;
`require_...` raises BadInput.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONG = 80  # characters of a text that is printed whole
MOST_NAMES = 5000  # that are compared for the nearest


class BadInput(ValueError):
    """The request is wrong. `problems` holds every mistake found, one text each.

    A text says what is wrong, what was given, what is allowed and what to do next, so that a
    program can print it as it stands, without a traceback.
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class NoPlace(BadInput):
    """A path that was given leads to no file or folder of the kind that is needed."""


def message_of(error: BaseException) -> str:
    """The exception's text, or its kind where it has none: never empty."""
    return str(error).strip() or type(error).__name__


def first_line(error: BaseException) -> str:
    """Of what `message_of` returns."""
    return message_of(error).splitlines()[0]


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`" Did you mean 'x'?"` for the allowed name closest to `name`, or an empty text."""
    if len(str(name)) > LONG:  # what compares two texts takes the product of their lengths
        return ""
    known = [str(a) for a in allowed][:MOST_NAMES]
    found = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""
