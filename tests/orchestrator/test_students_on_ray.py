"""A member with pseudo-labels and a student of the vote on a real local Ray: killed in the middle, called
again, voted over.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.orchestrator.command_line import (
    finished,
    kill_everything,
    orchestrator,
    start_training,
    table,
    wait_for,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SPEC = """\
name: e2e
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 32, model: test_resnet, select: last}
members:
  - {name: student, epochs: 12, pseudo: {of: [one, two], at_least: 0.06}}
  - {name: pupil, teacher: {vote: soft}}
  - {name: one}
  - {name: two, model: test_efficientnet, epochs: 1}
"""


def record(unit: Path) -> dict:
    return json.loads((unit / "unit.json").read_text())


def test_teachers_then_their_student_whenever_the_command_is_killed(place):
    cwd = place(SPEC)
    printed = cwd / "killed.txt"
    with printed.open("w") as output:
        driver = start_training(cwd, output)
        try:
            wait_for("units/student/*/fold-*/state.pt", cwd, driver, printed)
        finally:
            kill_everything(driver)
    begun = {path.parent.name for path in cwd.glob("runs/e2e/units/student/*/*/state.pt")}
    assert begun
    there = {str(unit) for unit in finished(cwd)}
    for fold in begun:
        assert any("/one/" in unit and unit.endswith(fold) for unit in there)
        assert any("/two/" in unit and unit.endswith(fold) for unit in there)

    done = orchestrator("train-members", "spec.yaml", cwd=cwd)
    assert "photos to predict are learnt from, labelled by one and two" in " ".join(
        done.stdout.split()
    )
    units = {f"{unit.parts[-3]}/{unit.name}": unit for unit in finished(cwd)}
    assert len(units) == 8
    for fold in ("fold-0", "fold-1"):
        student = record(units[f"student/{fold}"])
        teachers = [units[f"{name}/{fold}"] for name in ("one", "two")]
        assert all(record(own)["ended"] <= student["ended"] for own in teachers)
        tables = [pd.read_parquet(own / "test.parquet").filter(regex=r"^p\d") for own in teachers]
        mean = np.mean([own.to_numpy(float) for own in tables], axis=0).astype(np.float32)
        sure = mean.max(1) >= np.float32(0.06)
        assert student["pseudo"]["taken"] == sure.sum() > 0
        written = pd.read_csv(units[f"student/{fold}"] / "pseudo.csv")
        ids = pd.read_csv(cwd / "photos/eval/info.csv")["ImageID"].to_numpy()
        assert list(written["image_id"]) == list(ids[sure])
        assert written["probability"].to_numpy() == pytest.approx(mean.max(1)[sure])
    for fold, other in ((0, 1), (1, 0)):
        pupil = units[f"pupil/fold-{fold}"]
        teachers = [units[f"{name}/fold-{other}"] for name in ("one", "two")]
        assert all(record(own)["ended"] <= record(pupil)["ended"] for own in teachers)
        oof = [pd.read_parquet(own / "oof.parquet").set_index("image_id") for own in teachers]
        mean = sum(own.filter(regex=r"^p\d").astype(float) for own in oof) / 2
        taught = pd.read_parquet(pupil / "teacher.parquet").set_index("image_id")
        assert (taught["fold"] == other).all()
        said = taught.filter(regex=r"^p\d").to_numpy()
        assert said == pytest.approx(mean.loc[taught.index].to_numpy(), abs=1e-6)
    assert len(table(cwd, "student", "oof")) == len(table(cwd, "one", "oof"))

    assert "Nothing to do" in orchestrator("train-members", "spec.yaml", cwd=cwd).stdout
    voted = orchestrator("vote", "spec.yaml", "--mode", "weighted", "--json", "vote.json", cwd=cwd)
    said = " ".join(voted.stdout.split())
    assert "student learnt photos to predict" in said
    assert "pupil learnt to answer as a vote of one and two" in said
    assert set(json.loads((cwd / "vote.json").read_text())["members"]) == {"student", "one", "two"}
