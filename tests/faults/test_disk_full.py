"""A disk that is full or fails: a sentence that names it and exit code 1, and on when there is room."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensembles.files import places
from members.files import replacing
from orchestrator.cli import app
from orchestrator.cluster.private import private_folder
from orchestrator.errors import disk_problem
from orchestrator.worker.reports import describe
from tests.faults.small_photographs import assert_same_tables, tables, write_photographs
from tests.faults.started_command import photographs, started
from tests.orchestrator.one_slot import commands


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own at `folder`; skipped where this user cannot mount one."""
    folder.mkdir()
    how = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(how, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount")
    if done.returncode:
        pytest.skip(f"no disk can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(1 << 16))
    return filler


@pytest.fixture
def disk() -> Iterator[Path]:
    # a short path: Ray's sockets are below it
    short = tempfile.TemporaryDirectory(dir="/tmp", prefix="")
    with short as folder, small_disk(Path(folder) / "d", 2) as disk:
        yield disk


def test_every_writer_names_what_did_not_fit(disk):
    fill(disk)
    big = bytes(1 << 20)
    for write in (
        lambda file: places.write_bytes(file, big),
        lambda file: replacing_with(file, big),
    ):
        with pytest.raises(OSError, match="No space left") as caught:
            write(disk / "file")
        text = disk_problem(caught.value)
        assert text.startswith(
            f"The disk at {disk} is full (now 0.0 MB of 2.1 MB free): {disk}/file"
        )
        assert describe(caught.value) == text
        assert [f.name for f in disk.iterdir()] == ["filler"]


def replacing_with(file: Path, content: bytes) -> None:
    with replacing(file) as aside:
        aside.write_bytes(content)


@pytest.mark.parametrize(
    ("number", "state"),
    [(errno.EDQUOT, "no room left for this user"), (errno.EROFS, "is read-only"),
     (errno.EIO, "fails (input/output error"), (errno.ESTALE, "is gone")],
)  # fmt: skip
def test_other_troubles_of_disks_are_named_too(number, state, tmp_path):
    error = OSError(number, "whatever", str(tmp_path / "file"))
    text = disk_problem(error)
    assert state in text
    assert f"{tmp_path}/file" in text


def test_an_error_of_a_terminal_is_none_of_a_disk():
    assert disk_problem(OSError(errno.EIO, "Input/output error")) is None
    assert disk_problem(OSError(errno.ENOTCONN, "not connected")) is None


@pytest.mark.fault("the disk of the run folder is full when a command begins", "a sentence, exit 1")
def test_a_command_that_finds_the_disk_full(disk, tmp_path, monkeypatch, capsys):
    photographs(tmp_path)
    fill(disk)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    words = ["orchestrator", "train-members", "spec.yaml", "--run", str(disk / "run")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        app.main()
    printed = capsys.readouterr()
    assert end.value.code == 1, printed
    line, again = printed.err.splitlines()
    assert line.startswith(f"The disk at {disk} is full (now 0.0 MB of 2.1 MB free)")
    assert line.endswith("Nothing is lost: the same command goes on from here.")
    assert again == f"python -m orchestrator train-members spec.yaml --run {disk / 'run'}"


@pytest.mark.fault(
    "the disk of the cache has too little room for decoded photographs",
    "they are decoded batch by batch, the tables are the same",
)
def test_a_cache_without_room_streams(disk, tmp_path):
    write_photographs(tmp_path)
    large = ("--set", "defaults.image_size=[128, 128]")  # 1.18 MB of copies
    with commands(tmp_path) as command:
        command("train-members", "spec.yaml", "--run", "whole", *large)
        os.truncate(filler := fill(disk), filler.stat().st_size - 1_200_000)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ENSEMBLE_CACHE", str(disk / "cache"))
            printed = command("train-members", "spec.yaml", "--run", "streamed", *large)
    said = f"more have room in {disk}/cache: photographs are decoded batch by batch"
    assert said in printed.replace("\n", " ")
    assert_same_tables(tables(tmp_path / "whole"), tables(tmp_path / "streamed"))
    assert [file.name[:7] for file in (disk / "cache").glob("*.npy")] == ["128x128"]


@pytest.mark.fault("no room for Ray's own files", "a sentence, exit 1, before Ray is started")
def test_ray_is_not_started_where_its_files_have_no_room(disk, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(disk))
    with pytest.raises(OSError, match="RAY_TMPDIR") as caught, private_folder():
        pass
    assert disk_problem(caught.value).startswith(f"The disk at {disk} is full")
    assert list(disk.iterdir()) == []


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault(
    "the disk fills up while units train", "a sentence, exit 1, on when there is room"
)
def test_a_disk_that_fills_up_while_units_train(tmp_path, measured):
    photographs(tmp_path)
    words = ("-m", "orchestrator", "train-members", "spec.yaml")
    with small_disk(tmp_path / "disk", 40) as disk:
        where = ("--run", str(disk / "run"))
        with started(tmp_path, *words, *where) as command:
            command.wait_for_an_epoch(disk / "run")
            filler = fill(disk)
            with measured.clear_state():
                assert command.end() == 1
            assert "Traceback" not in command.printed
            assert "Aborted" not in command.printed
            last = command.printed.splitlines()[-3:]
            assert any(f"The disk at {disk} is full" in line for line in last), command.printed
            again = f"python -m orchestrator train-members spec.yaml --run {disk / 'run'}"
            assert f"Mend the disk and run the same command again. {again}" in " ".join(
                command.printed.split()
            )
        filler.unlink()
        shorter = ("--set", "defaults.epochs=2")
        done = subprocess.run(
            [sys.executable, *words, *where, *shorter], cwd=tmp_path, check=False,
            env=command.environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
