"""Which of the shared folds a member trains: its key `folds`, alone and against the number of folds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from orchestrator.errors import counted

_WAYS = "Give a number, the first so many folds, or a list of folds, each once: 1, or [0, 2]"


def _checked(asked: Any) -> Any:
    """A whole number of at least 1, or different whole numbers of at least 0 in rising order."""
    given = _number(asked)
    if given is None or (_is_whole(given) and given >= 1):
        return given
    if isinstance(given, Sequence) and not isinstance(given, str):
        folds = list(map(_number, given))
        if folds and all(_is_whole(own) and own >= 0 for own in folds):
            if twice := sorted({own for own in folds if folds.count(own) > 1}):
                raise ValueError(
                    f"{', '.join(map(str, twice))} stands there twice, got {folds}. {_WAYS}"
                )
            return tuple(sorted(folds))
    raise ValueError(f"no folds, got {asked!r}. {_WAYS}")


def _number(given: Any) -> Any:
    """Numbers in quotes are taken, as by every key: a variable of the environment is text."""
    return int(given) if isinstance(given, str) and given.isdecimal() else given


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# A number: the first so many of the shared folds; a tuple: these; None: all of them.
FoldChoice = Annotated[
    Annotated[int, Field(ge=1)]
    | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    | None,
    BeforeValidator(_checked),
]


def folds_of(choice: int | tuple[int, ...] | None, n_folds: int) -> tuple[int, ...]:
    """The folds that a member trains, rising, of the `n_folds` that the spec has."""
    if choice is None:
        return tuple(range(n_folds))
    if isinstance(choice, int):
        return tuple(range(min(choice, n_folds)))
    return tuple(fold for fold in choice if fold < n_folds)


def choice_problem(choice: int | tuple[int, ...] | None, n_folds: int) -> str:
    """What is wrong with it where the spec has `n_folds`; empty where nothing is."""
    if choice is None:
        return ""
    there = (
        f"the spec has {counted(n_folds, 'fold')}, {'0' if n_folds == 1 else f'0 to {n_folds - 1}'}"
    )
    if isinstance(choice, int):
        return (
            f"{choice}, but {there}. Give 1{f' to {n_folds}' if n_folds > 1 else ''}"
            if choice > n_folds
            else ""
        )
    wrong = [str(fold) for fold in choice if fold >= n_folds]
    return f"there is no fold {' or '.join(wrong)}: {there}" if wrong else ""


def covers(choice: int | tuple[int, ...] | None, other: int | tuple[int, ...] | None) -> bool:
    """Whether every fold that `other` names is among those of `choice`; None is more than any choice."""
    if choice is None or other is None:
        return choice is None
    if isinstance(choice, int):
        return (other if isinstance(other, int) else max(other) + 1) <= choice
    if isinstance(other, int):
        return other <= len(choice) and choice[:other] == (*range(other),)
    return {*other} <= {*choice}


# -- where the networks of the other folds begin ------------------------------------------------------


def _source(given: Any) -> Any:
    if given is None or (isinstance(given, str) and _SOURCE.fullmatch(given)):
        return given
    raise ValueError(
        f"no fold, got {given!r}. Write which one the others start from: init_from: fold 0"
    )


_SOURCE = re.compile(r"fold (0|[1-9]\d*)")
# `fold 0`: the networks of the other folds start from that of this one.
InitFrom = Annotated[
    Annotated[str, Field(pattern=f"^{_SOURCE.pattern}$")] | None, BeforeValidator(_source)
]


def source_fold(init_from: str | None) -> int | None:
    return None if init_from is None else int(init_from.removeprefix("fold "))


def optimism(init_from: str) -> str:
    """What the OOF rows of a member with `init_from` cannot claim, after its name."""
    return (
        f"its networks started from that of {init_from}, which learnt the rows that the others hold out, so "
        "its OOF rows are better than they should be, and with them its scores and its weight"
    )
