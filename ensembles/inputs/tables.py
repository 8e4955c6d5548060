"""Members' probabilities and labels as any caller has them, to arrays in one order, or refused.

Used by `VoteClassifier` and by `fit_weights` alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.rounding import rescale
from ensembles.inputs.columns import class_order, plain, text_order_misleads
from ensembles.inputs.frames import Given, given, numbers
from ensembles.inputs.rows import row_orders

# What has `columns` and `to_numpy`, as frames of pandas and polars do, or (N, K) numbers.
Members = Mapping[str, Any] | Sequence[Any] | np.ndarray
MOST_CLASSES = np.iinfo(np.int16).max


@dataclass
class Labelled:
    """members: name -> (N, K) float32. classes: (K,). labels: (N,) int. others: name -> (N,) what was
    given beside y. columns: name -> the names of its columns, None of an array's. notes: of reading.
    """

    members: dict[str, np.ndarray]
    classes: np.ndarray
    labels: np.ndarray
    others: dict[str, np.ndarray] = field(default_factory=dict)
    columns: dict[str, list[Any] | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def labelled(
    tables: Members, y: Any, others: Mapping[str, Any] | None = None, numbered: bool = False
) -> Labelled:
    """Members' out-of-fold probabilities with y, (N,) labels, and `others`, (N,) each or None.

    numbered: whether y are the numbers 0 to K-1 of classes, of any names. Raises BadInput with every
    problem.
    """
    members, labels = _members(tables), given(y, "y")
    beside = {n: given(own, n) for n, own in (others or {}).items() if own is not None}
    problems = _label_problems(labels)
    n_rows, n_classes = len(labels), next(iter(members.values())).values.shape[1]
    problems += _shape_problems(members, n_rows, n_classes)
    for name, own in beside.items():
        if own.values.ndim != 1:
            problems.append(f"{name}: shape {own.values.shape}, but must be ({n_rows},).")
        elif len(own) != n_rows:
            problems.append(f"{name}: {len(own)} rows, but y has {n_rows}.")
        elif missing := _missing(own.values):
            problems.append(
                f"{name}: {len(missing)} of {n_rows} are missing, the first in row {missing[0]}."
            )
    if problems:
        raise BadInput(problems)
    if n_classes > MOST_CLASSES:
        raise BadInput(f"{n_classes} classes, but no more than {MOST_CLASSES} can be voted on.")
    if numbered:
        classes, codes = np.arange(n_classes), _class_numbers(labels.values, n_classes)
    else:
        classes, codes = _classes(labels, members, n_classes)
    misleads = text_order_misleads(classes.tolist(), labels.categories)
    orders, problems = row_orders(_titled(members), beside, labels)
    arrays, more, notes = _in_order(members, orders, classes.tolist(), misleads)
    if problems + more:
        raise BadInput(problems + more)
    return Labelled(
        arrays,
        classes,
        codes,
        {name: _taken(own.values, orders[name]) for name, own in beside.items()},
        {name: own.columns for name, own in members.items()},
        notes,
    )


def unlabelled(
    tables: Members,
    names: Sequence[str],
    classes: np.ndarray,
    columns: Mapping[str, list[Any] | None],
    y: Any = None,
) -> dict[str, np.ndarray]:
    """The fitted members' probabilities of other rows, in y's order or else that of the first with
    an index. names, columns: as fitted. Raises BadInput.
    """
    members = _members(tables)
    if isinstance(tables, Mapping):
        if set(members) != set(names):
            raise BadInput(
                f"members {', '.join(members)}, but fitted were {', '.join(names)}. Give the same."
            )
    elif len(members) != len(names):
        raise BadInput(f"{len(members)} members, but {len(names)} were fitted.")
    else:
        members = dict(zip(names, members.values(), strict=True))
    target = None if y is None else given(y, "y")
    n_rows = len(next(iter(members.values())) if target is None else target)
    problems = [] if target is None else _label_problems(target)
    problems += _shape_problems(members, n_rows, len(classes))
    if problems:
        raise BadInput(problems)
    for name, own in members.items():
        fitted = columns.get(name)
        if own.columns is None and fitted and list(map(plain, fitted)) != list(map(plain, classes)):
            in_order, _ = class_order(name, fitted, classes.tolist(), None)
            if in_order is not None:
                problems.append(
                    f"member {name}: an array, but fitted was a frame whose columns are in another "
                    "order than the classes. Give a frame with its columns' names."
                )
    misleads = text_order_misleads(classes.tolist(), None)
    orders, more = row_orders(_titled(members), {}, target)
    arrays, wrong, _ = _in_order(members, orders, classes.tolist(), misleads)
    if problems + more + wrong:
        raise BadInput(problems + more + wrong)
    return {name: arrays[name] for name in names}


def _members(tables: Members) -> dict[str, Given]:
    """Name -> (N, K) as given."""
    if isinstance(tables, Mapping):
        named = {str(name): own for name, own in tables.items()}
        if len(named) < len(tables):
            raise BadInput("two members of one name: names are text, and each stands once.")
    else:
        if hasattr(tables, "columns") or isinstance(tables, str):
            raise BadInput(
                f"members: one {type(tables).__name__}, but must be a dict of name and (rows, "
                "classes), a list of these, or an array (members, rows, classes)."
            )
        whole = given(tables, "probabilities") if hasattr(tables, "ndim") else None
        if whole is not None and whole.values.ndim != 3:
            raise BadInput(
                f"probabilities have shape {whole.values.shape}, but must be (members, rows, "
                "classes), or a dict or list of (rows, classes)."
            )
        try:
            named = {f"member_{j}": own for j, own in enumerate(tables)}
        except TypeError:
            raise BadInput(
                f"members: {type(tables).__name__}, but must be a dict or list of (rows, classes)."
            ) from None
    if not named:
        raise BadInput("no members to vote: give at least one.")
    members = {name: given(own, f"member {name}") for name, own in named.items()}
    if flat := [n for n, own in members.items() if own.values.ndim != 2 or not own.values.shape[1]]:
        shapes = ", ".join(f"{name} {members[name].values.shape}" for name in flat[:3])
        raise BadInput(f"not (rows, classes): {shapes}.")
    return members


def _titled(members: Mapping[str, Given]) -> dict[str, Given]:
    return {f"member {name}": own for name, own in members.items()}


def _shape_problems(members: Mapping[str, Given], n_rows: int, n_classes: int) -> list[str]:
    if not n_rows:
        return ["no rows: give at least one."]
    problems = [
        f"member {name}: shape {own.values.shape}, but must be ({n_rows}, {n_classes})."
        for name, own in members.items()
        if own.values.shape != (n_rows, n_classes)
    ]
    return problems


def _in_order(
    members: Mapping[str, Given],
    orders: Mapping[str, np.ndarray | None],
    classes: Sequence[Any],
    misleads: str | None,
) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """(N, K) float32 probabilities by member, what is wrong with them, and notes."""
    found, problems, notes = {}, [], []
    for name, own in members.items():
        title = f"member {name}"
        columns, wrong = class_order(title, own.columns, classes, misleads)
        try:
            values = numbers(own, title)
        except BadInput as error:
            problems += wrong + error.problems
            continue
        wrong += value_problems(title, values)
        if not wrong:
            rescaled = rescale(values)
            notes += [f"{title}: {note}" for note in rescaled.notes]
            wrong += rescaled.problems(title, np.arange(len(values)))
            ordered = _taken(rescaled.probabilities, orders[title])
            found[name] = ordered if columns is None else np.ascontiguousarray(ordered[:, columns])
        problems += wrong
    return found, list(dict.fromkeys(problems)), notes


def value_problems(title: str, values: np.ndarray) -> list[str]:
    """A text where these (N, K) are no probabilities; that rows sum to 1 is `rounding`'s matter."""
    if not np.isfinite(values).all():
        if (values <= 0).all() and (values == -np.inf).any() and not np.isnan(values).any():
            return [f"{title}: log-probabilities. Give probabilities: np.exp of these."]
        row = int((~np.isfinite(values)).any(axis=1).argmax())
        return [
            f"{title}: NaN, infinite or negative values, the first in row {row}. Give probabilities."
        ]
    sums = values.sum(axis=1, dtype=np.float64)
    if values.min() < -1e-6:
        with np.errstate(over="ignore"):
            logs = (values <= 0).all() and np.allclose(
                np.exp(values.astype(float)).sum(axis=1), 1, atol=0.01
            )
        if logs:
            return [f"{title}: log-probabilities. Give probabilities: np.exp of these."]
        row = int((values < -1e-6).any(axis=1).argmax())
        return [
            f"{title}: NaN, infinite or negative values, the first in row {row}. Give probabilities "
            "(a softmax's output), not logits."
        ]
    if values.shape[1] > 1 and np.allclose(sums, 100, atol=1):
        return [f"{title}: percentages, rows sum to 100. Divide them by 100."]
    if (wrong := ~(abs(sums - 1) <= 0.5)).any() or values.max() > 1 + 1e-6:
        row = int(wrong.argmax()) if wrong.any() else int((values > 1 + 1e-6).any(axis=1).argmax())
        return [
            f"{title}: {max(int(wrong.sum()), 1)} rows do not sum to 1, the first is row {row}. Give "
            "probabilities, not scores."
        ]
    return []


def _taken(values: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    return values if order is None else values[order]


def _label_problems(y: Given) -> list[str]:
    values = y.values
    if values.ndim != 1:
        text = f"y: shape {values.shape}, but must be (N,)."
        if values.ndim == 2 and values.shape[1] == 1:
            text += " Give y.ravel(), or one column of the frame."
        elif values.ndim == 2 and values.dtype.kind in "biuf" and (values.sum(axis=1) == 1).all():
            text += " Of one-hot labels give the classes: y.argmax(axis=1), of a frame y.idxmax(axis=1)."
        return [text]
    if missing := _missing(values):
        return [
            f"y: {len(missing)} of {len(values)} labels are missing (NaN or None), the first in row "
            f"{missing[0]}. Leave those rows out, everywhere."
        ]
    return []


def _missing(values: np.ndarray) -> list[int]:
    """Rows of NaN, None, NaT or pandas' NA, or of the text that numpy makes of a NaN among words."""
    if values.dtype.kind in "fc":
        return np.flatnonzero(np.isnan(values)).tolist()
    if values.dtype.kind in "mM":
        return np.flatnonzero(np.isnat(values)).tolist()
    if values.dtype.kind in "US":
        return np.flatnonzero(values == np.array("nan").astype(values.dtype)).tolist()
    if values.dtype != object:
        return []
    kinds = ("NAType", "NaTType")
    return [
        row
        for row, value in enumerate(values)
        if value is None
        or type(value).__name__ in kinds
        or (isinstance(value, float | np.floating) and value != value)
    ]


def _class_numbers(y: np.ndarray, n_classes: int) -> np.ndarray:
    """(N,) int of numbers 0 to K-1. Raises BadInput."""
    if y.dtype == object:
        y = np.array(y.tolist())
    if y.dtype.kind not in "biuf" or (y.dtype.kind == "f" and (y != np.rint(y)).any()):
        raise BadInput(f"labels: {y.dtype}, but must be whole numbers 0 to {n_classes - 1}.")
    if (outside := np.flatnonzero((y < 0) | (y >= n_classes))).size:
        raise BadInput(
            f"labels: outside 0..{n_classes - 1} in {len(outside)} rows, the first is row {outside[0]} "
            f"with {y[outside[0]]}. The members have {n_classes} classes."
        )
    return y.astype(np.intp)


def _classes(
    y: Given, members: Mapping[str, Given], n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The K classes and (N,) numbers of the labels. Labels 0..K-1, or those that are the names of
    columns, may lack some of them.
    """
    values = y.values
    try:
        found, labels = np.unique(values, return_inverse=True)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values})
        raise BadInput(f"y: labels of several types, {', '.join(kinds)}. Give one.") from None
    if len(found) == n_classes:
        return found, labels
    if len(found) < n_classes and (named := _named_classes(found, members)) is not None:
        return named, np.searchsorted(named, values)
    whole = (
        np.issubdtype(values.dtype, np.integer) and values.min() >= 0 and values.max() < n_classes
    )
    if whole:
        return np.arange(n_classes), values.astype(np.intp)
    text = (
        f"y has {len(found)} different labels, but the members have {n_classes} classes. Give numbers "
        "0 to K-1 where some class does not occur."
    )
    if n_classes == 1:
        text += " Of one column of the positive class give both: 1 - p and p."
    raise BadInput(text)


def _named_classes(found: np.ndarray, members: Mapping[str, Given]) -> np.ndarray | None:
    """(K,) sorted, the labels and those columns of the first frame that none has; None where its
    columns are not such.
    """
    columns = next((own.columns for own in members.values() if own.columns is not None), None)
    if columns is None:
        return None
    names = {plain(column): column for column in columns}
    if len(names) < len(columns) or not set(map(plain, found)) <= set(names):
        return None
    kind = {"i": int, "u": int, "f": float, "U": str}.get(found.dtype.kind)
    if found.dtype == object and all(isinstance(label, str) for label in found):
        kind = str
    if kind is None:
        return None
    here = set(map(plain, found))
    try:
        absent = [kind(str(own)) for text, own in names.items() if text not in here]
    except ValueError:
        return None
    return np.sort(np.array([*found.tolist(), *absent], object if kind is str else found.dtype))
