"""The run of trained.py, in a folder of its own, with all its votes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrator.inference.trained import SPEC, VOTES
from tests.orchestrator.one_slot import commands


@pytest.fixture(scope="session")
def used(tmp_path_factory, eighteen_people) -> Path:
    """The folder in which it was trained; the run is `runs/used` there."""
    folder = tmp_path_factory.mktemp("used")
    (folder / "photos").symlink_to(eighteen_people / "photos")
    (folder / "spec.yaml").write_text(SPEC)
    with commands(folder) as run:
        for part in ("train", "eval"):
            run("prepare", "--remove-background", f"photos/{part}", f"black/{part}")
        run("train-members", "spec.yaml")
        for how in VOTES.values():
            run("vote", *how.split())
    return folder
