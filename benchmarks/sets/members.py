"""Classifiers of scikit-learn of many kinds, cross-fitted: what they say out of fold and on test.

Among them are what an ensemble meets: an overconfident one (naive Bayes), a weak one (the stump),
exact zeros (a tree, neighbours), a twin with sharper probabilities, a near-duplicate, and one that
gives 0 or 1 only.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

# What is made of another member's probabilities: name -> (whose, how).
DERIVED = {
    "sharp twin": ("logistic 1", "sharpened"),
    "near copy": ("forest", "blended"),
    "zero or one": ("mlp", "hardened"),
}
CORE = {"logistic 1", "forest", "mlp", "stump"}  # which every set has
MOST_FEATURES = 60  # beyond them the 40 first principal components


def models(seed: int) -> dict[str, Any]:
    from sklearn.discriminant_analysis import (
        LinearDiscriminantAnalysis,
        QuadraticDiscriminantAnalysis,
    )
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    boosting = HistGradientBoostingClassifier(
        max_iter=12, max_leaf_nodes=7, learning_rate=0.25, early_stopping=False, max_bins=31
    )
    balanced = {"class_weight": "balanced", "random_state": seed + 1}
    return {
        "logistic 0.01": LogisticRegression(C=0.01, max_iter=60),
        "logistic 1": LogisticRegression(C=1.0, max_iter=60),
        "logistic 100": LogisticRegression(C=100.0, max_iter=60),
        "neighbours 3": KNeighborsClassifier(3),
        "neighbours 25": KNeighborsClassifier(25, weights="distance"),
        "svm": SVC(C=3.0, random_state=seed),
        "forest": RandomForestClassifier(30, random_state=seed),
        "extra trees": ExtraTreesClassifier(30, max_depth=8, **balanced),
        "boosting": boosting,
        "mlp": MLPClassifier((32,), max_iter=40, random_state=seed),
        "naive Bayes": GaussianNB(var_smoothing=1e-4),
        "lda": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
        "qda": QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.3),
        "stump": DecisionTreeClassifier(max_depth=2, random_state=seed),
        "tree": DecisionTreeClassifier(max_depth=8, random_state=seed + 2),
    }


def chosen(rng: np.random.Generator) -> list[str]:
    """9 to 14 of the models: not every ensemble has the same."""
    every = list(models(0))
    others = [name for name in every if name not in CORE]
    out = set(rng.choice(others, rng.integers(1, 7), replace=False))
    return [name for name in every if name not in out]


def said(model: Any, x: np.ndarray, n_classes: int) -> np.ndarray:
    """(N, K) float64 probabilities; classes that the model never saw have 0."""
    found = np.zeros((len(x), n_classes))
    if hasattr(model, "predict_proba"):
        own = model.predict_proba(x)
    else:
        decision = model.decision_function(x)
        if decision.ndim == 1:
            decision = np.c_[-decision, decision]
        powers = np.exp(decision - decision.max(axis=1, keepdims=True))
        own = powers / powers.sum(axis=1, keepdims=True)
    found[:, model.classes_] = np.nan_to_num(own, nan=1 / n_classes)
    return found / found.sum(axis=1, keepdims=True)


def derived(how: str, given: np.ndarray) -> np.ndarray:
    if how == "sharpened":
        powers = np.maximum(given, 1e-12) ** 3
        return powers / powers.sum(axis=-1, keepdims=True)
    if how == "blended":
        return 0.995 * given + 0.005 / given.shape[-1]
    return np.eye(given.shape[-1])[given.argmax(axis=-1)]


def cross_fitted(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, x_test: np.ndarray, n_classes: int,
    kinds: list[str], seed: int,
) -> tuple[np.ndarray, np.ndarray, list[str]]:  # fmt: skip
    """(M, N, K) out of fold, (F, M, T, K) of the test rows by every fold's models, and M names."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    warnings.filterwarnings("ignore")
    every = [*kinds, *DERIVED]
    n_folds = int(folds.max()) + 1
    oof = np.zeros((len(every), len(y), n_classes), np.float32)
    test = np.zeros((n_folds, len(every), len(x_test), n_classes), np.float32)
    for fold in range(n_folds):
        inside, outside = folds != fold, folds == fold
        steps = [StandardScaler()]
        if x.shape[1] > MOST_FEATURES:
            steps += [PCA(40, random_state=seed), StandardScaler()]
        prepare = make_pipeline(*steps).fit(x[inside])
        own, held_out, later = (
            np.clip(prepare.transform(part), -8, 8) for part in (x[inside], x[outside], x_test)
        )
        fitted = models(seed)
        at = {}
        for j, kind in enumerate(kinds):
            model = fitted[kind].fit(own, y[inside])
            at[kind] = j
            oof[j, outside] = said(model, held_out, n_classes)
            test[fold, j] = said(model, later, n_classes)
        for j, (whose, how) in enumerate(DERIVED.values(), start=len(kinds)):
            oof[j, outside] = derived(how, oof[at[whose]][outside].astype(float))
            test[fold, j] = derived(how, test[fold, at[whose]].astype(float))
    return oof, test, every
