"""Every entry of the registry, against scikit-learn, against dropped rows, and as an objective.

A new entry needs a line in PEERS.
"""

import itertools
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from ensembles import BadInput, VoteClassifier, cast, evaluate, write_submission, write_table
from ensembles.scores import influence, metrics, scorers
from ensembles.scores.metrics import METRICS
from ensembles.weights.fit import fit_weights

K = 5
VALUES = np.array([0, 1, 2, 0, 1])  # what each class means of a target
EVERY = {"average": "macro", "zero_division": 0}


def roc_auc(labels, probabilities, classes):
    """Class by class, those without a ROC curve by chance."""
    found = []
    for k in classes:
        own = labels == k
        found.append(
            sk.roc_auc_score(own, probabilities[:, k]) if 0 < own.sum() < len(own) else 0.5
        )
    return np.mean(found)


# scikit-learn's score of labels, predictions, probabilities and the list of classes
PEERS = {
    "log_loss": lambda y, guess, p, k: sk.log_loss(y, p / p.sum(1, keepdims=True), labels=k),
    "macro_f1": lambda y, guess, p, k: sk.f1_score(y, guess, labels=k, **EVERY),
    "accuracy": lambda y, guess, p, k: sk.accuracy_score(y, guess),
    "balanced_accuracy": lambda y, guess, p, k: sk.recall_score(y, guess, labels=k, **EVERY),
    "mcc": lambda y, guess, p, k: sk.matthews_corrcoef(y, guess),
    "quadratic_kappa": lambda y, guess, p, k: sk.cohen_kappa_score(
        y, guess, labels=k, weights="quadratic"
    ),
    "roc_auc": lambda y, guess, p, k: roc_auc(y, p, k),
}
DECIDED = [name for name, metric in METRICS.items() if metric.takes == "decisions"]
# a log-loss of float32 rows depends on how their sums are rounded
WITHIN = dict.fromkeys(METRICS, 1e-12) | {"log_loss": 1e-6}


def random_rows(seed, case="all occur", n_rows=None, n_classes=K):
    """Labels and float32 probabilities with ties; classes occur or not, as `case` says."""
    rng = np.random.default_rng(seed)
    n_rows = n_rows or int(rng.integers(30, 200))
    labels = rng.permutation(np.arange(n_rows) % n_classes)
    logits = rng.normal(size=(n_rows, n_classes)).round(1)
    logits[np.arange(n_rows), labels] += 1
    if case in ("never true", "never at all"):
        labels[labels == 2] = 1
    if case in ("never predicted", "never at all"):
        logits[:, 2] = -25
    if case == "one class":
        labels[:] = 3
    probabilities = np.exp(logits)
    return labels, (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)


def test_every_entry_has_a_peer_to_be_compared_with():
    assert PEERS.keys() == METRICS.keys()


@pytest.mark.parametrize(
    "case", ["all occur", "never true", "never predicted", "never at all", "one class"]
)
@pytest.mark.parametrize("name", METRICS)
def test_a_score_equals_scikit_learns(name, case):
    for seed in range(20):
        labels, p = random_rows(seed, case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = PEERS[name](labels, p.argmax(1), p.astype(float), range(K))
        assert METRICS[name].score(labels, p) == pytest.approx(expected, abs=1e-12)


def test_where_every_class_is_true_the_scores_equal_scikit_learns_own_functions_too():
    for seed in range(10):
        labels, p = random_rows(seed)
        guess = p.argmax(1)
        assert METRICS["balanced_accuracy"].score(labels, p) == pytest.approx(
            sk.balanced_accuracy_score(labels, guess), abs=1e-12
        )
        assert METRICS["roc_auc"].score(labels, p) == pytest.approx(
            sk.roc_auc_score(labels, p, multi_class="ovr", average="macro"), abs=1e-12
        )


def test_what_is_nought_by_nought_counts_as_the_docstrings_say():
    alike = np.zeros(4, int)
    sure = np.eye(3, dtype=np.float32)[alike]
    assert METRICS["mcc"].score(alike, sure) == 0  # as scikit-learn
    assert METRICS["quadratic_kappa"].score(alike, sure) == 0  # scikit-learn: NaN
    assert METRICS["roc_auc"].score(alike, sure) == 0.5  # scikit-learn: NaN
    assert METRICS["balanced_accuracy"].score(alike, sure) == pytest.approx(1 / 3)


def test_two_classes_have_the_area_of_the_one_roc_curve():
    labels, p = random_rows(0, n_classes=2)
    p[:, 0] = 1 - p[:, 1]
    expected = sk.roc_auc_score(labels, p[:, 1])
    assert METRICS["roc_auc"].score(labels, p) == pytest.approx(expected, abs=1e-3)


def test_the_order_of_the_classes_counts_for_quadratic_kappa_alone(draw):
    (p,), labels = draw(1)  # no two classes of a row tie
    order = np.array([2, 0, 4, 1, 3])
    renamed, turned = np.argsort(order)[labels], p[:, order]
    for name, metric in METRICS.items():
        same = metric.score(renamed, turned) == pytest.approx(metric.score(labels, p), abs=1e-9)
        assert same == (name != "quadratic_kappa")


@pytest.mark.parametrize("name", METRICS)
def test_of_a_target_it_is_the_score_of_its_values(name):
    labels, p = random_rows(3, n_rows=400)
    sums = np.stack([p[:, v == VALUES].sum(axis=1, dtype=float) for v in range(3)], 1)
    truth, guess = VALUES[labels], VALUES[p.argmax(1)]
    expected = PEERS[name](truth, guess, sums, range(3))
    found = metrics.score_all(labels, p, {f"{name}:age": VALUES})[f"{name}:age"]
    # float32 sums of a target's classes are rounded, and may tie
    assert found == pytest.approx(expected, abs=1e-12 if name in DECIDED else 1e-4)


@pytest.mark.parametrize("case", ["all occur", "never true", "never at all"])
@pytest.mark.parametrize("name", METRICS)
def test_the_influence_is_what_dropping_a_row_changes(name, case):
    """The jackknife: dropping one of 2,000 rows moves the score by its influence over 2,000."""
    labels, p = random_rows(4, case, n_rows=2000)
    metric = METRICS[name]
    moves, whole = metric.influence(labels, p), metric.score(labels, p)
    without = [metric.score(np.delete(labels, i), np.delete(p, i, axis=0)) for i in range(60)]
    dropped = (whole - np.array(without)) * 2000
    np.testing.assert_allclose(moves[:60], dropped, atol=0.02)
    assert np.ptp(moves[:60]) > 0.5
    assert moves.sum() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("grouped", [False, True])
def test_standard_errors_equal_the_bootstraps(grouped):
    """1,000 resamples estimate a standard error within about 2.2 %; 4 of those are allowed."""
    labels, p = random_rows(1, n_rows=300, n_classes=4)
    size = 5 if grouped else 1
    labels, p = labels.repeat(size), p.repeat(size, axis=0)
    groups = np.arange(300).repeat(size) if grouped else None
    found = metrics.standard_errors(labels, p, groups, dict.fromkeys(METRICS))
    assert found.keys() == METRICS.keys()
    rng = np.random.default_rng(0)
    drawn = {name: [] for name in found}
    for _ in range(1000):
        rows = (rng.integers(0, 300, 300)[:, None] * size + np.arange(size)).ravel()
        for name in found:
            drawn[name].append(METRICS[name].score(labels[rows], p[rows]))
    for name, error in found.items():
        assert error == pytest.approx(np.std(drawn[name]), rel=0.09), name


@pytest.mark.parametrize("name", DECIDED)
def test_a_target_s_counts_are_merged_from_those_of_the_classes(name):
    labels, p = random_rows(5)
    guess, metric = p.argmax(1), METRICS[name]
    counts = metrics.merged(scorers.confusion(labels, guess, K), VALUES)
    assert metric.of_counts(counts) == metric.score(labels, p, VALUES)
    moves = metric.cell_moves(counts)[VALUES[labels], VALUES[guess]]
    expected = influence.standard_error(metric.influence(labels, p, VALUES))
    assert influence.standard_error(moves) == expected


# -- names -------------------------------------------------------------------------------------


def test_names_aliases_and_titles_are_each_of_one_metric():
    names = [n for m in METRICS.values() for n in (m.name, *m.aliases)]
    assert len(names) == len({*names})
    assert len({m.title for m in METRICS.values()}) == len(METRICS)
    assert metrics.canonical("f1_macro:age") == "macro_f1:age"
    assert metrics.canonical("f2:age") == "f2:age"
    assert metrics.title("matthews_corrcoef:age") == "MCC of age"


@pytest.mark.parametrize("name", METRICS)
def test_scikit_learn_s_scorers_of_these_names_agree(name):
    """Where scikit-learn knows a name or an alias, it is the same score, but for the sign of neg_."""
    known = [n for n in (name, *METRICS[name].aliases) if n in sk.get_scorer_names()]
    labels, p = random_rows(2)

    class Fixed:
        classes_, _estimator_type = np.arange(K), "classifier"

        def fit(self, x, y):
            return self

        def predict(self, x):
            return p.argmax(1)

        def predict_proba(self, x):
            exact = p.astype(float)
            return exact / exact.sum(axis=1, keepdims=True)

        def __sklearn_tags__(self):
            return VoteClassifier().__sklearn_tags__()

    for alias in known:
        if alias == "roc_auc":  # of two classes only; roc_auc_ovr is the one
            continue
        found = sk.get_scorer(alias)(Fixed(), labels[:, None], labels)
        sign = -1 if alias.startswith("neg_") else 1
        assert METRICS[name].score(labels, p) == pytest.approx(sign * found, abs=1e-12)


# -- as objectives -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_fitted_weights_are_no_worse_than_any_member_or_equal_weights_on_their_rows(name, draw):
    metric = METRICS[name]
    for seed in range(4):
        p, labels = draw(4, 200, 4, seed)
        weights = fit_weights(p, labels, name).weights
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)

        def signed(w, p=p, labels=labels):
            return metric.sign * metric.score(labels, np.tensordot(w, p, axes=1))

        others = [*np.eye(4), fit_weights(p, labels, "log_loss").weights]
        assert signed(weights) >= max(map(signed, others)) - 1e-6


@pytest.mark.parametrize("name", [n for n in METRICS if n != "log_loss"])
def test_of_two_members_the_fitted_weight_is_near_the_best_of_a_grid(name, draw):
    """1,001 weights of the second of two members, looked at one by one."""
    metric = METRICS[name]
    for seed in range(3):
        p, labels = draw(2, 150, 4, seed)
        found = metric.score(labels, np.tensordot(fit_weights(p, labels, name).weights, p, 1))
        grid = [
            metric.score(labels, np.tensordot([1 - t, t], p, 1)) for t in np.linspace(0, 1, 1001)
        ]
        # a line is searched exactly where decisions count, by steps of 1/32 where ranks do
        assert found >= max(grid) - (1e-12 if name in DECIDED else 1e-3)


@pytest.mark.parametrize("name", METRICS)
def test_weights_may_be_fitted_to_rows_without_some_class(name, draw):
    p, labels = draw(3, 80, 4)
    labels[labels == 2] = 1
    weights = fit_weights(p, labels, name).weights
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("alias", "name"),
    [(alias, m.name) for m in METRICS.values() for alias in m.aliases],
)
def test_a_vote_for_an_alias_is_the_vote_for_its_metric(make_tables, alias, name):
    one, other = (cast(make_tables(), None, "weighted", o) for o in (alias, name))
    assert one.objective == other.objective == name
    assert one.weights == other.weights
    p, labels = (
        np.stack([t.probabilities for t in make_tables().values()]),
        make_tables()["a"].label,
    )
    assert VoteClassifier(objective=alias).fit(p, labels).vote_.objective == name


def test_offsets_are_refused_where_no_sweep_fits_them(make_tables):
    for name, metric in METRICS.items():
        if name in ("macro_f1", "accuracy") or metric.convex:
            assert (
                cast(make_tables(), None, "weighted", name, offsets=True).rule.offsets is not None
            )
            continue
        with pytest.raises(BadInput, match=f"offsets: .* not for {name}"):
            cast(make_tables(), None, "weighted", name, offsets=True)


@pytest.mark.parametrize("kind", ["table", "submission"])
def test_evaluate_has_every_metric_that_can_be_had(tmp_path, make_tables, kind):
    table = make_tables()["a"]
    write_submission(tmp_path / "truth.csv", table.ids, table.label)
    if kind == "table":
        write_table(tmp_path / "p.parquet", table)
        found = evaluate(tmp_path / "p.parquet", tmp_path / "truth.csv")
    else:
        write_submission(tmp_path / "s.csv", table.ids, table.probabilities.argmax(1))
        found = evaluate(tmp_path / "s.csv", tmp_path / "truth.csv")
    expected = [*METRICS] if kind == "table" else DECIDED
    assert [name for name in METRICS if name in found] == expected
    assert list(found["standard_error"]) == expected
    for name in expected:
        p = table.probabilities
        peer = PEERS[name](table.label, p.argmax(1), p.astype(float), range(4))
        assert found[name] == pytest.approx(peer, abs=1e-12)


def test_every_pair_of_entries_differs_on_some_rows():
    """No entry is another's by mistake."""
    labels, p = random_rows(7)
    found = {name: metric.score(labels, p) for name, metric in METRICS.items()}
    for one, other in itertools.combinations(found, 2):
        if {one, other} != {"accuracy", "balanced_accuracy"}:  # alike where classes are even
            assert found[one] != found[other], (one, other)
