"""The vote as a class of scikit-learn's shape: fit, predict, predict_proba, get_params."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.rounding import ROW_SUM_TOLERANCE
from ensembles.files.table import OofTable
from ensembles.judging.estimate import draw_folds
from ensembles.voting.cast import cast
from ensembles.voting.request import Mode, Pool, VoteRequest

Members = Mapping[str, np.ndarray] | Sequence[np.ndarray] | np.ndarray


class VoteClassifier:
    """Combines members' out-of-fold probabilities; predicts from their probabilities elsewhere.

    The parameters are the fields of `VoteRequest`. After `fit`: `classes_` (K,), `members_` (names),
    `weights_` (M,), `vote_` (a `Vote`: estimate, reasons, candidates), `n_members_`.
    """

    def __init__(
        self,
        mode: Mode = "weighted",
        objective: str | None = None,
        pool: Pool | None = None,
        offsets: bool = False,
        temperature: bool = False,
        ridge: float | None = None,
        negative: bool = False,
        top: int | None = None,
        weights: Mapping[str, float] | None = None,
    ):
        self.mode = mode
        self.objective = objective
        self.pool = pool
        self.offsets = offsets
        self.temperature = temperature
        self.ridge = ridge
        self.negative = negative
        self.top = top
        self.weights = weights

    def fit(
        self,
        tables: Members,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        folds: np.ndarray | None = None,
    ) -> VoteClassifier:
        """tables: member -> (N, K) out-of-fold probabilities, or a list or an (M, N, K) array of
        them, columns in the order of the sorted labels. y: (N,) labels of any type. groups: (N,)
        what errs together. folds: (N,), five drawn by group where they are not given.

        Raises BadInput with every problem.
        """
        members = _as_members(tables)
        y = np.asarray(y)
        n_rows = len(y)
        first = next(iter(members.values()))
        problems = [] if y.ndim == 1 else [f"y: shape {y.shape}, but must be (N,)."]
        problems += _shape_problems(members, n_rows, first.shape[1])
        for name, given in (("groups", groups), ("folds", folds)):
            if given is not None and len(given) != n_rows:
                problems.append(f"{name}: {len(given)} rows, but y has {n_rows}.")
        if problems:
            raise BadInput(problems)
        self.classes_, labels = _classes(y, first.shape[1])
        groups = None if groups is None else np.asarray(groups)
        folds = (
            draw_folds(n_rows, groups)
            if folds is None
            else np.unique(folds, return_inverse=True)[1]
        )
        ids = np.array([str(i) for i in range(n_rows)], object)
        oof = {
            name: OofTable(ids, own, folds.astype(np.int16), labels.astype(np.int16))
            for name, own in members.items()
        }
        group_of = None if groups is None else dict(zip(ids, map(str, groups), strict=True))
        request = VoteRequest(**self.get_params())
        self.vote_ = cast(oof, None, request, groups=group_of)
        self.members_ = list(members)
        self.n_members_ = len(members)
        self.weights_ = np.array(list(self.vote_.weights.values()))
        return self

    def predict_proba(self, tables: Members) -> np.ndarray:
        """(N, K) float32 from the same members' probabilities of other rows."""
        if not hasattr(self, "vote_"):
            raise _not_fitted(self)
        members = _as_members(tables)
        if isinstance(tables, Mapping):
            if set(members) != set(self.members_):
                raise BadInput(
                    f"members {', '.join(members)}, but fitted were {', '.join(self.members_)}. "
                    "Give the same."
                )
            members = {name: members[name] for name in self.members_}
        elif len(members) != self.n_members_:
            raise BadInput(f"{len(members)} members, but {self.n_members_} were fitted.")
        n_rows = len(next(iter(members.values())))
        if problems := _shape_problems(members, n_rows, len(self.classes_)):
            raise BadInput(problems)
        return self.vote_.rule.apply(np.stack(list(members.values())))

    def predict(self, tables: Members) -> np.ndarray:
        """(N,) of `classes_`."""
        chosen = self.predict_proba(tables).argmax(axis=1)
        return self.classes_[chosen]

    def score(self, tables: Members, y: np.ndarray) -> float:
        """Accuracy."""
        return float(np.mean(self.predict(tables) == np.asarray(y)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> VoteClassifier:
        for name, value in params.items():
            if name not in _PARAMETERS:
                raise ValueError(f"no parameter {name!r}; there are {', '.join(_PARAMETERS)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = type(self)().get_params()
        changed = {n: v for n, v in self.get_params().items() if v != defaults[n]}
        return f"VoteClassifier({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, three_d_array=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "vote_")


_PARAMETERS = tuple(VoteClassifier.__init__.__annotations__)


def _as_members(tables: Members) -> dict[str, np.ndarray]:
    """Name -> (N, K) float32."""
    if isinstance(tables, Mapping):
        named = dict(tables)
    else:
        if isinstance(tables, np.ndarray) and tables.ndim != 3:
            raise BadInput(
                f"probabilities have shape {tables.shape}, but must be (members, rows, classes), or "
                "a dict or list of (rows, classes)."
            )
        named = {f"member_{j}": own for j, own in enumerate(tables)}
    if not named:
        raise BadInput("no members to vote: give at least one.")
    members = {str(name): np.asarray(own, np.float32) for name, own in named.items()}
    if flat := [name for name, own in members.items() if own.ndim != 2 or not own.shape[1]]:
        shapes = ", ".join(f"{name} {members[name].shape}" for name in flat[:3])
        raise BadInput(f"not (rows, classes): {shapes}.")
    return members


def _shape_problems(members: dict[str, np.ndarray], n_rows: int, n_classes: int) -> list[str]:
    problems = []
    for name, own in members.items():
        if own.shape != (n_rows, n_classes):
            problems.append(
                f"member {name}: shape {own.shape}, but must be ({n_rows}, {n_classes})."
            )
        elif not (np.isfinite(own).all() and own.min(initial=0) >= 0):
            problems.append(f"member {name}: NaN, infinite or negative values. Give probabilities.")
        elif (off := abs(own.sum(axis=1, dtype=float) - 1) > ROW_SUM_TOLERANCE).any():
            problems.append(
                f"member {name}: {off.sum()} rows do not sum to 1, the first is row "
                f"{off.argmax()}. Give probabilities, not scores."
            )
    return problems


def _classes(y: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The K classes and (N,) numbers of the labels. Labels 0..K-1 may lack some of them."""
    found, labels = np.unique(y, return_inverse=True)
    if len(found) == n_classes:
        return found, labels
    whole = np.issubdtype(y.dtype, np.integer) and len(y) and y.min() >= 0 and y.max() < n_classes
    if whole:
        return np.arange(n_classes), y.astype(np.intp)
    raise BadInput(
        f"y has {len(found)} different labels, but the members have {n_classes} classes. Give "
        "numbers 0 to K-1 where some class does not occur."
    )


def _not_fitted(estimator: VoteClassifier) -> Exception:
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return RuntimeError(f"{estimator!r} is not fitted: call fit first.")
    return NotFittedError(f"{estimator!r} is not fitted: call fit first.")
