"""Arrow's threads do not end a process with another exit code than its own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ensembles.files.parquet import write_table
from ensembles.files.table import Table

ROOT = Path(__file__).parents[3]


def test_a_table_read_just_before_the_end(tmp_path):
    """With 4 at once on 2 cores, one in twenty ended with 134."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(6), 600).astype(np.float32)
    table = Table(np.array([f"i{i}" for i in range(600)], object), probabilities)
    write_table(tmp_path / "test.parquet", table)
    command = [sys.executable, "-m", "orchestrator", "evaluate", "test.parquet", "--truth", "none"]

    def exit_code(_: int) -> int:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, check=False
        ).returncode

    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(exit_code, range(8))} == {2}
