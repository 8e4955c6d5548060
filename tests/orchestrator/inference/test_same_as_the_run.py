"""A run asked again about its own photographs to predict says what its tables and votes say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ensembles
from orchestrator import Ensemble
from tests.orchestrator.inference.trained import VOTES


def photos(folder: Path) -> list[Path]:
    return sorted((folder / "photos/eval/images").glob("*.jpg"))


def of_run(folder: Path, table: str) -> np.ndarray:
    """Probabilities of the run's own table, in the order of `photos`."""
    found = ensembles.read_table(folder / "runs/used" / table)
    order = {own: row for row, own in enumerate(found.ids)}
    return found.probabilities[[order[own.name] for own in photos(folder)]]


@pytest.mark.parametrize("vote", VOTES)
def test_every_vote_of_the_run_is_given_again(used, vote):
    asked = Ensemble.load(used / "runs/used", vote, device="cpu").predict_proba(photos(used))
    voted = of_run(used, f"votes/{vote}/probabilities.parquet")
    np.testing.assert_allclose(asked, voted, atol=1e-5)
    assert (asked.argmax(axis=1) == voted.argmax(axis=1)).all()


def test_every_member_join_and_stack_says_what_its_test_table_says(used):
    ensemble = Ensemble.load(used / "runs/used", "weighted", every_member=True)
    answers = ensemble.answers(photos(used), tables=True)
    names = {path.name for path in (used / "runs/used/tables").iterdir()}
    assert set(answers.tables) == names
    for name, probabilities in answers.tables.items():
        table = of_run(used, f"tables/{name}/test.parquet")
        np.testing.assert_allclose(probabilities, table, atol=1e-5, err_msg=name)


def test_how_many_are_asked_at_once_changes_no_answer(used, monkeypatch):
    ensemble = Ensemble.load(used / "runs/used", "weighted")
    together = ensemble.predict_proba(photos(used))
    monkeypatch.setattr("orchestrator.inference.ensemble.BLOCK_PHOTOS", 3)
    np.testing.assert_allclose(ensemble.predict_proba(photos(used)), together, atol=1e-6)
    np.testing.assert_allclose(ensemble.predict_proba(photos(used)[5]), together[5:6], atol=1e-6)


def test_only_members_with_influence_are_loaded(used):
    members = {"seeds", "best", "common", "views", "ages", "faces", "cut"}
    for vote in VOTES:
        trained = Ensemble.load(used / "runs/used", vote).trained
        parts = {part.name for part in trained.members}
        moving = {name for name, weight in trained.record.weights.items() if weight}
        assert moving & members <= parts <= members, vote
    # weight 0 in the one vote, and what a join and a stack are made of in the other
    assert {part.name for part in Ensemble.load(used / "runs/used", "soft").trained.members} == (
        members - {"cut"}
    )
    assert {part.name for part in Ensemble.load(used / "runs/used", "hard").trained.members} == (
        members
    )
