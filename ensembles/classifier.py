"""The vote as a class of scikit-learn's shape: fit, predict, predict_proba, get_params."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.table import OofTable
from ensembles.inputs.tables import Members, labelled, unlabelled
from ensembles.judging.estimate import draw_folds
from ensembles.shift.conformal import in_set, prediction_sets
from ensembles.shift.options import Options
from ensembles.voting.cast import cast
from ensembles.voting.request import Mode, Pool, VoteRequest


class VoteClassifier:
    """Combines members' out-of-fold probabilities; predicts from their probabilities elsewhere.

    The parameters are the fields of `VoteRequest`. After `fit`: `classes_` (K,), `members_` (names),
    `weights_` (M,), `vote_` (a `Vote`: estimate, reasons, candidates), `n_members_`, and
    `column_names_in_`, by member the names of its frame's columns, None of an array's.

    Of frames (pandas, polars, Arrow) column names and the index are used or refused: see `fit`.
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
        choice: str | None = None,
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
        self.choice = choice

    def fit(
        self,
        tables: Members,
        y: Any,
        groups: Any = None,
        folds: Any = None,
    ) -> VoteClassifier:
        """tables: member -> (N, K) out-of-fold probabilities, or a list or an (M, N, K) array of
        them. y: (N,) labels of any type. groups: (N,) what errs together. folds: (N,), five drawn by
        group where they are not given.

        Columns of arrays are in the order of the sorted labels. Those of frames go by their names:
        the labels', also as text or after one prefix (`prob_cat`), or numbered (`p0`, ...) in the
        order of the sorted labels; a class that does not occur in y may be among them.
        Rows stand in one order, or are brought into that of y's index (of a y without one, the
        order that more than half of the members share) where the labels of the indices agree as sets.

        Raises BadInput with every problem.
        """
        read = labelled(tables, y, {"groups": groups, "folds": folds})
        members, labels, n_rows = read.members, read.labels, len(read.labels)
        self.classes_, self.column_names_in_ = read.classes, read.columns
        groups, folds = read.others.get("groups"), read.others.get("folds")
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
        self.vote_.notes += read.notes
        self.members_ = list(members)
        self.n_members_ = len(members)
        self.weights_ = np.array(list(self.vote_.weights.values()))
        return self

    def predict_proba(self, tables: Members) -> np.ndarray:
        """(N, K) float32 from the same members' probabilities of other rows, columns `classes_`.

        Frames are read as in `fit`; rows are those of the first member that has an index.
        """
        return self._probabilities(tables)

    def predict_sets(self, tables: Members, level: float = 0.9) -> np.ndarray:
        """(N, K) bool, columns `classes_`: for each row the classes of the smallest set that holds the
        true one in the share `level` of cases, by the rows that were fitted to, each predicted
        without its fold (`ensembles.shift.conformal`); never empty.

        Rows as in `predict_proba`. Raises BadInput where `level` is no share, or of too few rows.
        """
        probabilities = self._probabilities(tables)
        if problems := Options(sets=level).mistakes(self.mode):
            raise BadInput(f"level: {text}" for _, text in problems)
        held_out = self.vote_.held_out
        assert held_out is not None  # `fit` has OOF tables
        found = prediction_sets(held_out, level)
        return in_set(probabilities, found["threshold"])

    def predict(self, tables: Members) -> np.ndarray:
        """(N,) of `classes_`, rows as in `predict_proba`."""
        chosen = self._probabilities(tables).argmax(axis=1)
        return self.classes_[chosen]

    def score(self, tables: Members, y: Any) -> float:
        """Accuracy. y: (N,) labels; members' rows are brought into the order of its index.

        Raises BadInput where none of the labels is among `classes_`, 1 against '1' say.
        """
        chosen, labels = self._probabilities(tables, y).argmax(axis=1), np.asarray(y)
        if not np.isin(labels, self.classes_).any():
            raise BadInput(
                f"y: its labels, {examples(labels)}, are none of the classes that were fitted: "
                f"{examples(self.classes_)}. Give labels of the same type."
            )
        return float(np.mean(self.classes_[chosen] == labels))

    def _probabilities(self, tables: Members, y: Any = None) -> np.ndarray:
        if not hasattr(self, "vote_"):
            raise _not_fitted(self)
        members = unlabelled(tables, self.members_, self.classes_, self.column_names_in_, y)
        return self.vote_.rule.apply(np.stack(list(members.values())))

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


def _not_fitted(estimator: VoteClassifier) -> Exception:
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return RuntimeError(f"{estimator!r} is not fitted: call fit first.")
    return NotFittedError(f"{estimator!r} is not fitted: call fit first.")
