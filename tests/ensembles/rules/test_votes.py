import numpy as np
import pytest

from ensembles.rules import votes as vote
from ensembles.weights.fit import best_member, fit_stack
from ensembles.weights.stack import stack_members


def one_hot(choices, n_classes):
    return np.eye(n_classes, dtype=np.float32)[np.asarray(choices)]


def brute_force_labels(votes, n_classes):
    """The contract, word for word: most votes; of tied classes the one voted for earliest."""
    counts = [votes.count(k) for k in range(n_classes)]
    tied = [k for k in range(n_classes) if counts[k] == max(counts)]
    return next(v for v in votes if v in tied)


def brute_force(probabilities):
    n_classes = probabilities.shape[2]
    winners = []
    for row in np.swapaxes(probabilities, 0, 1):
        votes = [int(np.argmax(member)) for member in row]
        sums = [sum(float(member[k]) for member in row) for k in range(n_classes)]
        counts = [votes.count(k) for k in range(n_classes)]
        tied = [k for k in range(n_classes) if counts[k] == max(counts)]
        best = max(sums[k] for k in tied)
        winners.append(next(v for v in votes if v in tied and sums[v] == best))
    return winners


@pytest.mark.parametrize("n_members", [1, 2, 3, 4, 6])
def test_hard_votes_equal_a_brute_force(draw, n_members):
    probabilities, _ = draw(n_members, 500, 4)
    assert vote.hard(probabilities).tolist() == brute_force(probabilities)


def test_a_tie_goes_to_the_highest_summed_probability():
    probabilities = np.array([[[0.6, 0.4, 0.0]], [[0.0, 0.3, 0.7]]], np.float32)
    assert vote.hard(probabilities).tolist() == [2]


def test_a_class_without_votes_cannot_win_by_its_sum():
    members = [[0.5, 0.0, 0.5 - 1e-3, 1e-3], [0.0, 0.5, 0.5 - 1e-3, 1e-3]]
    assert vote.hard(np.array(members, np.float32)[:, None]).tolist() == [0]


def test_labels_only_the_earliest_listed_member_decides_a_tie():
    choices = np.array([[2, 0, 1], [1, 1, 1], [1, 0, 0], [2, 1, 0]])
    assert vote.hard_labels(choices, 3).tolist() == [2, 0, 1]
    assert vote.hard_labels(choices[::-1], 3).tolist() == [2, 1, 0]


def test_real_votes_equal_a_brute_force_as_labels_and_as_one_hot_tables(cifar):
    choices, _ = cifar
    expected = [brute_force_labels(votes, 10) for votes in choices.T.tolist()]
    assert vote.hard_labels(choices, 10).tolist() == expected
    assert vote.hard(one_hot(choices, 10)).tolist() == expected


def test_vote_shares_are_probabilities_that_name_the_winner(draw):
    probabilities, _ = draw(4, 500, 4)
    winners = vote.hard(probabilities)
    shares = vote.vote_shares(probabilities.argmax(axis=2), winners, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(shares.argmax(axis=1), winners)


def test_shares_of_a_hand_worked_case():
    shares = vote.vote_shares(np.array([[0], [1], [1], [2]]), np.array([1]), 3)
    np.testing.assert_allclose(shares, [[0.2, 0.6, 0.2]], atol=1e-7)


def test_soft_is_the_mean_and_weighted_is_numpys_average(draw):
    probabilities, _ = draw(4, 200, 5)
    weights = np.array([0.5, 0, 2, 1.5])
    np.testing.assert_allclose(vote.soft(probabilities), probabilities.mean(axis=0), atol=1e-6)
    expected = np.average(probabilities, axis=0, weights=weights)
    np.testing.assert_allclose(vote.weighted(probabilities, weights), expected, atol=1e-6)


def test_rows_of_a_mixture_sum_to_1_where_the_members_rows_nearly_do(draw):
    probabilities, _ = draw(3, 50, 5)
    mixed = vote.soft(probabilities * np.float32(1 + 9e-5))
    np.testing.assert_allclose(mixed.sum(axis=1, dtype=float), 1, atol=3e-7)


def test_fitted_on_one_half_the_vote_beats_the_plurality_on_the_other(cifar):
    """Thirty published networks: every one of 20 random halves, and no worse than the best alone."""
    choices, labels = cifar
    data = stack_members(one_hot(choices, 10), labels)
    against_best = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(labels))
        fitted, other = data.take(order[: len(order) // 2]), data.take(order[len(order) // 2 :])
        weights = fit_stack(fitted, "log_loss").weights
        voted = vote.weighted(other.probabilities, weights).argmax(axis=1) == other.labels
        plurality = vote.hard(other.probabilities) == other.labels
        single = other.favourites[best_member(fitted, "accuracy")] == other.labels
        assert voted.mean() > plurality.mean()
        against_best.append(voted.mean() - single.mean())
    interval = 1.96 * np.std(against_best, ddof=1) / np.sqrt(20)
    print(f"ahead of the best single: {np.mean(against_best):.4f} +- {interval:.4f}")
    assert np.mean(against_best) > -interval
