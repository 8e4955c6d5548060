"""A run of people drawn small, in this process, whose units are followed by trackers."""

from __future__ import annotations

import os

import pytest

from tests.orchestrator.in_process import runs
from tests.orchestrator.tracking.followed import SPEC


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)
