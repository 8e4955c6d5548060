"""The power fails while a run writes: the same command goes on, and the tables are the same.

A disk in a file is copied while a real training writes to it; each copy is mounted, its journal
replayed, and the training goes on there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.power_cuts import Disk, cuts
from tests.faults.small_photographs import assert_same_tables, tables, write_photographs
from tests.orchestrator.command_line import ROOT
from tests.orchestrator.one_slot import commands

TRAIN = """
import sys
from pathlib import Path
from tests.orchestrator.one_slot import commands
with commands(Path(sys.argv[1])) as command:
    command("train-members", "spec.yaml")
"""


@pytest.fixture
def photos(tmp_path) -> Path:
    write_photographs(tmp_path)
    spec = tmp_path / "spec.yaml"
    spec.write_text(spec.read_text().replace("photos/", f"{tmp_path}/photos/"))
    return tmp_path


@pytest.fixture
def undisturbed(photos) -> dict[str, pd.DataFrame]:
    with commands(photos) as command:
        command("train-members", "spec.yaml")
    return tables(photos / "runs/small")


@pytest.mark.fault(
    "the power fails while a run writes",
    "the same command goes on, and the tables are the same",
)
@pytest.mark.parametrize(
    ("pause", "most"), [(0.4, 3), pytest.param(0.02, 100, marks=pytest.mark.slow)]
)
def test_a_run_goes_on_from_what_a_power_cut_left_at_any_moment(
    pause, most, photos, undisturbed, tmp_path, measured
):
    disk = Disk(tmp_path / "disk.img")
    with disk.mounted() as folder:
        (folder / "spec.yaml").write_text((photos / "spec.yaml").read_text())
        subprocess.run(["sync", "-f", folder], check=True)
        writer = subprocess.Popen([sys.executable, "-c", TRAIN, folder], cwd=ROOT)
        try:
            found = cuts(disk, writer, folder / "runs/small/units", pause)
        finally:
            writer.kill()
            writer.wait()
        assert writer.returncode == 0
        assert_same_tables(tables(folder / "runs/small"), undisturbed)
    assert len(found) >= 3
    step = max(1, len(found) // most)
    done = []
    for cut in found[step // 2 :: step]:
        with cut.mounted() as folder:
            done.append(len(list(folder.glob("runs/small/units/*/*/*/unit.json"))))
            with commands(folder) as command:
                with measured.clear_state():
                    command("train-members", "spec.yaml")
                command("vote", "spec.yaml", "--mode", "soft")
            assert_same_tables(tables(folder / "runs/small"), undisturbed)
            assert not empty_files(folder)
        cut.image.unlink()
    measured(tables_equal=True, units_kept=sum(done), units=2 * len(done))
    assert done[0] < 2, "the first cut came after the whole training"


def empty_files(folder: Path) -> list[Path]:
    """Below it, but for locks and what was set aside as damaged."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.stat().st_size]
    return [f for f in files if not f.name.endswith("lock") and "damaged" not in f.parts]
