"""A bundle answers photographs where numpy, pillow and onnxruntime are installed, and nothing else is."""

from __future__ import annotations

import csv
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from members.samples.people import draw_people
from orchestrator import Ensemble
from orchestrator.inference.bundles.export import Request, export_bundle
from tests.orchestrator.inference import made


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """The Python of a new environment. Skipped where no package index answers."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet",
               "--disable-pip-version-check", "numpy", "pillow", "onnxruntime"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index")
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
def test_drawn_people_in_an_environment_that_has_nothing_else(bare, tmp_path):
    draw_people(tmp_path / "people", profiles=7, eval=24)
    ensemble = made.made(tmp_path, made.rules()["mean"], prior=made.PRIOR)
    export_bundle(ensemble, {}, Request(str(tmp_path / "bundle")))
    photos = sorted(map(str, (tmp_path / "people/eval/images").glob("*.jpg")))
    without = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ['torch', 'cv2', 'members'])))"
    subprocess.run([str(bare), "-c", without], cwd=tmp_path, check=True)
    done = subprocess.run(
        [str(bare), "bundle/predict.py", *photos],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    _, *rows = csv.reader(done.stdout.splitlines())
    assert [row[0] for row in rows] == photos
    found = np.array([row[4:] for row in rows], float)
    expected = Ensemble(ensemble, "cpu").predict_proba(photos)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    batch = "import predict, numpy, sys; numpy.save('all.npy', predict.predict_proba(sys.argv[1:]))"
    subprocess.run(
        [str(bare), "-c", batch, *photos],
        cwd=tmp_path / "bundle", env={"PATH": "/usr/bin:/bin"}, check=True,
    )  # fmt: skip
    np.testing.assert_allclose(np.load(tmp_path / "bundle/all.npy"), expected, atol=1e-4)
