"""Published ways to combine members, each in its simplest form, written here to be compared with.

A peer is fitted to a `Split` and returns a function of tables (M, n, K) to probabilities (n, K).
Its numbers of rounds, penalties and rates are fixed here or chosen on its own folds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

FLOOR = 1e-3  # of a probability whose logarithm is a feature
PENALTIES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # C of scikit-learn


class Split(NamedTuple):
    """oof (M, N, K), labels, folds, groups (N,) of each row; groups are None where rows are alone."""

    oof: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None


Vote = Callable[[np.ndarray], np.ndarray]
Peer = Callable[[Split], Vote]


def linear(weights: np.ndarray) -> Vote:
    return lambda tables: np.tensordot(weights, tables, axes=1)


def macro_f1(labels: np.ndarray, guess: np.ndarray, n_classes: int) -> float:
    hits = np.bincount(labels[labels == guess], minlength=n_classes)
    both = np.bincount(labels, minlength=n_classes) + np.bincount(guess, minlength=n_classes)
    return float(np.mean(2 * hits / np.maximum(both, 1)))


def log_loss(labels: np.ndarray, mixed: np.ndarray) -> float:
    return float(-np.log(np.maximum(mixed[np.arange(len(labels)), labels], 1e-15)).mean())


def uniform(split: Split) -> Vote:
    return linear(np.full(len(split.oof), 1 / len(split.oof)))


def uniform_with_temperature(split: Split) -> Vote:
    """Guo et al. 2017: one temperature, of least log-loss out of fold."""
    from scipy.optimize import minimize_scalar

    def turned(mixed: np.ndarray, inverse: float) -> np.ndarray:
        logits = inverse * np.log(np.maximum(mixed, 1e-6))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    mean = split.oof.mean(axis=0)
    found = minimize_scalar(
        lambda x: log_loss(split.labels, turned(mean, np.exp(x))), bounds=(-3, 3), method="bounded"
    )
    return lambda tables: turned(tables.mean(axis=0), np.exp(found.x))


def best_single(split: Split) -> Vote:
    n_classes = split.oof.shape[2]
    scores = [macro_f1(split.labels, own.argmax(axis=1), n_classes) for own in split.oof]
    return linear(np.eye(len(split.oof))[int(np.argmax(scores))])


def greedy(size: int, metric: str) -> Peer:
    """Ensemble selection with replacement (Caruana et al. 2004) as AutoGluon has it: from nothing,
    the member is added with which the mean is best; of equal ones (to 6 digits) one that is in
    already, then the one of less log-loss, then the first. Of all rounds the first best one counts.
    """

    def fit(split: Split) -> Vote:
        labels, n_classes = split.labels, split.oof.shape[2]
        tables = split.oof.astype(np.float64)
        total = np.zeros(tables.shape[1:])
        taken, scores = [], []
        for size_now in range(1, size + 1):
            found = []
            for j, own in enumerate(tables):
                mixed = (total + own) / size_now
                loss = log_loss(labels, mixed)
                error = loss
                if metric == "macro_f1":
                    error = 1 - macro_f1(labels, mixed.argmax(axis=1), n_classes)
                found.append((round(error, 6), taken and j not in taken, loss))
            best = min(range(len(found)), key=found.__getitem__)
            taken.append(best)
            scores.append(found[best][0])
            total += tables[best]
        kept = taken[: int(np.argmin(scores)) + 1]
        return linear(np.bincount(kept, minlength=len(tables)) / len(kept))

    return fit


def hill_climbing(split: Split) -> Vote:
    """From the best member; then each other once, with the share of 2 to 50 % that raises macro F1
    most, until none raises it.
    """
    labels, n_classes = split.labels, split.oof.shape[2]

    def score(mixed: np.ndarray) -> float:
        return macro_f1(labels, mixed.argmax(axis=1), n_classes)

    scores = [score(own) for own in split.oof]
    first = int(np.argmax(scores))
    weights, left = np.eye(len(split.oof))[first], set(range(len(split.oof))) - {first}
    mixed, reached = split.oof[first].astype(float), scores[first]
    while left:
        tries = [
            (score((1 - share) * mixed + share * split.oof[j]), -j, share)
            for j in left
            for share in np.arange(0.02, 0.51, 0.02)
        ]
        best, minus, share = max(tries)
        if best <= reached + 1e-12:
            break
        reached, j = best, -minus
        mixed = (1 - share) * mixed + share * split.oof[j]
        weights = (1 - share) * weights
        weights[j] += share
        left.remove(j)
    return linear(weights)


def nnls(split: Split) -> Vote:
    """Least squares with weights of 0 or more on the classes as 0 and 1 (Breiman 1996; van der Laan
    et al. 2007), normalised to sum 1.
    """
    import scipy.optimize

    n_members, _, n_classes = split.oof.shape
    columns = split.oof.reshape(n_members, -1).T.astype(float)
    weights, _ = scipy.optimize.nnls(columns, np.eye(n_classes)[split.labels].ravel())
    return linear(weights / weights.sum())


def log_features(tables: np.ndarray) -> np.ndarray:
    """(n, M * K)."""
    logs = np.log(np.maximum(tables, FLOOR)).astype(np.float64)
    return np.moveaxis(logs, 0, 1).reshape(tables.shape[1], -1)


def logistic_stacking(split: Split) -> Vote:
    """Multinomial logistic regression on all log-probabilities (Wolpert 1992; Ting and Witten 1999),
    its penalty chosen on the folds by log-loss.
    """
    from sklearn.linear_model import LogisticRegression

    x, y, folds = log_features(split.oof), split.labels, split.folds
    n_classes = split.oof.shape[2]

    def fitted(penalty: float, rows: np.ndarray) -> Vote:
        model = LogisticRegression(C=penalty, max_iter=100, tol=1e-3).fit(x[rows], y[rows])

        def vote(features: np.ndarray) -> np.ndarray:
            full = np.full((len(features), n_classes), 1e-9)
            full[:, model.classes_] = model.predict_proba(features)
            return full

        return vote

    def loss(penalty: float) -> float:
        mixed = np.empty((len(y), n_classes))
        for fold in np.unique(folds):
            mixed[folds == fold] = fitted(penalty, folds != fold)(x[folds == fold])
        return log_loss(y, mixed)

    best = min(PENALTIES, key=loss)
    vote = fitted(best, np.ones(len(y), bool))
    return lambda tables: vote(log_features(tables))


def lightgbm_stacking(split: Split) -> Vote:
    """Boosted trees on all probabilities (Ke et al. 2017), as many rounds as the folds like best."""
    import lightgbm

    n_classes = split.oof.shape[2]
    x = np.moveaxis(split.oof, 0, 1).reshape(split.oof.shape[1], -1)
    parameters = {
        "objective": "multiclass", "num_class": n_classes, "learning_rate": 0.1, "num_leaves": 7,
        "min_data_in_leaf": 10, "feature_fraction": 0.5, "lambda_l2": 1.0, "num_threads": 1,
        "verbose": -1, "deterministic": True, "seed": 1,
    }  # fmt: skip
    folds = [
        (np.flatnonzero(split.folds != f), np.flatnonzero(split.folds == f))
        for f in np.unique(split.folds)
    ]
    data = lightgbm.Dataset(x, split.labels, free_raw_data=False)
    found = lightgbm.cv(
        parameters, data, 60, folds=folds, stratified=False,
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )  # fmt: skip
    rounds = max(1, len(next(iter(found.values()))))
    model = lightgbm.train(parameters, data, rounds)
    return lambda tables: model.predict(np.moveaxis(tables, 0, 1).reshape(tables.shape[1], -1))


PEERS: dict[str, Peer] = {
    "greedy, F1, T=25": greedy(25, "macro_f1"),
    "greedy, F1, T=100": greedy(100, "macro_f1"),
    "greedy, log-loss, T=25": greedy(25, "log_loss"),
    "greedy, log-loss, T=100": greedy(100, "log_loss"),
    "hill climbing, F1": hill_climbing,
    "NNLS super learner": nnls,
    "logistic stacking": logistic_stacking,
    "LightGBM stacking": lightgbm_stacking,
    "uniform": uniform,
    "uniform, temperature": uniform_with_temperature,
    "best single": best_single,
}
