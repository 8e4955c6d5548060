"""A member that trains one fold, and then another, on a real local Ray: trained, voted over, compared."""

from __future__ import annotations

import json

import pytest

from tests.orchestrator.command_line import orchestrator, unit_files

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SPEC = """\
name: e2e
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 32, model: test_resnet}
members:
  - {name: small}
  - {name: giant, model: test_efficientnet, folds: 1}
"""


def test_one_fold_and_then_two(place):
    cwd = place(SPEC)
    done = orchestrator("train-members", "spec.yaml", cwd=cwd)
    assert "member giant: 1 of 3 folds (0); its OOF table has" in " ".join(done.stdout.split())
    first = unit_files(cwd)
    assert len(first) == 4
    assert sum("/giant/" in unit for unit in first) == 1
    orchestrator("vote", "spec.yaml", "--mode", "weighted", cwd=cwd)
    vote = json.loads((cwd / "runs/e2e/votes/weighted/vote.json").read_text())
    rows = vote["missing_rows"]
    assert rows["members"] == {"small": rows["of"], "giant": rows["rows"]}
    assert rows["rows"] < rows["of"]
    assert (cwd / "runs/e2e/votes/weighted/submission.csv").exists()
    board = orchestrator("leaderboard", "spec.yaml", "--json", "found.json", cwd=cwd)
    assert "giant is trained in 1 of 3 folds (0)" in " ".join(board.stdout.split())
    found = json.loads((cwd / "found.json").read_text())
    assert {row["rows"]["rows"] for row in found} == {rows["rows"]}

    (cwd / "spec.yaml").write_text(SPEC.replace("folds: 1}", "folds: 2}"))
    done = orchestrator("train-members", "spec.yaml", cwd=cwd)
    assert "1 units trained, 4 were done before" in " ".join(done.stdout.split())
    second = unit_files(cwd)
    (new,) = second.keys() - first.keys()
    assert new.endswith("fold-1")
    assert first.items() <= second.items()
    assert "Nothing to do" in orchestrator("train-members", "spec.yaml", cwd=cwd).stdout
