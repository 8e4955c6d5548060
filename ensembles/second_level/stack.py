"""From members' tables to a stack's own OOF and test table, which votes beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ensembles.errors import BadInput, nearest
from ensembles.files.align import align, compare_classes
from ensembles.files.table import OofTable, Table
from ensembles.judging.estimate import group_array
from ensembles.judging.steps import Progress
from ensembles.scores import metrics
from ensembles.second_level import trees
from ensembles.second_level.cross_fit import KINDS, CrossFit, cross_fit
from ensembles.second_level.features import features
from ensembles.second_level.logistic import Logistic

# Members times classes times classes: what a stacker has to fit, and what its time goes by.
MOST_NUMBERS = 250_000
COST = "milliseconds_per_photo"
INSTALL = f"pip install {trees.PACKAGE}"


@dataclass
class FittedStack:
    """A stack of members in an order, and how it was fitted. held_out: its OOF table's probabilities."""

    of: list[str]
    fit: CrossFit
    held_out: np.ndarray

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32 from the members' (M, N, K), in the order of `of`."""
        with threadpool_limits(1):
            return _rows(self.fit.predict(features(probabilities)))


@dataclass
class Stacked:
    """oof: each row predicted by a stacker that saw neither it nor its group. test: the mean of those
    stackers on the members' test tables; None where there are none. record: JSON values that say how
    they were fitted and how good the OOF table is.
    """

    oof: OofTable
    test: Table | None
    record: dict[str, Any]


def stack_table(
    oof: Mapping[str, Table],
    test: Mapping[str, Table] | None = None,
    kind: str = "logistic",
    *,
    name: str = "stack",
    groups: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Stacked:
    """Fit a second level to members' OOF tables by nested cross-fitting; its tables vote like any.

    oof: member -> table with fold and label. test: the same members' tables of the rows to predict.
    kind: "logistic" (`second_level.logistic`) or "lightgbm" (`second_level.trees`, which needs that
    package). name: what the tables call it. groups: image id -> group of every OOF row; without it,
    the tables' own `group`. Folds are those of the tables, at most five; where these are fewer than
    three (a hold-out), five drawn by group.

    The OOF rows and the classes of the result are the members'. The same tables give the same bits.
    Raises BadInput with every problem: an unknown kind, a package that is missing, tables that do not
    fit, groups that straddle folds, fewer than three folds or groups, more to fit than MOST_NUMBERS.
    """
    problems = kind_problems(kind)
    of_test = dict(test or {})
    if not oof:
        problems.append("a stack is made of one member or more, and there is no OOF table.")
    elif of_test and (without := sorted(oof.keys() ^ of_test.keys())):
        problems.append(
            f"a stack needs OOF and test tables of the same members; one is missing of: "
            f"{', '.join(without)}."
        )
    if problems:
        raise BadInput(problems)
    aligned = align(oof, "oof")
    names, first = list(aligned), next(iter(aligned.values()))
    problems = size_problems(len(names), first.n_classes)
    of_test = align({member: of_test[member] for member in names}) if of_test else {}
    for member, table in of_test.items():
        whose = f"member {member}'s test table"
        problems += compare_classes(whose, table, "its OOF table", aligned[member])
    if problems:
        raise BadInput(problems)
    fitted = _fitted(aligned, kind, groups, progress)
    predicted = fitted.predict(_probabilities(of_test)) if of_test else None
    meta = {key: value for key, value in first.meta.items() if key != COST}
    meta |= {"member": name, "stack": {"kind": kind, "of": names}, **_cost(aligned)}
    stacked = OofTable(first.ids, fitted.held_out, first.fold, first.label, meta, first.group)
    new = None
    if predicted is not None:
        one = of_test[names[0]]
        new = Table(one.ids, predicted, None, one.label, meta)
    return Stacked(stacked, new, _record(kind, names, fitted.fit, stacked))


def fit_stack(
    oof: Mapping[str, Table], kind: str, groups: Mapping[str, str] | None = None
) -> FittedStack:
    """The stackers of `stack_table`, which is told the same, for rows that come later.

    Raises BadInput as `stack_table`.
    """
    if problems := kind_problems(kind):
        raise BadInput(problems)
    return _fitted(align(oof, "oof"), kind, groups, None)


def _fitted(
    aligned: Mapping[str, OofTable],
    kind: str,
    groups: Mapping[str, str] | None,
    progress: Progress | None,
) -> FittedStack:
    first, of = next(iter(aligned.values())), group_array(aligned, groups)
    x = features(_probabilities(aligned))
    # numpy's own threads would add up in another order from machine to machine
    with threadpool_limits(1):
        fit = cross_fit(x, first.label, first.fold, of, KINDS[kind], progress)
        return FittedStack(list(aligned), fit, _rows(fit.held_out))


def kind_problems(kind: str) -> list[str]:
    """What is wrong with a kind: it is unknown, or its package is not installed here."""
    if kind not in KINDS:
        return [
            f"kind: {kind!r}, but must be one of {', '.join(KINDS)}.{nearest(str(kind), KINDS)}"
        ]
    if kind == trees.PACKAGE and not trees.is_installed():
        return [
            f"kind: {kind} needs the package {trees.PACKAGE}, which is not installed. Install it, "
            f"`{INSTALL}`, or take kind: logistic."
        ]
    return []


def size_problems(n_members: int, n_classes: int) -> list[str]:
    """What is wrong with a stack of so many members of so many classes."""
    if n_classes < 2:
        return ["a stack needs two classes or more to tell apart."]
    if (numbers := n_members * n_classes**2) > MOST_NUMBERS:
        return [
            f"a stack of {n_members} members of {n_classes} classes has {numbers:,} numbers to fit, "
            f"and at most {MOST_NUMBERS:,} are. Take fewer members, or let them vote without it."
        ]
    return []


def _probabilities(tables: Mapping[str, Table]) -> np.ndarray:
    return np.stack([table.probabilities for table in tables.values()])


def _rows(probabilities: np.ndarray) -> np.ndarray:
    return (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)


def _cost(tables: Mapping[str, Table]) -> dict[str, float]:
    """A new photograph takes what its members take, where that is known of all."""
    costs = [table.meta.get(COST) for table in tables.values()]
    known = [float(cost) for cost in costs if isinstance(cost, int | float) and cost > 0]
    return {COST: sum(known)} if len(known) == len(costs) else {}


def _record(kind: str, names: Sequence[str], fit: CrossFit, oof: OofTable) -> dict[str, Any]:
    record: dict[str, Any] = {
        "kind": kind,
        "of": list(names),
        "folds": len(fit.stackers),
        "folds_drawn": len(np.unique(oof.fold)) < 3,
        # of JSON, which knows no infinity: null is the pool alone
        KINDS[kind].setting: [None if np.isinf(own) else own for own in fit.chosen],
        "oof": metrics.score_all(oof.label, oof.probabilities),
    }
    pools = [
        own if isinstance(own, Logistic) else getattr(own, "pool", None) for own in fit.stackers
    ]
    weights = np.mean([pool.weights for pool in pools if pool is not None], axis=0)
    record["pool_weights"] = dict(zip(names, weights.tolist(), strict=True))
    return record
