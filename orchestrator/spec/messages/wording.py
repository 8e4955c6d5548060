"""Pydantic's mistakes in the words of a spec: keys as they were written, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from itertools import groupby
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from members.errors import nearest
from orchestrator.spec.messages.pointers import unknown_key
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member, Spec

# what a value should have been, by pydantic's names of mistakes
_KINDS = {
    "string_type": "a text",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
}
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")  # of a model, a dataclass

# keys that are read and taken out before the model is built
_GONE_BEFORE: dict[type, tuple[str, ...]] = {Spec: ("defaults", "small"), Search: ("names",)}

# what a model has and no file: made of other keys
_MADE: dict[type, tuple[str, ...]] = {Spec: ("stacks",), Member: ("teachers",)}


class Said(NamedTuple):
    """One mistake. at: the keys that lead to it; block: those that its text does not name itself."""

    at: tuple
    block: tuple
    text: str


class _Found(NamedTuple):
    at: tuple  # as it was written
    branch: Any  # which of the kinds that a value may have pydantic tried; None: it has one
    of: tuple  # the value that has several kinds, at or above `at`
    mistake: ErrorDetails

    def is_of_another_kind(self) -> bool:
        return self.at == self.of and (
            self.mistake["type"] in _KINDS or self.mistake["type"] == "literal_error"
        )


def said(mistakes: Iterable[ErrorDetails], values: dict, model: type[BaseModel]) -> list[Said]:
    """The mistakes of `model(**values)`, each once.

    Of a value that may be of several kinds pydantic tries each and tells of all. Here it is the kind that was
    written, or, where it is none of them, which there are.
    """
    found = [_found(mistake, values) for mistake in mistakes if not _is_echo(mistake)]
    result: list[Said] = []
    for (of, several), group in groupby(found, key=lambda own: (own.of, own.branch is not None)):
        together = list(group)
        tried = {own.branch for own in together if own.is_of_another_kind()} if several else set()
        meant = [own for own in together if own.branch not in tried]
        if meant:
            result += [_said(own, model, together) for own in meant]
        else:
            allowed = dict.fromkeys(_kind(own.mistake, model, of) for own in together)
            given = together[0].mistake["input"]
            result.append(Said(of, of, f"got {given!r}. Allowed: {', or '.join(allowed)}."))
    return list(dict.fromkeys(result))


def _is_echo(mistake: ErrorDetails) -> bool:
    """That a list is too short, which is so without its wrong items only."""
    return mistake["type"] == "too_short" and len(mistake["input"]) >= mistake["ctx"]["min_length"]


def _lacks_item(mistake: ErrorDetails) -> bool:
    """That a list of a certain length is shorter, one mistake for each item."""
    return mistake["type"] == "missing" and isinstance(mistake["loc"][-1], int)


def _found(mistake: ErrorDetails, values: Any) -> _Found:
    """A mistake at the keys and list items that stand in `values`.

    Pydantic's own way to it holds besides what it tried, and places in lists that were made of one value.
    """
    loc = mistake["loc"]
    at: list[Any] = []
    branch, of, value = None, None, values
    for i, part in enumerate(loc):
        if _has(value, part):
            value = value[part]
        elif i == len(loc) - 1 and _lacks_item(mistake):
            break
        elif mistake["type"] != "missing" or i < len(loc) - 1:
            if branch is None:
                branch, of = part, tuple(at)
            continue
        at.append(part)
    return _Found(tuple(at), branch, tuple(at) if of is None else of, mistake)


def _has(value: Any, part: Any) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _said(own: _Found, model: type[BaseModel], others: list[_Found]) -> Said:
    """One mistake in the project's words. others: of the same value."""
    at, mistake = own.at, own.mistake
    kind, given = mistake["type"], mistake["input"]
    context = mistake.get("ctx", {})
    shown = "" if kind == "value_error" else f", got {given!r}"
    block = at
    if kind in _UNKNOWN_KEY:
        block, text = at[:-1], unknown_key(at[-1], keys(model, at[:-1]))
    elif _lacks_item(mistake):
        missing = [one.mistake for one in others if one.at == at and _lacks_item(one.mistake)]
        text = f"a list of {1 + max(int(one['loc'][-1]) for one in missing)}{shown}"
    elif kind == "missing":
        block, text = at[:-1], f"the key {at[-1]!r} is missing"
    elif kind == "literal_error":
        names = [n.strip("' ") for n in context["expected"].replace(" or ", ",").split(",")]
        text = f"got {given!r}.{nearest(given, names)} Allowed: {context['expected']}."
    elif kind in _KINDS:
        text = f"got {given!r}. Allowed: {_kind(mistake, model, at)}."
    elif kind == "too_long":
        text = f"a list of {context['max_length']} at most{shown}"
    elif kind == "too_short":
        text = f"a list of {context['min_length']} or more{shown}"
    elif kind == "string_pattern_mismatch":
        text = (
            f"got {given!r}. A name becomes a folder: letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit."
        )
    else:
        message = mistake["msg"].removeprefix("Value error, ")
        text = f"{message[0].lower() + message[1:]}{shown}"
    return Said(at, block, text)


def _kind(mistake: ErrorDetails, model: type[BaseModel], at: tuple) -> str:
    """The kind of value that is allowed where `mistake` is that another was given."""
    if mistake["type"] == "literal_error":
        return mistake["ctx"]["expected"]
    kind = _KINDS[mistake["type"]]
    if mistake["type"] in ("model_type", "model_attributes_type", "dataclass_type"):
        return f"{kind} with keys of {', '.join(keys(model, at))}"
    return kind


def keys(model: type[BaseModel], loc: tuple = ()) -> list[str]:
    """The keys that a file may have in the block of `model` that `loc` leads to."""
    block: type = model
    for part in loc:
        inner: list[Any] = []
        if isinstance(part, str) and issubclass(block, BaseModel) and part in block.model_fields:
            inner = _arguments(block.model_fields[part].annotation)
        block = next((type_ for type_ in inner if _has_keys(type_)), block)
    if is_dataclass(block):
        return [own.name for own in fields(block)]
    assert issubclass(block, BaseModel)
    own = [key for key in block.model_fields if key not in _MADE.get(block, ())]
    return [*own, *_GONE_BEFORE.get(block, ())]


def _has_keys(annotation: Any) -> bool:
    # an Annotated has the attributes of its class and is none
    return isinstance(annotation, type) and (
        is_dataclass(annotation) or hasattr(annotation, "model_fields")
    )


def _arguments(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(a for i in inner for a in _arguments(i))]
