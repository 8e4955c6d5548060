"""Lazy votes and votes within a budget: the answers of the whole vote, or of a smaller one, cheaper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ensembles
from ensembles.voting.request import VoteRequest
from members.errors import BadInput
from orchestrator import Ensemble
from orchestrator.inference import budget
from orchestrator.inference.budget import within
from orchestrator.inference.lazy import LazyAsker
from orchestrator.runs.contents import groups_of
from orchestrator.runs.store import Store

LAZY = ["hard", "soft", "weighted-log_loss", "weighted-macro_f1"]


def photos(folder: Path) -> list[Path]:
    return sorted((folder / "photos/eval/images").glob("*.jpg"))


@pytest.mark.parametrize("vote", LAZY)
@pytest.mark.parametrize("by_oof", [pytest.param(True, marks=pytest.mark.slow), False])
def test_lazy_answers_are_those_of_the_whole_vote(used, vote, by_oof, monkeypatch):
    monkeypatch.setattr("orchestrator.inference.ensemble.BLOCK_PHOTOS", 7)
    ensemble = Ensemble.load(used / "runs/used", vote)
    lazily = LazyAsker(ensemble.trained, str(used / "runs/used/tables") if by_oof else None)
    asked = ensemble.answers(photos(used), lazily=lazily)
    whole = ensemble.predict_proba(photos(used))
    np.testing.assert_array_equal(asked.probabilities.argmax(axis=1), whole.argmax(axis=1))
    voters = len(lazily.order)
    assert ((asked.asked >= 1) & (asked.asked <= voters)).all()
    every = asked.asked == voters
    np.testing.assert_allclose(asked.probabilities[every], whole[every], atol=1e-6)
    assert lazily.passes.photos == len(photos(used))
    assert max(lazily.passes.asked.values()) <= len(photos(used))


def test_a_member_of_a_join_and_of_a_stack_is_asked_once_a_photo(used):
    ensemble = Ensemble.load(used / "runs/used", "soft")
    lazily = LazyAsker(ensemble.trained, None)
    looked_at: dict[str, int] = {}
    asked = dict(ensemble._members)

    def counting(name):
        def ask(pixels):
            looked_at[name] = looked_at.get(name, 0) + len(pixels)
            return asked[name](pixels)

        return ask

    ensemble.__dict__["_members"] = {name: counting(name) for name in asked}
    ensemble.answers(photos(used), lazily=lazily)
    assert looked_at == {name: n for name, n in lazily.passes.asked.items() if n}


def test_a_vote_without_bounds_is_refused_with_one_that_has_them(used, command):
    code, _, err = command(
        "predict",
        "--run",
        used / "runs/used",
        photos(used)[0],
        "--vote",
        "weighted-stacker",
        "--lazy",
    )
    assert code == 2
    assert "are stackers" in err
    assert "Nearest is the vote --choice" in err
    assert not Path("predictions.csv").exists()


def test_what_lazy_saves_is_printed_and_stands_in_the_csv(used, command):
    code, out, _ = command(
        "predict", "--run", used / "runs/used", *photos(used), "--vote", "hard", "--lazy"
    )
    assert code == 0
    assert "passes of a member over a photo saved" in out
    assert pd.read_csv("predictions.csv")["asked"].between(1, 7).all()
    code, _, err = command(
        "predict", "--run", used / "runs/used", *photos(used), "--lazy", "--members", "--overwrite"
    )
    assert code == 2
    assert "--members beside --lazy" in err


@pytest.fixture
def costs(monkeypatch):
    """As if each member took so many milliseconds."""
    known = {
        "seeds": 8.0,
        "best": 2.0,
        "common": 3.0,
        "views": 9.0,
        "cut": 1.0,
        "ages": 2.0,
        "faces": 4.0,
    }
    monkeypatch.setattr(budget, "measured", lambda ensemble: known)
    return known


def test_the_best_sub_ensemble_within_a_budget_is_that_of_the_front(used, costs):
    run = used / "runs/used"
    ensemble = Ensemble.load(run, "soft", every_member=True)
    oof = ensembles.read_members(run / "tables", "oof", ensemble.trained.voters)
    request, groups = VoteRequest(mode="soft"), groups_of(Store(run))
    own = {"joined": 6.0, "second": 10.0}
    for name, table in oof.items():
        table.meta["milliseconds_per_photo"] = own.get(name) or costs[name]
    front = ensembles.pareto(oof, request, groups=groups)
    for limit in (5.0, 14.0, 1000.0):
        fitting = [point for point in front["points"] if point["milliseconds"] <= limit]
        best = max(fitting, key=lambda point: point["macro_f1"])
        found = within(limit, ensemble, oof, request, groups)
        assert set(found.trained.voters) == set(best["members"])
        # and it answers as that vote of those members' tables does
        answers = ensemble.of(found.trained).predict_proba(photos(used))
        tables = ensembles.read_members(run / "tables", "test", best["members"])
        vote = ensembles.cast({}, tables, VoteRequest(mode="soft"))
        order = {image_id: row for row, image_id in enumerate(vote.ids)}
        expected = vote.probabilities[[order[path.name] for path in photos(used)]]
        np.testing.assert_allclose(answers, expected, atol=1e-5)
    with pytest.raises(BadInput, match=r"the cheapest vote, cut, takes 1\.00") as error:
        within(0.5, ensemble, oof, request, groups)
    assert "Allow 1 or more" in str(error.value)


def test_a_budget_is_refused_where_the_vote_cannot_be_fitted_again(used, command):
    given = ["predict", "--run", used / "runs/used", photos(used)[0], "--budget-ms"]
    for value, vote, text in (
        ("-1", "hard", "--budget-ms -1: must be a number of milliseconds a photo above 0"),
        ("9", "weighted-macro_f1", "--vote weighted-macro_f1 beside --budget-ms"),
    ):
        code, _, err = command(*given, value, "--vote", vote)
        assert code == 2
        assert text in err
