import numpy as np
import pytest

from ensembles import BadInput, cast
from ensembles.lazy.order import order_of
from ensembles.lazy.vote import lazy_vote
from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker
from tests.ensembles.lazy.drawn import KINDS, one_hot, rule_of, tables


class Members:
    """Says what the tables hold, and keeps what was asked."""

    def __init__(self, probabilities):
        self.probabilities, self.asked = probabilities, []

    def __call__(self, member, rows):
        self.asked.append((member, rows.tolist()))
        return self.probabilities[member, rows]


def lazily(rule, probabilities, order=None):
    members = Members(probabilities)
    order = order_of(rule, np.ones(len(probabilities))) if order is None else order
    return lazy_vote(rule, members, *probabilities.shape[1:], order), members


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_the_whole_votes_and_so_are_probabilities_where_all_were_asked(kind):
    rng, saved = np.random.default_rng(3), 0
    for _ in range(40):
        n_members, n_classes = rng.integers(1, 9), rng.integers(1, 7)
        rule = rule_of(rng, n_members, n_classes, kind)
        probabilities = tables(rng, n_members, 200, n_classes)
        whole = rule.apply(probabilities)
        order = rng.permutation(order_of(rule, np.ones(n_members)))
        found, _ = lazily(rule, probabilities, order)
        assert found.classes.tolist() == whole.argmax(axis=1).tolist()
        assert found.probabilities.argmax(axis=1).tolist() == found.classes.tolist()
        assert (found.probabilities[~found.early] == whole[~found.early]).all()
        saved += int(found.passes_saved.sum())
    assert saved > 1_000


def test_a_member_is_asked_for_open_rows_only_and_once():
    rng = np.random.default_rng(5)
    probabilities, rule = tables(rng, 6, 300, 4), Rule(rng.dirichlet(np.ones(6)))
    found, members = lazily(rule, probabilities)
    assert [member for member, _ in members.asked] == found.order.tolist()
    before = set(range(300))
    assert set(members.asked[0][1]) == before
    for member, rows in members.asked:
        assert rows == sorted(set(rows))
        assert set(rows) <= before
        assert np.flatnonzero(found.asked[member]).tolist() == rows
        before = set(rows)
    # one who is not in the first is in none of the later
    assert found.passes_saved.tolist() == [300 - sum(own) for own in found.asked.tolist()]


def test_rows_alone_and_in_blocks_are_as_all_together():
    rng = np.random.default_rng(6)
    for kind in KINDS:
        rule, probabilities = rule_of(rng, 5, 4, kind), tables(rng, 5, 60, 4)
        together, _ = lazily(rule, probabilities)
        for at_once in (1, 7):
            parts = [
                lazily(rule, probabilities[:, begin : begin + at_once])[0]
                for begin in range(0, 60, at_once)
            ]
            assert (
                np.concatenate([own.classes for own in parts]).tolist() == together.classes.tolist()
            )
            assert (np.concatenate([own.asked for own in parts], axis=1) == together.asked).all()
            own = np.concatenate([own.probabilities for own in parts])
            assert (own == together.probabilities).all()


def test_what_a_row_that_stopped_early_says_is_the_vote_of_those_who_were_asked():
    rng = np.random.default_rng(8)
    weights = np.array([0.5, 0.3, 0.2])
    probabilities = tables(rng, 3, 200, 4)
    found, _ = lazily(Rule(weights), probabilities)
    rows = np.flatnonzero(found.asked.sum(axis=0) == 2)
    assert len(rows)
    expected = (0.5 * probabilities[0, rows] + 0.3 * probabilities[1, rows]) / 0.8
    np.testing.assert_allclose(found.probabilities[rows], expected, atol=1e-6)
    assert found.early[rows].all()


def test_members_of_weight_0_are_never_asked():
    probabilities = one_hot(np.array([[0] * 5, [1] * 5, [2] * 5]), 3)
    rule = Rule(np.array([0.3, 0.7, 0.0]))
    with pytest.raises(ValueError, match=r"order: \[0, 1, 2\], but must hold once .*: \[0, 1\]"):
        lazily(rule, probabilities, [0, 1, 2])
    found, members = lazily(rule, probabilities, [1, 0])
    assert [member for member, _ in members.asked] == [1]
    assert found.passes_saved.tolist() == [5, 0, 0]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (np.full((4, 3), 0.5), "no probabilities"),
        (np.full((4, 3), np.nan), "no probabilities"),
        (np.array([[1.2, -0.1, -0.1]] * 4), "no probabilities"),
        (np.full((4, 2), 0.5), r"probabilities of shape \(4, 2\), but must be \(4, 3\)"),
    ],
)
def test_what_no_bound_holds_of_is_refused(said, what):
    with pytest.raises(BadInput, match=f"member 1: {what}"):
        lazy_vote(Rule(np.array([0.4, 0.6])), lambda member, rows: said, 4, 3, [1, 0])


def test_no_rows_ask_nobody():
    found = lazy_vote(Rule(np.ones(2)), lambda member, rows: 1 / 0, 0, 3, [0, 1])
    assert found.probabilities.shape == (0, 3)
    assert found.classes.shape == (0,)


def test_a_stacker_in_a_mean_may_turn_to_any_class():
    """Its own part of the mean is what the others must be ahead by."""
    rng = np.random.default_rng(9)
    probabilities = tables(rng, 5, 400, 3)
    base = Rule(rng.dirichlet(np.ones(5)), "log_linear", floor=1e-3)
    stacker = Stacker(base, "members", rng.normal(size=(3, 16)))
    for share, saves in ((0.2, True), (0.6, False)):
        shares = np.array([1 - share, share])
        rule = MeanRule({"pool": Rule(rng.dirichlet(np.ones(5))), "stacker": stacker}, shares)
        found, _ = lazily(rule, probabilities)
        assert found.classes.tolist() == rule.apply(probabilities).argmax(axis=1).tolist()
        assert found.early.any() == saves


@pytest.mark.parametrize("kind", KINDS)
def test_real_votes_are_answered_as_by_all(cifar, kind):
    """Of 30 networks on 2,000 pictures, which say 0 or 1 only: ties without end."""
    choices, _ = cifar
    probabilities, rng = one_hot(choices, 10), np.random.default_rng(4)
    for _ in range(2):
        rule = rule_of(rng, 30, 10, kind)
        found, _ = lazily(rule, probabilities)
        assert found.classes.tolist() == rule.apply(probabilities).argmax(axis=1).tolist()
        assert found.probabilities.argmax(axis=1).tolist() == found.classes.tolist()
    equal, _ = lazily(Rule(np.full(30, 1 / 30), "hard"), probabilities)
    assert equal.passes_saved.sum() > 0.3 * choices.size


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "hard", "offsets": True},
        {"mode": "soft", "pool": "log_linear"},
        {"objective": "macro_f1", "offsets": True, "temperature": True},
        {"pool": "log_linear", "negative": True},
        {"choice": "ridge pool"},
        {},
    ],
)
def test_a_vote_that_was_fitted(make_tables, options):
    """On its test tables, by the rule as the record has it: weights of sum 1."""
    oof, test = make_tables(n_rows=240), make_tables(n_rows=240, kind="test")
    vote = cast(oof, test, **{"mode": "weighted", **options})
    probabilities = np.stack([table.probabilities for table in test.values()])
    found, _ = lazily(vote.rule, probabilities)
    assert found.classes.tolist() == vote.labels.tolist()
    whole = vote.rule.apply(probabilities)
    assert (found.probabilities[~found.early] == whole[~found.early]).all()
    np.testing.assert_allclose(whole, vote.probabilities, atol=1e-5)
