"""Whether values that were read from JSON are of the types that are declared for them."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def type_problem(value: Any, declared: Any, at: str) -> str | None:
    """What is wrong where `value` is not of the type `declared`, else None.

    declared: text, numbers, bool, None, Any, list[...], dict[str, ...] and unions of them; a whole
    number is a float, too, and true is none of both. at: how the message calls the value.
    """
    if declared is Any:
        return None
    origin, inside = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        found = [type_problem(value, one, at) for one in inside]
        return None if None in found else _closest(value, inside, found)
    if declared in (None, types.NoneType):
        return None if value is None else f"{at} is {_shown(value)}, but must be null"
    if origin is list:
        if not isinstance(value, list):
            return f"{at} is {_shown(value)}, but must be a list"
        if _exact(inside[0]).issuperset(map(type, value)):
            return None
        return _first(type_problem(item, inside[0], f"{at}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            return f"{at} is {_shown(value)}, but must be a mapping"
        return _first(type_problem(v, inside[1], f"{at}.{key}") for key, v in value.items())
    allowed = (int, float) if declared is float else declared
    if isinstance(value, allowed) and (declared is bool or not isinstance(value, bool)):
        return None
    return f"{at} is {_shown(value)}, but must be {_NAMES[declared]}"


@functools.cache
def _exact(declared: Any) -> frozenset[type]:
    """Types whose values are of the declared one whatever they hold."""
    if get_origin(declared) in (Union, types.UnionType):
        return frozenset().union(*map(_exact, get_args(declared)))
    if declared in (None, types.NoneType):
        return frozenset([types.NoneType])
    return frozenset(
        [int, float] if declared is float else [declared] if declared in _NAMES else []
    )


def _closest(value: Any, declared: tuple[Any, ...], found: list[str | None]) -> str | None:
    """Of the problems with each of a union, the one of the same kind: it says what is wrong inside."""
    for one, problem in zip(declared, found, strict=True):
        if isinstance(value, get_origin(one) or ()):
            return problem
    return found[0]


def _first(problems: Any) -> str | None:
    return next((problem for problem in problems if problem), None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
