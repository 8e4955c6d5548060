"""One exception for every request that cannot be carried out as given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


class BadInput(ValueError):
    """The request is wrong. `problems` holds every mistake found, one text each.

    A text says what is wrong, what was given, what is allowed and what to do next, so that a
    program can print it as it stands, without a traceback.
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def examples(values: Sequence[Any] | np.ndarray) -> str:
    """The first three of the values, for a message."""
    return ", ".join(map(str, values[:3])) + (", ..." if len(values) > 3 else "")


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`" Did you mean x?"` for the allowed name closest to `name`, or an empty text."""
    found = difflib.get_close_matches(str(name), [*map(str, allowed)], 1)
    return f" Did you mean {found[0]}?" if found else ""
