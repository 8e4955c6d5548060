"""Candidates are drawn, stopped by ASHA, and remembered across calls."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

from members.table import PROFILES
from orchestrator.search import MemberSearch, draw
from orchestrator.spec import Member, Search
from orchestrator.store import Store
from orchestrator.units import Photographs

EPOCHS = 8


@pytest.fixture
def photographs():
    labels = np.arange(36, dtype=np.int16) % 18
    frame = pd.DataFrame({"image_id": [f"i{i}" for i in range(36)], "group": [f"g{i}" for i in range(36)],
                          "digest": "d", "fold": np.arange(36, dtype=np.int16) % 2, "label": labels,
                          **PROFILES.decode(labels)})  # fmt: skip
    return Photographs(frame, None, PROFILES)


@pytest.fixture
def make(tmp_path, photographs):
    def make(**changes):
        settings = {
            "members": ["m"],
            "space": {"lr": {"log_uniform": [1e-4, 1e-2]}},
            "candidates": 6,
            "sampler": "random",
            "asha": {"grace_epochs": 2, "reduction_factor": 2},
        }
        member = Member(name="m", recipe={"model": "test_resnet", "epochs": EPOCHS})
        search = Search(**{**settings, **changes})
        return MemberSearch(member, search, photographs, Store(tmp_path))

    return make


def run(search: MemberSearch, curves: list[list[float]]) -> None:
    """Feed candidates one after the other, each with its curve, as a worker would."""
    while asked := search.ask():
        candidate, _ = asked
        for epoch, score in enumerate(curves[candidate.number], start=1):
            if search.epoch(candidate.number, epoch, score):
                break
        search.ended(candidate.number, "done", "")


def successive_halving(curves: list[list[float]], rungs=(2, 4)) -> list[int]:
    """ASHA by hand: epochs that each candidate runs, in the order they come."""
    seen: dict[int, list[float]] = {rung: [] for rung in rungs}
    epochs = []
    for curve in curves:
        for epoch, score in enumerate(curve, start=1):
            before = seen.get(epoch)
            if before is None:
                continue
            stops = bool(before) and score < np.percentile(before, 50)
            before.append(score)
            if stops:
                break
        epochs.append(epoch)
    return epochs


def test_asha_stops_whom_successive_halving_by_hand_stops(make):
    rng = np.random.default_rng(3)
    curves = [np.maximum.accumulate(c).tolist() for c in rng.random((6, EPOCHS))]
    search = make()
    run(search, curves)
    assert [c.epochs for c in search.candidates] == successive_halving(curves)
    assert {c.state for c in search.candidates} == {"done", "stopped"}


def test_a_stop_is_recorded_with_rung_cutoff_and_score(make, tmp_path):
    search = make(candidates=2)
    run(search, [[0.5] * EPOCHS, [0.1, 0.25] + [0.3] * 6])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "search/m.csv").read_text())))
    assert [row["state"] for row in rows] == ["done", "stopped"]
    assert [row["epochs"] for row in rows] == [str(EPOCHS), "2"]
    for part in ("rung 2", "0.2500", "0.5000"):
        assert part in rows[1]["reason"]


def test_a_candidate_in_its_last_epoch_is_never_stopped(make):
    search = make(candidates=2)
    curves = [[0.5] * EPOCHS, [0.5] * (EPOCHS - 1) + [0.1]]
    run(search, curves)
    assert [c.state for c in search.candidates] == ["done", "done"]


def test_the_best_finished_candidate_wins_and_loss_is_minimised(make):
    search = make(candidates=3, metric="loss", asha={"grace_epochs": EPOCHS})
    run(search, [[0.9] * EPOCHS, [0.4] * EPOCHS, [0.6] * EPOCHS])
    assert search.is_over()
    assert search.winner().number == 1


def test_a_failed_candidate_never_wins_and_none_may_be_left(make):
    search = make(candidates=2)
    for _ in range(2):
        candidate, _ = search.ask()
        search.epoch(candidate.number, 1, 0.9)
        search.ended(candidate.number, "failed", "the loss became nan in epoch 2 at lr 0.01")
    assert search.is_over()
    assert search.winner() is None
    assert "nan" in search.candidates[0].reason


def test_an_interrupted_search_goes_on_where_it_was(make):
    """The same candidates as an uninterrupted one; the running one is asked for again first."""
    whole = make()
    drawn = [whole.ask()[0].settings for _ in range(6)]

    first = make(seed=0)
    # a new object over the same folder stands for a new process
    assert [c.settings for c in first.candidates] == drawn
    again = [first.ask()[0] for _ in range(6)]
    assert [c.settings for c in again] == drawn
    assert first.ask() is None
    for candidate in again:
        first.epoch(candidate.number, EPOCHS, 0.1 * candidate.number)
        first.ended(candidate.number, "done", "")
    last = make()
    assert last.is_over()
    assert last.winner().settings == drawn[5]


def test_a_changed_space_starts_a_new_search(make):
    run(make(), [[0.5] * EPOCHS] * 6)
    assert make().is_over()
    assert make(space={"lr": {"uniform": [0.1, 0.2]}}).candidates == []


def test_candidates_never_repeat_and_a_small_space_ends_the_search(make):
    search = make(space={"loss": {"choice": ["f1", "focal"]}}, candidates=5)
    run(search, [[0.5] * EPOCHS] * 5)
    assert sorted(c.settings["loss"] for c in search.candidates) == ["f1", "focal"]
    assert search.is_over()


def test_draws_stay_in_the_space_and_depend_on_the_seed_alone():
    space = {"lr": {"log_uniform": [1e-4, 1e-2]}, "batch_size": {"int_uniform": [8, 16]},
             "dropout": {"uniform": [0.0, 0.5]}, "image_size": {"choice": [[64, 48], [96, 72]]}}  # fmt: skip
    for sampler in ("random", "tpe"):
        search = Search(members=["m"], space=space, sampler=sampler, candidates=40)
        told, rows = [], []
        for seed in range(40):
            settings = draw(search, told, seed)
            assert draw(search, told, seed) == settings
            assert 1e-4 <= settings["lr"] <= 1e-2
            assert settings["batch_size"] in range(8, 17)
            assert 0 <= settings["dropout"] <= 0.5
            assert settings["image_size"] in ([64, 48], [96, 72])
            told.append((settings, -abs(np.log10(settings["lr"]) + 2)))  # best at lr = 1e-2
            rows.append(np.log10(settings["lr"]))
        if sampler == "tpe":
            assert (
                np.mean(rows[20:]) > np.mean(rows[:13]) + 0.2
            )  # it learns where the good ones are
