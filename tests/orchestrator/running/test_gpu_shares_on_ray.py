"""Units that share a GPU on a real local Ray, whose GPU is a figure in its books: they train on the CPU."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from tests.orchestrator.command_line import environment

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SPEC = """\
name: shares
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 1, batch_size: 32}
members: [{name: net}]
tracking: []
"""
IN_THE_BOOKS = json.dumps({"CPU": 8, "GPU": 1})


def test_as_many_units_at_once_as_have_a_share_and_their_tables_are_the_same(
    eighteen_people, tmp_path
):
    (tmp_path / "photos").symlink_to(eighteen_people / "photos")
    (tmp_path / "spec.yaml").write_text(SPEC)

    def tables(share: str) -> pd.DataFrame:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", "train-members", "spec.yaml",
             "--run", f"run-{share}", "--set", f"resources.gpus={share}"],
            cwd=tmp_path, env=environment(tmp_path) | {"RAY_OVERRIDE_RESOURCES": IN_THE_BOOKS},
            capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        printed = " ".join(done.stdout.split())
        (slots,) = re.findall(r"3 units to train.* (\d+) at a time", printed)
        assert int(slots) == {"0.4": 2, "1": 1}[share]
        for record in tmp_path.glob(f"run-{share}/units/net/*/*/unit.json"):
            assert json.loads(record.read_text())["device"] == "cpu"
        return pd.read_parquet(tmp_path / f"run-{share}/tables/net/oof.parquet")

    pd.testing.assert_frame_equal(tables("0.4"), tables("1"), check_exact=True)
