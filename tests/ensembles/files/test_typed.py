"""Values out of JSON against the types that are declared for them."""

from __future__ import annotations

from typing import Any

import pytest

from ensembles.files.typed import type_problem


@pytest.mark.parametrize(
    ("value", "declared"),
    [("x", str), (1, float), (1.5, float), (1, int), (True, bool), (None, str | None), ([1, 2], list[int]),
     ({"a": None}, dict[str, float | None]), ([["x", [1, "y"]]], list[list[str | list[str | float]]]),
     ({"a": {"b": [1]}}, dict[str, Any])],
)  # fmt: skip
def test_what_is_of_the_type_has_no_problem(value, declared):
    assert type_problem(value, declared, "x") is None


@pytest.mark.parametrize(
    ("value", "declared", "problem"),
    [
        (True, int, "x is True, but must be a whole number"),
        (1.5, int, "x is 1.5, but must be a whole number"),
        (None, str, "x is None, but must be text"),
        ({"a": ["b", 3]}, dict[str, list[str]], "x.a[1] is 3, but must be text"),
        ({"a": "b"}, dict[str, float] | None, "x.a is 'b', but must be a number"),
        ([], dict[str, float] | None, "x is [], but must be a mapping"),
    ],
)
def test_what_is_not_is_named_with_its_place(value, declared, problem):
    assert type_problem(value, declared, "x") == problem
