"""The run of failed.py, trained once."""

from __future__ import annotations

import shutil

import pytest

from tests.faults.small_photographs import write_photographs
from tests.orchestrator import one_slot
from tests.orchestrator.unfinished.failed import (
    FAILING,
    SPEC,
    fail,
)


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A run of which two units failed, and what was printed."""
    folder = tmp_path_factory.mktemp("unfinished")
    write_photographs(folder)
    (folder / "spec.yaml").write_text(SPEC)
    with one_slot.commands(folder) as run, pytest.MonkeyPatch.context() as patch:
        fail(patch, FAILING)
        printed = run("train-members", "spec.yaml", code=1)
    return folder, printed


@pytest.fixture
def cwd(original, tmp_path):
    shutil.copytree(original[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def run(cwd):
    with one_slot.commands(cwd) as run:
        yield run
