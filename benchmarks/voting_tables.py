"""The tables that the votes are compared on: drawn ones, and those of real members.

A draw is (OOF (M, N, K) float32, labels (N,), folds (N,), groups (N,) or None, held-out tables
(M, T, K), their labels (T,)).
"""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow.parquet as pq

# What is added to the features of scikit-learn's data sets, in standard deviations.
NOISE = {"digits": 1.6, "wine": 1.2, "breast_cancer": 1.5}


def noisy_members(n_members: int, n_rows: int, n_classes: int, seed: int, part: int = 0):
    """Members that see what can be known of a photograph, each with noise of its own.

    (M, N, K) float32 and (N,) labels. What can be known is itself uncertain; classes are uneven.
    Another `part` holds other photographs, seen by the same members.
    """
    ours, rng = np.random.default_rng(seed), np.random.default_rng([seed, part])
    prior = ours.dirichlet(np.full(n_classes, 2.0))
    known = rng.normal(size=(n_rows, n_classes)).astype(np.float32)
    known[np.arange(n_rows), rng.choice(n_classes, n_rows, p=prior)] += 6.3
    known += np.log(prior).astype(np.float32)
    chances = softmax(known)
    labels = (chances.cumsum(axis=1) > rng.random(n_rows)[:, None]).argmax(axis=1)
    members = np.empty((n_members, n_rows, n_classes), np.float32)
    for member in members:
        member[:] = rng.standard_normal(size=member.shape, dtype=np.float32)
        member *= ours.uniform(1.2, 2.2)
        member += known * ours.uniform(0.8, 1.1)
        member += ours.normal(scale=0.6, size=n_classes).astype(np.float32)
        member[:] = softmax(member * ours.uniform(0.6, 1.4))
    return members, labels


def of_noisy_members(n_members: int, n_rows: int, n_classes: int, seed: int):
    """As many held-out rows as are fitted to."""
    members, labels = noisy_members(n_members, 2 * n_rows, n_classes, seed)
    oof, folds = np.ascontiguousarray(members[:, :n_rows]), np.arange(n_rows) % 5
    return oof, labels[:n_rows], folds, None, members[:, n_rows:], labels[n_rows:]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def of_scikit_learn(name: str, seed: int):
    """Cross-fitted probabilities of 15 classifiers of scikit-learn on one of its data sets.

    Noise is added to the features so that there is something to be wrong about.
    """
    from sklearn import datasets
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, train_test_split
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    warnings.filterwarnings("ignore")
    found = getattr(datasets, f"load_{name}")()
    rng = np.random.default_rng(seed)
    x = StandardScaler().fit_transform(found.data)
    x += rng.normal(scale=NOISE[name], size=x.shape)
    y = found.target
    # uneven classes, as people's ages are
    x, y = _uneven(x, y, rng)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.4, stratify=y, random_state=seed)
    models = [
        LogisticRegression(C=0.01), LogisticRegression(C=1.0), LogisticRegression(C=100.0),
        GaussianNB(), LinearDiscriminantAnalysis(),
        KNeighborsClassifier(3), KNeighborsClassifier(15),
        DecisionTreeClassifier(max_depth=4, random_state=seed),
        DecisionTreeClassifier(max_depth=10, random_state=seed + 1),
        RandomForestClassifier(40, random_state=seed),
        RandomForestClassifier(40, max_depth=4, random_state=seed + 1),
        ExtraTreesClassifier(40, random_state=seed),
        ExtraTreesClassifier(40, max_depth=6, class_weight="balanced", random_state=seed + 1),
        MLPClassifier((16,), max_iter=60, random_state=seed),
        MLPClassifier((48,), max_iter=60, alpha=1.0, random_state=seed + 1),
    ]  # fmt: skip
    n_classes = len(np.unique(y))
    oof = np.zeros((len(models), len(y), n_classes), np.float32)
    test = np.zeros((len(models), len(y_test), n_classes), np.float32)
    folds = np.empty(len(y), int)
    splits = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y)
    for fold, (inside, outside) in enumerate(splits):
        folds[outside] = fold
        for j, model in enumerate(models):
            fitted = make_pipeline(StandardScaler(), model).fit(x[inside], y[inside])
            oof[j, outside] = fitted.predict_proba(x[outside])
            test[j] += fitted.predict_proba(x_test) / 5
    return oof, y, folds, None, test, y_test


def _uneven(x, y, rng):
    """Every second class keeps a third of its rows."""
    rare = np.isin(y, np.unique(y)[1::2])
    kept = ~rare | (rng.random(len(y)) < 0.35)
    return x[kept], y[kept]


def of_run(folder: str, seed: int):
    """The OOF tables of a run: fitted on half of the groups, scored on the other half."""
    from ensembles import align, read_members

    oof = align(read_members(f"{folder}/tables", "oof"), "oof")
    first = next(iter(oof.values()))
    images = pq.read_table(f"{folder}/images.parquet", columns=["image_id", "group"]).to_pydict()
    group_of = dict(zip(images["image_id"], images["group"], strict=True))
    groups = np.unique([str(group_of[i]) for i in first.ids], return_inverse=True)[1]
    members = np.stack([table.probabilities for table in oof.values()])
    fitted = np.random.default_rng(seed).permutation(groups.max() + 1) % 2 == 0
    inside, outside = np.flatnonzero(fitted[groups]), np.flatnonzero(~fitted[groups])
    labels = first.label.astype(int)
    held_out = np.take(members, outside, axis=1), labels[outside]
    own = labels[inside], first.fold[inside], groups[inside]
    return np.take(members, inside, axis=1), *own, *held_out
