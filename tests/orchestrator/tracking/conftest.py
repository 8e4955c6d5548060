"""A run of people drawn small, in this process, whose units are followed by trackers."""

from __future__ import annotations

import os

import pytest

from members.samples.people import draw_people
from tests.orchestrator.in_process import runs
from tests.orchestrator.tracking.followed import SPEC


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    draw_people(folder / "photos", profiles=14, eval=2, size=(64, 48))
    return folder


@pytest.fixture
def run(tmp_path, photos, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    return runs(SPEC, tmp_path, photos, monkeypatch)
