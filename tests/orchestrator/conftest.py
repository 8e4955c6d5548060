"""One run of three members, one of them searched, shared by the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from members import sample
from tests.orchestrator.commands import SPEC, orchestrator


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "photos"
    sample.draw(folder, profiles=44, eval=60, seed=5, size=(96, 72))
    return folder


@pytest.fixture(scope="session")
def place(photos, tmp_path_factory):
    """A new working folder with the photographs and a spec file."""

    def place(spec: str = SPEC) -> Path:
        cwd = tmp_path_factory.mktemp("work")
        (cwd / "photos").symlink_to(photos)
        (cwd / "spec.yaml").write_text(spec)
        return cwd

    return place


@pytest.fixture(scope="session")
def trained(place) -> Path:
    cwd = place()
    done = orchestrator("train-members", "spec.yaml", cwd=cwd)
    (cwd / "output.txt").write_text(done.stdout)
    return cwd
