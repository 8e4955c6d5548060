"""A key's distribution in NNI's form, `{_type: loguniform, _value: [0.0001, 0.01]}`, in ours."""

from __future__ import annotations

from typing import Any

from members.errors import BadInput
from orchestrator.errors import unknown
from orchestrator.spec.search import Distribution, range_problem

# NNI's _type -> ours, and the _value it takes (nni.readthedocs.io, "Search Space")
NNI = {
    "choice": ("choice", "a list of values"),
    "uniform": ("uniform", "[low, high]"),
    "loguniform": ("log_uniform", "[low, high]"),
    "quniform": ("quniform", "[low, high, q]"),
    "randint": ("int_uniform", "[lower, upper], whole numbers, the upper one excluded"),
}


def ours(entry: Any) -> Any:
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
    if str(kind) not in NNI:
        raise BadInput(unknown("_type", kind, NNI))
    own, takes = NNI[kind]
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
