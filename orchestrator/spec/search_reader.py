"""The `search:` block of a spec: its space in the project's words or in NNI's, and its mistakes.

space: {lr: {log_uniform: [1.0e-4, 1.0e-2]}}                # our own form
space: {lr: {_type: loguniform, _value: [0.0001, 0.01]}}    # NNI's
space: search_space.json                                    # a file in either
names: {criterion: loss}                                    # theirs -> a key of a recipe
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from members.errors import nearest
from members.files import kind_of
from members.recipe.recipe import Recipe
from orchestrator.errors import WrongRequest, unknown
from orchestrator.spec import member_metrics
from orchestrator.spec.mistakes import Mistakes
from orchestrator.spec.nni import ours
from orchestrator.spec.shipped import shipped
from orchestrator.spec.yaml_lines import Document, parse, read_text

_AT = ("search", "space")
# in place of a wrong one, to find what else is wrong
_ANY_SPACE = {"weight_decay": {"choice": [0.01]}}
# what others call a key, where no spelling leads to ours
_THEIRS = {"criterion": "loss", "network": "model", "learning_rate": "lr", "resize": "image_size"}


def read(block: Any, mistakes: Mistakes) -> Any:
    """The block with its space inline, in our form and with recipes' keys; without `names`."""
    if not isinstance(block, dict) or "space" not in block:
        return block
    block = dict(block)
    names = _names(block.pop("names", None), mistakes)
    space = block["space"]
    if isinstance(space, str):
        space = _from_file(space, mistakes)
    if not isinstance(space, dict) or not space:
        mistakes.add(_AT, f"a mapping of recipe key -> what to draw it from, got {space!r}")
        space = _ANY_SPACE
    return {**block, "space": _renamed(space, names, mistakes)}


def _names(given: Any, mistakes: Mistakes) -> dict[str, str]:
    path = ("search", "names")
    if given is None:
        return {}
    if not isinstance(given, dict):
        mistakes.add(path, f"a mapping of their name -> recipe key, got {given!r}")
        return {}
    names = {theirs: str(own) for theirs, own in given.items()}
    for theirs, own in names.items():
        if own not in Recipe.model_fields:
            mistakes.add((*path, theirs), unknown("recipe key", own, Recipe.model_fields))
    return names


def _from_file(given: str, mistakes: Mistakes) -> Any:
    """What a file holds, with its lines for `mistakes`; found from here, or from beside the spec."""
    folders = dict.fromkeys([Path(), Path(mistakes.name).parent])
    file = next((folder / given for folder in folders if kind_of(folder / given) == "file"), None)
    file = file or _that_comes_with_the_package(given)
    if file is None:
        others = [p.name for f in folders for p in (f / given).parent.glob("*.json")]
        near = nearest(given, [str(Path(given).with_name(name)) for name in others])
        looked = " or ".join(str(folder.absolute()) for folder in folders)
        mistakes.add(_AT, f"there is no file {given!r} in {looked}.{near}")
        return _ANY_SPACE
    try:
        document = _document(file)
    except WrongRequest as error:
        mistakes.problems += error.problems
        return _ANY_SPACE
    mistakes.problems += document.problems
    for key in document.data:
        mistakes.elsewhere[(*_AT, key)] = f"{file}, line {document.line((key,))}"
    return document.data


def _that_comes_with_the_package(given: str) -> Path | None:
    file = shipped(given)
    return file if kind_of(file) == "file" else None


def _document(file: Path) -> Document:
    text = read_text(file)
    try:
        if file.suffix == ".json":
            json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{file}, line {error.lineno}, column {error.colno}"
        raise WrongRequest(f"{where}: not valid JSON: {error.msg}.") from None
    except (ValueError, RecursionError):
        pass  # a number or a nest that is too large: the YAML parser says where
    # JSON is YAML but for its tabs, which stand between tokens only; the YAML parser keeps the lines
    document = parse(text.replace("\t", " "), str(file))
    if not isinstance(document.data, dict) or not document.data:
        raise WrongRequest(f"{file}: a search space is a mapping of key -> what to draw it from.")
    return document


def _renamed(space: dict[str, Any], names: Mapping[str, str], mistakes: Mistakes) -> dict[str, Any]:
    """Under recipes' keys and in our form; what is wrong goes to `mistakes` and is left out."""
    found: dict[str, Any] = {}
    theirs: dict[str, str] = {}
    for given, entry in space.items():
        key, path = names.get(given, given), (*_AT, given)
        if key in theirs:
            mistakes.add(path, f"{theirs[key]!r} and {given!r} are both read as {key!r}")
            continue
        theirs[key] = given
        if given != key:  # messages about the key point at the line of their name
            mistakes.elsewhere[(*_AT, key)] = mistakes.where(path)
        if key not in Recipe.model_fields and given not in names:
            mistakes.add(path, _unknown_key(given), "search.space")
        try:
            distribution = ours(entry)
            if key == "metric":
                distribution = _canonical_metrics(distribution)
        except ValueError as error:
            mistakes.add(path, str(error))
            continue
        if key in Recipe.model_fields:
            found[key] = distribution
    return found or _ANY_SPACE


def _canonical_metrics(distribution: dict[str, Any]) -> dict[str, Any]:
    """A choice of metrics by their canonical names. Raises ValueError."""
    choices = distribution.get("choice")
    if not isinstance(choices, list):
        return distribution
    return {"choice": [member_metrics.read(name) for name in choices]}


def _unknown_key(key: str) -> str:
    near = (
        f" Did you mean {_THEIRS[key]!r}?" if key in _THEIRS else nearest(key, Recipe.model_fields)
    )
    own = near.split("'")[1] if near else "KEY"
    return (
        f"unknown key {key!r}.{near} Where another team's file calls a recipe's key {key!r}, say "
        f"which with search.names, e.g. `names: {{{key}: {own}}}`."
    )
