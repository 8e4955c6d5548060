"""What is averaged is chosen on other rows than those that are scored; what falls behind is not taken."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from orchestrator.inference.soups import choice
from orchestrator.inference.soups.choice import ALL, GREEDY, SINGLE, UNIFORM, Rows

N, K = 120, 3
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, K, N)
GROUPS = np.repeat(np.arange(40), 3)
PARTS = np.repeat(np.arange(40) % 4, 3)
ROWS = Rows(LABELS, GROUPS, PARTS)
BOTH = {"log_loss": None, "macro_f1": None}


def sure(of: np.ndarray | float) -> np.ndarray:
    """(N, K) with the chance `of` for the true class of each row."""
    of = np.broadcast_to(of, N)
    found = np.repeat(((1 - of) / (K - 1))[:, None], K, axis=1)
    found[np.arange(N), LABELS] = of
    return found.astype(np.float32)


def every_soup(n: int) -> list[tuple[int, ...]]:
    return [own for size in range(1, n + 1) for own in itertools.combinations(range(n), size)]


def test_greedy_takes_what_does_not_make_the_mean_worse():
    chances = {(0,): 0.6, (1,): 0.7, (2,): 0.5, (0, 1): 0.8, (1, 2): 0.9, (0, 1, 2): 0.75}
    tables = {own: sure(chance) for own, chance in chances.items()}
    # from 1 on; 0 helps; 2 then would not, though 1 and 2 alone were the best of all
    assert choice.greedy(tables.__getitem__, 3, LABELS, np.ones(N, bool)) == (0, 1)
    tables[0, 1] = sure(0.7)
    tables[0, 1, 2] = sure(0.71)
    assert choice.greedy(tables.__getitem__, 3, LABELS, np.ones(N, bool)) == (0, 1, 2), (
        "as good is taken"
    )
    assert choice.best_single(tables.__getitem__, 3, LABELS, np.ones(N, bool)) == (1,)


def test_greedy_is_that_of_the_paper_on_drawn_tables():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        tables = {own: rng.dirichlet(np.ones(K), N).astype(np.float32) for own in every_soup(4)}
        rows = rng.random(N) < 0.5

        def loss(own, tables=tables, rows=rows):
            chances = tables[own][rows].astype(float)
            chances /= chances.sum(axis=1, keepdims=True)
            return log_loss(LABELS[rows], chances, labels=range(K))

        held, order = [], sorted(range(4), key=lambda i: loss((i,)))
        for i in order:
            if not held or loss(tuple(sorted([*held, i]))) <= loss(tuple(sorted(held))):
                held.append(i)
        assert choice.greedy(tables.__getitem__, 4, LABELS, rows) == tuple(sorted(held))


def test_a_part_is_answered_by_what_was_chosen_without_it():
    """Each of four networks knows one part by heart: chosen on that part it would look perfect."""
    tables = {own: sure(0.4) for own in every_soup(4)}
    for i in range(4):
        tables[i,] = sure(np.where(i == PARTS, 0.99, 0.35))
    judged = choice.judge(tables.__getitem__, 4, ROWS, BOTH)
    for name in (GREEDY, SINGLE):
        assert judged.scores[name]["log_loss"][0] >= -np.log(0.41), name
    true = np.take_along_axis(judged.tables[SINGLE], LABELS[:, None], 1)
    np.testing.assert_allclose(true, 0.35, atol=1e-6)
    np.testing.assert_allclose(
        judged.tables[ALL], np.mean([tables[i,] for i in range(4)], axis=0), atol=1e-6
    )


def test_how_far_behind_is_paired_and_by_group():
    one, two = (RNG.dirichlet(np.ones(K), N) for _ in range(2))
    gaps = choice.behind(one.astype(np.float32), two.astype(np.float32), ROWS, BOTH)
    losses = [-np.log(own[np.arange(N), LABELS]) for own in (one, two)]
    difference = losses[0] - losses[1]
    assert gaps["log_loss"][0] == pytest.approx(difference.mean(), abs=1e-5)
    sums = np.bincount(GROUPS, difference - difference.mean())
    error = np.sqrt(sums @ sums * 40 / 39) / N
    assert gaps["log_loss"][1] == pytest.approx(error, rel=1e-4)
    f1 = [f1_score(LABELS, own.argmax(1), average="macro") for own in (one, two)]
    assert gaps["macro_f1"][0] == pytest.approx(f1[1] - f1[0])


@pytest.mark.parametrize(
    ("uniform", "greedy", "accepted"),
    [(0.7, 0.7, UNIFORM), (0.9, 0.7, UNIFORM), (0.4, 0.7, GREEDY), (0.4, 0.5, None)],
)
def test_the_first_soup_that_is_not_behind_is_taken(uniform, greedy, accepted):
    noise = np.random.default_rng(1).uniform(-0.02, 0.02, N)
    tables = {(i,): sure(0.69 + noise) for i in range(3)}
    tables[0,] = sure(greedy - 0.01 + 0 * noise) if greedy < 0.69 else tables[0,]
    tables |= {own: sure(0.4) for own in every_soup(3) if len(own) == 2}
    tables[0, 1, 2] = sure(uniform - noise)
    if accepted is None:
        # every network is good for other rows: their mean is better than any of them
        tables |= {(i,): sure(np.where(np.arange(N) % 3 == i, 0.95, 0.3)) for i in range(3)}
    judged = choice.judge(tables.__getitem__, 3, ROWS, BOTH)
    assert judged.accepted == accepted


def test_a_vote_is_judged_by_its_objective_and_by_log_loss():
    values = {"age": np.array([0, 0, 1])}
    assert choice.measured_by(None, {}) == BOTH
    assert choice.measured_by("log_loss", {}) == {"log_loss": None}
    found = choice.measured_by("f1_macro:age", values)
    assert list(found) == ["macro_f1:age", "log_loss"]
    assert found["macro_f1:age"] is values["age"]
    assert list(choice.measured_by("macro_f1:age", {})) == ["macro_f1", "log_loss"]
