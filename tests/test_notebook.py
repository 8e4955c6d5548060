"""The notebook of docs/ runs from its top to its end, with a real Ray, and shows what it is for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs/first.ipynb"


def test_it_is_stored_without_outputs():
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.mark.ray
@pytest.mark.slow
def test_it_runs_from_its_top_to_its_end(tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    notebook = nbformat.read(NOTEBOOK, 4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()

    def said(words: str) -> str:
        """What the cell printed and showed that has these words."""
        (cell,) = [own for own in notebook.cells if words in own.source and own.cell_type == "code"]
        shown = "".join(own.get("text", "") + str(own.get("data", "")) for own in cell.outputs)
        assert "\x1b[2K" not in shown  # no line is written anew: a cell has no cursor that moves
        return shown

    assert "6 units trained" in said("train-members")
    assert "6 of 6 units done" in said("status")
    assert "this weighted vote" in said("leaderboard")
    assert "<table" in said("oof.head()")
    assert "on rows that nothing was fitted to: macro F1 0." in said("estimate")
    assert "the most suspicious first by the run's vote" in said("audit first.yaml")
    assert "image/png" in said("sheet.png")
    assert "<b>first</b>: weighted vote, 18 classes" in said("Ensemble.load")
    assert "confidence" in said("ensemble.predict")
    assert "runner_up" in said("ensemble.explain")
    assert (tmp_path / "runs/first/report.html").is_file()
