"""One exception for every request that cannot be carried out as given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

_LONG = 80  # characters of a text that is printed whole


class BadInput(ValueError):
    """The request is wrong. `problems` holds every mistake found, one text each.

    A text says what is wrong, what was given, what is allowed and what to do next, so that a
    program can print it as it stands, without a traceback.
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def examples(values: Sequence[Any] | np.ndarray) -> str:
    """The first three of the values, for a message. Of long texts, which are often paths, the end."""
    return ", ".join(map(_short, values[:3])) + (", ..." if len(values) > 3 else "")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONG else f"{text[:12]}...{text[15 - _LONG :]}"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`" Did you mean x?"` for the allowed name closest to `name`, or an empty text."""
    found = difflib.get_close_matches(str(name), [*map(str, allowed)], 1)
    return f" Did you mean {found[0]}?" if found else ""
