"""Values that are what was written, taken as they are: texts, paths, words to choose from, no value at all.

For every option, given or not, Typer builds a validator by pydantic, whose import and schemas take a
tenth of a second. Commands of these classes ask it only where a value is to become a number or is wrong.
"""

from __future__ import annotations

import functools
import os
import typing
from pathlib import Path
from typing import Any, Literal

from typer.core import TyperCommand, TyperGroup

_TYPERS_OWN = object()


class PlainCommand(TyperCommand):
    """A command whose options take what is plain as it is."""

    # Any: Typer gives the types of its contexts and options no public names
    def get_params(self, ctx: Any) -> list[Any]:
        return [_with_plain_values(own) for own in super().get_params(ctx)]


class PlainGroup(TyperGroup):
    """As `PlainCommand`, of the options of all commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_with_plain_values(own) for own in super().get_params(ctx)]


def _with_plain_values(param: Any) -> Any:
    if "process_value" not in vars(param):
        param.process_value = functools.partial(_process, param, param.process_value)
    return param


def _process(param: Any, typers_own: Any, ctx: Any, value: Any) -> Any:
    """What Typer's `process_value` of the option returns."""
    found = plain_value(param, value)
    if found is _TYPERS_OWN or (param.required and param.value_is_missing(found)):
        return typers_own(ctx, value)
    return found if param.callback is None else param.callback(ctx, param, found)


def plain_value(param: Any, value: Any) -> Any:
    """The value as the option's type, or a mark of this file where Typer has to see to it."""
    of_option = getattr(param, "type_descriptor", None)  # of Typer 0.29; others see to all
    if of_option is None or of_option.is_file:
        return _TYPERS_OWN
    several = param.multiple or param.nargs == -1
    if value is None:
        return () if several else None
    info, annotation = of_option.parameter_info, of_option.annotation
    if info.parser is not None:
        return _TYPERS_OWN
    if not several:
        return _one(annotation, info, value)
    if typing.get_origin(annotation) is not list or not isinstance(value, list | tuple):
        return _TYPERS_OWN
    found = [_one(typing.get_args(annotation)[0], info, own) for own in value]
    return _TYPERS_OWN if any(own is _TYPERS_OWN for own in found) else found


def _one(annotation: Any, info: Any, value: Any) -> Any:
    if not isinstance(value, str):
        # a default, or what a flag means
        return value if type(value) is annotation is bool else _TYPERS_OWN
    if annotation is str:
        return value
    if typing.get_origin(annotation) is Literal:
        return value if value in typing.get_args(annotation) else _TYPERS_OWN
    if annotation is Path and _any_place(info):
        # what is there and cannot be read, Typer refuses
        return (
            Path(value) if os.access(value, os.R_OK) or not os.path.lexists(value) else _TYPERS_OWN
        )
    return _TYPERS_OWN


def _any_place(info: Any) -> bool:
    """Whether an option takes a path whatever is there, as long as it can be read."""
    asked = info.exists or info.writable or info.resolve_path or info.allow_dash or info.path_type
    return not asked and info.file_okay and info.dir_okay
