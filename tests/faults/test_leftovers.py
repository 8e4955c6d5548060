"""What killed writers leave is removed by the next call, and never what a living one writes."""

from __future__ import annotations

import contextlib
import filecmp
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ensembles.unfinished
import members.unfinished
from tests.faults.small_photographs import write_photographs
from tests.orchestrator.command_line import ROOT
from tests.orchestrator.one_slot import commands

WRITERS = {
    "members, a file": "from members.files import replacing as writing",
    "members, a folder": "from members.files import new_folder as writing",
    "ensembles, a file": "from ensembles.files.places import writing",
    "ensembles, a folder": "from ensembles.files.places import writing_folder as writing",
}


@contextlib.contextmanager
def writer(how: str, target: Path) -> Iterator[subprocess.Popen]:
    """A process that is in the middle of writing `target`."""
    code = (
        f"import time\nfrom pathlib import Path\n{WRITERS[how]}\n"
        f"with writing(Path({str(target)!r})) as aside:\n"
        "    print('writing', flush=True)\n    time.sleep(600)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.readline()
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".*.part"))


@pytest.mark.fault(
    "a writer is killed, or stopped, in the middle of a file or folder",
    "what it left is removed once it is dead, and never before",
)
@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("remove", [members.unfinished, ensembles.unfinished])
def test_what_a_living_writer_writes_stays_until_it_dies(remove, how, tmp_path):
    with writer(how, tmp_path / "in/target") as running:
        (left,) = parts(tmp_path)
        remove.remove_unfinished(tmp_path)
        assert parts(tmp_path) == [left]
        os.kill(running.pid, signal.SIGSTOP)  # nothing is heard of it, and it lives
        remove.remove_unfinished(tmp_path)
        assert parts(tmp_path) == [left]
    remove.remove_unfinished(tmp_path)
    assert parts(tmp_path) == []


@pytest.mark.parametrize("how", WRITERS)
def test_the_next_process_that_writes_into_a_folder_removes_it(how, tmp_path):
    with writer(how, tmp_path / "target"):
        pass
    assert len(parts(tmp_path)) == 1
    with writer(how, tmp_path / "other"):
        assert len(parts(tmp_path)) == 1  # its own


@pytest.mark.fault(
    "a writer on another machine dies in the middle of a file",
    "what it left is removed after a day",
)
def test_another_machine_s_is_left_alone_for_a_day_and_foreign_files_for_ever(tmp_path):
    theirs = tmp_path / ".a.parquet.12-000000deadbeef.part"
    earlier = tmp_path / ".a.parquet.12-deadbeef.part"
    foreign = [tmp_path / name for name in (".x.part", "movie.part", ".a.12-DEADBEEF.part", ".tmp")]
    for file in (theirs, earlier, *foreign):
        file.write_text("half")
    members.unfinished.remove_unfinished(tmp_path)
    assert theirs.exists()
    assert earlier.exists()
    yesterday = time.time() - 25 * 3600
    for file in (theirs, earlier, *foreign):
        os.utime(file, (yesterday, yesterday))
    members.unfinished.remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(foreign)


@pytest.mark.fault(
    "writers of a run folder are killed in the middle of files",
    "the next `train-members` removes what they left, in every folder of the run",
)
def test_train_members_tidies_every_folder_of_its_run(tmp_path):
    write_photographs(tmp_path)
    places = [
        f"runs/small/{p}" for p in ("spec.yaml", "tables/net/oof.parquet", "votes/soft/vote.json",
                                    "search/net.csv", "units/net/x/fold-0/state.pt")
    ]  # fmt: skip
    with commands(tmp_path) as command:
        command("train-members", "spec.yaml")
        for place in places:
            with writer("ensembles, a file", tmp_path / place):
                pass
        with writer("ensembles, a file", tmp_path / "runs/small/units/net/y/state.pt"):
            assert len(parts(tmp_path)) == 6
            assert "Nothing to do" in command("train-members", "spec.yaml")
            assert [left.parent.name for left in parts(tmp_path)] == ["y"]


def test_both_packages_have_the_same_rule():
    assert filecmp.cmp(members.unfinished.__file__, ensembles.unfinished.__file__, shallow=False)
