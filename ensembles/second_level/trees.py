"""Gradient-boosted trees (LightGBM) on the members' log-probabilities, begun from their pool.

Boosting starts from the logits of the log-linear pool (`logistic` with an infinite ridge), so without
a tree the stacker is that pool, and trees only correct it. How many are kept is chosen by the rows
that a fit did not see. LightGBM is an optional package: `pip install lightgbm`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembles.rules.pools import softmax
from ensembles.second_level.features import Features
from ensembles.second_level.logistic import Logistic, fit_logistic

PACKAGE = "lightgbm"
ROUNDS = (0, 5, 10, 20, 40, 80, 160)
# Small trees at a small rate, much as for any few hundred rows. One thread and a fixed seed: the same
# rows give the same trees, bit for bit.
PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 10,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 63,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass
class Trees:
    """pool: where boosting began. booster: of LightGBM, of which `rounds` rounds count."""

    pool: Logistic
    booster: Any
    rounds: int

    def predict(self, x: Features) -> np.ndarray:
        """(N, K) float64 probabilities."""
        logits = self.pool.logits(x)
        if self.rounds:  # 0 would mean all of them to LightGBM
            logits = logits + self.booster.predict(
                _columns(x), num_iteration=self.rounds, raw_score=True, num_threads=1
            )
        return softmax(logits)


def is_installed() -> bool:
    return importlib.util.find_spec(PACKAGE) is not None


def trees_path(x: Features, labels: np.ndarray, rounds: Sequence[int]) -> list[Trees]:
    """One stacker a number of rounds, all of one booster."""
    pool = fit_logistic(x, labels, np.inf)
    booster = None
    if most := max(rounds):
        lightgbm = importlib.import_module(PACKAGE)
        start = pool.logits(x).ravel(order="F")  # class after class
        data = lightgbm.Dataset(_columns(x), labels, init_score=start)
        own = {**PARAMETERS, "num_class": x.n_classes}
        booster = lightgbm.train(own, data, num_boost_round=most)
    return [Trees(pool, booster, n) for n in rounds]


def _columns(x: Features) -> np.ndarray:
    """(N, M K + K): the members' logs and their mean."""
    return np.hstack([x.flat, x.logs.mean(axis=1)])
