"""Teachers, trained once, and runs in which they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from members.training import fit
from tests.orchestrator.in_process import runs
from tests.orchestrator.worker.taught.students import SPEC, with_teachers


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


@pytest.fixture(scope="session")
def teachers(tmp_path_factory, eighteen_people) -> Path:
    """The units of the teachers, trained once for all runs of the same photographs and labels."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("teachers")
        run = runs(SPEC, folder, eighteen_people, patch)("r")
        run.train([*run.units("one"), *run.units("two")])
        return folder / "r"


@pytest.fixture
def taught(teachers):
    """`taught(run, *names)`: a run in which all units of the teachers are trained, and those of FOLD of
    the members `names`."""
    return lambda run, *names: with_teachers(run, teachers, *names)


@pytest.fixture
def watched(monkeypatch) -> dict:
    """What `fit` was given last."""
    seen, fitted = {}, fit.fit

    def watch(recipe, train, valid, *rest, **how):
        seen.update(recipe=recipe, train=train, valid=valid)
        return fitted(recipe, train, valid, *rest, **how)

    monkeypatch.setattr(fit, "fit", watch)
    return seen
