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
from typing import TYPE_CHECKING, Any, get_args, get_origin

from members.errors import BadInput, nearest
from members.recipe.recipe import Recipe
from members.training.metric import LOSS
from orchestrator.errors import WrongRequest, unknown
from orchestrator.spec import member_metrics
from orchestrator.spec.search import Distribution, Search, range_problem, samples
from orchestrator.spec.yaml_lines import Document, parse

if TYPE_CHECKING:
    from orchestrator.spec.reader import Reader
    from orchestrator.spec.spec import Spec

_AT = ("search", "space")
# NNI's _type -> ours, and the _value it takes (nni.readthedocs.io, "Search Space")
_NNI = {
    "choice": ("choice", "a list of values"),
    "uniform": ("uniform", "[low, high]"),
    "loguniform": ("log_uniform", "[low, high]"),
    "quniform": ("quniform", "[low, high, q]"),
    "randint": ("int_uniform", "[lower, upper], whole numbers, the upper one excluded"),
}
# in place of a wrong one, to find what else is wrong
_ANY_SPACE = {"weight_decay": {"choice": [0.01]}}
# what others call a key, where no spelling leads to ours
_THEIRS = {"criterion": "loss", "network": "model", "learning_rate": "lr", "resize": "image_size"}
# what a validation loss depends on: candidates that differ in it cannot be compared by their loss
_OF_THE_LOSS = ("loss", "smoothing", "focal_gamma", "class_weights")


def read(block: Any, reader: Reader) -> Any:
    """The block with its space inline, in our form and with recipes' keys; without `names`."""
    if not isinstance(block, dict) or "space" not in block:
        return block
    block = dict(block)
    names = _names(block.pop("names", None), reader)
    space = block["space"]
    if isinstance(space, str):
        space = _from_file(space, reader)
    if not isinstance(space, dict) or not space:
        reader.problem(_AT, f"a mapping of recipe key -> what to draw it from, got {space!r}")
        space = _ANY_SPACE
    return {**block, "space": _renamed(space, names, reader)}


def _names(given: Any, reader: Reader) -> dict[str, str]:
    path = ("search", "names")
    if given is None:
        return {}
    if not isinstance(given, dict):
        reader.problem(path, f"a mapping of their name -> recipe key, got {given!r}")
        return {}
    names = {theirs: str(ours) for theirs, ours in given.items()}
    for theirs, ours in names.items():
        if ours not in Recipe.model_fields:
            reader.problem((*path, theirs), unknown("recipe key", ours, Recipe.model_fields))
    return names


def _from_file(given: str, reader: Reader) -> Any:
    """What a file says, its lines known to `reader`; found from here, or from beside the spec."""
    folders = dict.fromkeys([Path(), Path(reader.name).parent])
    file = next((folder / given for folder in folders if (folder / given).is_file()), None)
    if file is None:
        others = [p.name for f in folders for p in (f / given).parent.glob("*.json")]
        near = nearest(given, [str(Path(given).with_name(name)) for name in others])
        looked = " or ".join(str(folder.absolute()) for folder in folders)
        reader.problem(_AT, f"there is no file {given!r} in {looked}.{near}")
        return _ANY_SPACE
    try:
        document = _document(file)
    except WrongRequest as error:
        reader.problems += error.problems
        return _ANY_SPACE
    reader.problems += document.problems
    for key in document.data:
        reader.elsewhere[(*_AT, key)] = f"{file}, line {document.line((key,))}"
    return document.data


def _document(file: Path) -> Document:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".json":
            json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise WrongRequest(f"{file} cannot be read as UTF-8 text: {error}.") from None
    except json.JSONDecodeError as error:
        where = f"{file}, line {error.lineno}, column {error.colno}"
        raise WrongRequest(f"{where}: not valid JSON: {error.msg}.") from None
    # JSON is YAML but for its tabs, which stand between tokens only; YAML knows the lines
    document = parse(text.replace("\t", " "), str(file))
    if not isinstance(document.data, dict) or not document.data:
        raise WrongRequest(f"{file}: a search space is a mapping of key -> what to draw it from.")
    return document


def _renamed(space: dict[str, Any], names: Mapping[str, str], reader: Reader) -> dict[str, Any]:
    """Under recipes' keys and in our form; what is wrong is told to `reader` and left out."""
    found: dict[str, Any] = {}
    theirs: dict[str, str] = {}
    for given, entry in space.items():
        key, path = names.get(given, given), (*_AT, given)
        if key in theirs:
            reader.problem(path, f"{theirs[key]!r} and {given!r} are both read as {key!r}")
            continue
        theirs[key] = given
        if given != key:  # messages about the key point at the line of their name
            reader.elsewhere[(*_AT, key)] = reader.where(path)
        if key not in Recipe.model_fields and given not in names:
            reader.problem(path, _unknown_key(given), "search.space")
        try:
            distribution = _ours(entry)
            if key == "metric":
                distribution = _canonical_metrics(distribution)
        except ValueError as error:
            reader.problem(path, str(error))
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
    ours = near.split("'")[1] if near else "KEY"
    return (
        f"unknown key {key!r}.{near} Where another team's file calls a recipe's key {key!r}, say "
        f"which with search.names, e.g. `names: {{{key}: {ours}}}`."
    )


def _ours(entry: Any) -> Any:
    """A distribution of either form in our own. Raises BadInput."""
    if not isinstance(entry, dict):
        values = entry if isinstance(entry, list) else [entry]
        raise BadInput(
            f"say how it is drawn: {', '.join(Distribution.model_fields)}, "
            f"e.g. {{choice: {values}}}; got {entry!r}"
        )
    if not any(str(key).startswith("_") for key in entry):
        return entry
    for key in entry:
        if key not in ("_type", "_value"):
            raise BadInput(unknown("key", key, ("_type", "_value")))
    if len(entry) != 2:
        raise BadInput(f"NNI's form has _type and _value, got {', '.join(entry)} only")
    kind, values = entry["_type"], entry["_value"]
    if str(kind) not in _NNI:
        raise BadInput(unknown("_type", kind, _NNI))
    own, takes = _NNI[kind]
    wrong = BadInput(f"{kind} takes _value: {takes}; got {values!r}")
    if not isinstance(values, list) or not values:
        raise wrong
    if kind == "choice":
        if any(isinstance(value, dict) and "_name" in value for value in values):
            raise BadInput(
                "a choice of spaces (_name) cannot be read; give each network a member and a "
                "search of its own"
            )
        return {own: values}
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != len(values) or len(values) != (3 if kind == "quniform" else 2):
        raise wrong
    if kind == "randint" and any(value != int(value) for value in values):
        raise wrong
    if problem := range_problem(kind, *values):
        raise BadInput(problem)
    if kind == "randint":
        low, high = int(values[0]), int(values[1]) - 1
        return {own: [low, high]} if low < high else {"choice": [low]}
    return {own: values}


# -- what only the whole spec can tell ---------------------------------------------------------


def check(spec: Spec, reader: Reader) -> None:
    """Tell `reader` every mistake of the search that its own values do not show."""
    search = spec.search
    if search is None:
        return
    names = [member.name for member in spec.members]
    for name in search.members:
        if name not in names:
            reader.problem(("search", "members"), unknown("member", name, names))
    searched = [name for name in search.members if name in names]
    _check_space(spec, searched, reader)
    for name in searched:
        epochs = spec.member(name).recipe.epochs
        if search.asha.grace_epochs > epochs:
            reader.problem(
                ("search", "asha", "grace_epochs"),
                f"{search.asha.grace_epochs} is more than the {epochs} epochs of "
                f"{name}: no candidate could ever be stopped",
            )
    _check_comparable(spec, searched, reader)
    counts = {"kfold": spec.folds.k, "holdout": 1, "balanced_holdout": 1, "all": 0}
    last = counts.get(spec.folds.scheme, search.fold + 1) - 1  # `own` folds: not known yet
    if last < 0:
        reader.problem(
            ("search",),
            "folds.scheme `all` leaves no validation part to compare "
            "candidates on. Use kfold or holdout, or leave the search out",
        )
    elif search.fold > last:
        reader.problem(("search", "fold"), f"there are folds 0 to {last}, got {search.fold}")


def _check_space(spec: Spec, searched: list[str], reader: Reader) -> None:
    """Every key can take every value that may be drawn, together with those of the others."""
    space = dict(spec.search.space)
    for key, distribution in spec.search.space.items():
        if distribution.size() is not None:
            continue
        kind, (low, high) = next(iter(distribution.model_dump(exclude_none=True).items()))
        if spec.search.sampler == "grid":
            middle = (low * high) ** 0.5 if kind == "log_uniform" else (low + high) / 2
            reader.problem(
                (*_AT, key),
                f"a grid cannot list every number of {kind}. Write which, e.g. "
                f"choice: [{low:g}, {middle:g}, {high:g}] or quniform: [low, high, step], or take "
                "sampler: random or tpe",
            )
        if _is_whole(key):
            reader.problem(
                (*_AT, key),
                f"{key} is a whole number, and {kind} draws others. Write int_uniform: "
                f"[{low:.0f}, {high:.0f}] (NNI: randint) or quniform: [low, high, step]",
            )
            del space[key]
    if not space:
        return
    before = len(reader.problems)
    for name in searched:
        base = spec.member(name).recipe.model_dump(mode="json")
        for settings in samples(space):
            reader.build(Recipe, {**base, **settings}, _AT, "search.space")
    reader.problems[before:] = dict.fromkeys(reader.problems[before:])


def _is_whole(key: str) -> bool:
    if key == "image_size":  # one number is a square
        return True
    annotation = Recipe.model_fields[key].annotation
    return get_origin(annotation) is not tuple and int in (annotation, *get_args(annotation))


def _check_comparable(spec: Spec, searched: list[str], reader: Reader) -> None:
    """Whoever competes is measured alike."""
    search: Search = spec.search
    if search.metric == LOSS.name and (drawn := [k for k in _OF_THE_LOSS if k in search.space]):
        reader.problem(
            ("search", "metric"),
            f"candidates that differ in {' and '.join(drawn)} cannot be compared by their loss. "
            "Use macro_f1 or accuracy",
        )
    judged = {spec.member(name).recipe.metric for name in searched} | (
        {"metric"} & search.space.keys()
    )
    if search.metric not in member_metrics.IN_EVERY_HISTORY and judged - {search.metric}:
        reader.problem(
            ("search", "metric"),
            f"the epochs of {' and '.join(searched)} are not scored by {search.metric}. Give the "
            f"searched members `metric: {search.metric}` too, or search by "
            f"{' or '.join(member_metrics.IN_EVERY_HISTORY)}",
        )
    if search.scope == "member":
        return
    members = [spec.member(name) for name in searched]
    path = ("search", "scope")
    if len({member.targets for member in members}) > 1:
        predicts = ", ".join(f"{m.name} {' and '.join(m.targets or ['all'])}" for m in members)
        reader.problem(
            path,
            f"members that compete must predict the same targets, but these do not: {predicts}. "
            "Use scope: member, or search fewer members",
        )
    settings = [
        member.recipe.model_dump(mode="json", include={*_OF_THE_LOSS}) for member in members
    ]
    if search.metric == LOSS.name and any(one != settings[0] for one in settings):
        reader.problem(
            path, "members with different losses cannot be compared by metric: loss. Use macro_f1"
        )
    for join in spec.join:
        for name in [name for name in join.of if name in searched]:
            reader.problem(
                path,
                f"{name} may be left out, but the join {join.name} needs it. Use scope: member, "
                f"or take {name} out of search.members",
            )
