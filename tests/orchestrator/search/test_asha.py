"""Ray Tune's ASHA decides; the reasons of its stops, worked out beside it, agree with its books."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler

from orchestrator.search import asha
from orchestrator.search.asha import Bracket, rungs_of
from orchestrator.spec.search import Asha


def books_of(bracket: Bracket):
    """Ray Tune's own rungs: [(rung, {candidate: score})], from the highest down."""
    try:
        ((books,), _) = bracket._asha._brackets, bracket._asha._trial_info
        return books._rungs, books.cutoff
    except AttributeError:
        version = importlib.metadata.version("ray")
        pytest.skip(f"Ray {version} keeps the books of ASHA elsewhere: nothing to compare with")


def searches(seed: int):
    """A random bracket, and the epochs of its candidates in a random order, with their best scores.

    Candidates that were stopped go on reporting now and then, as late reports do; scores are often
    equal; some candidates skip epochs.
    """
    rng = np.random.default_rng(seed)
    epochs = int(rng.integers(1, 82))
    grace = int(rng.integers(1, epochs + 1))
    factor = float(rng.choice([2, 3, 4, 1.5, 2.5, rng.uniform(1.1, 6)]))
    bracket = Bracket(Asha(grace_epochs=grace, reduction_factor=factor), epochs)
    decimals = int(rng.choice([1, 2, 8]))
    n = int(rng.integers(1, 13))
    curves = np.round(np.maximum.accumulate(rng.normal(size=(n, epochs)), axis=1), decimals)
    done = np.zeros(n, int)

    def events():
        while (done < epochs).any():
            candidate = int(rng.choice(np.flatnonzero(done < epochs)))
            done[candidate] = min(epochs, done[candidate] + rng.choice([1, 1, 1, 2, 5]))
            epoch = int(done[candidate])
            stopped = yield f"m/{candidate}", epoch, float(curves[candidate, epoch - 1])
            if stopped and rng.random() < 0.9:
                done[candidate] = epochs

    return bracket, events()


@pytest.mark.parametrize("part", range(6))
def test_reasons_agree_with_the_books_of_ray_tune_s_scheduler(part):
    stops = goes = 0
    for seed in range(100 * part, 100 * (part + 1)):
        bracket, events = searches(seed)
        rungs, cutoff_of = books_of(bracket)
        stop = None
        while True:
            try:
                candidate, epoch, score = events.send(stop)
            except StopIteration:
                break
            before = {rung: dict(scores) for rung, scores in rungs}
            reached = max((rung for rung in before if rung <= epoch), default=None)
            stop = bracket.report(candidate, epoch, score)
            assert bracket._rungs == dict(rungs)
            if reached is None or candidate in before[reached]:
                assert stop is None
                continue
            cutoff = cutoff_of(before[reached])
            assert (stop is not None) == (cutoff is not None and score < cutoff)
            goes += stop is None
            if stop:
                stops += 1
                assert (stop.rung, stop.cutoff) == (reached, cutoff)
                assert stop.compared == len(before[reached]) > 0
    assert min(stops, goes) > 100


def test_rungs_are_those_of_ray_tune_also_where_logarithms_round():
    for epochs in range(1, 260):
        for factor in (2, 3, 4, 5, 6, 7, 1.5, 2.5, 10):
            for grace in {1, 2, 3, 5, 9, epochs} & set(range(1, epochs + 1)):
                bracket = Bracket(Asha(grace_epochs=grace, reduction_factor=factor), epochs)
                rungs, _ = books_of(bracket)
                assert rungs_of(grace, epochs, factor) == [rung for rung, _ in reversed(rungs)]


def test_a_stop_by_hand():
    """Rungs 2, 4, 8; the best half of each goes on."""
    bracket = Bracket(Asha(grace_epochs=2, reduction_factor=2), 8)
    for epoch in range(1, 9):
        assert bracket.report("a", epoch, 0.5) is None
    assert bracket.report("b", 1, 0.1) is None
    assert bracket.report("b", 2, 0.1) == asha.Stop(rung=2, cutoff=0.5, compared=1)
    assert bracket.report("c", 2, 0.3) is None  # exactly the median of 0.5 and 0.1
    assert bracket.report("c", 4, 0.4) == asha.Stop(rung=4, cutoff=0.5, compared=1)


def test_ray_tune_decides_also_where_its_rungs_are_not_known_here(monkeypatch):
    monkeypatch.setattr(asha, "rungs_of", lambda *_: [])
    bracket = Bracket(Asha(grace_epochs=1, reduction_factor=2), 4)
    assert bracket.report("a", 1, 0.5) is None
    assert bracket.report("b", 1, 0.4) == asha.Stop(rung=1, cutoff=None, compared=0)


def test_only_public_methods_of_the_scheduler_are_called(monkeypatch):
    """A scheduler of which nothing but its public names can be reached serves as well."""

    class Public:
        def __init__(self, **settings):
            self.inner = AsyncHyperBandScheduler(**settings)
            self.on_trial_add = self.inner.on_trial_add
            self.on_trial_result = self.inner.on_trial_result

    monkeypatch.setattr("ray.tune.schedulers.AsyncHyperBandScheduler", Public)
    bracket = Bracket(Asha(grace_epochs=1, reduction_factor=2), 4)
    assert bracket.report("a", 1, 0.5) is None
    assert bracket.report("b", 1, 0.4) == asha.Stop(rung=1, cutoff=0.5, compared=1)


def test_a_bracket_that_recalls_scores_decides_as_the_one_that_was_told_them():
    told, recalling = (Bracket(Asha(grace_epochs=1, reduction_factor=2), 4) for _ in range(2))
    scores = np.random.default_rng(0).random((12, 4)).cumsum(axis=1)
    for name, own in enumerate(scores[:8]):
        for epoch, score in enumerate(own, start=1):
            told.report(str(name), epoch, score)
            recalling.recall(str(name), epoch, score)
    for name, own in enumerate(scores[8:], start=8):
        for epoch, score in enumerate(own, start=1):
            decision = told.report(str(name), epoch, score)
            assert recalling.report(str(name), epoch, score) == decision
    assert books_of(recalling)[0] == books_of(told)[0]


def test_to_recall_a_search_that_is_over_imports_no_ray():
    code = (
        "import sys\n"
        "from orchestrator.search.asha import Bracket\n"
        "from orchestrator.spec.search import Asha\n"
        "Bracket(Asha(grace_epochs=1, reduction_factor=2), 4).recall('a', 1, 0.5)\n"
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
