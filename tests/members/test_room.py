"""Copies on a disk of the machine's own: made once, kept while anybody reads them, the oldest gone first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from members.checked_array import size_of
from members.pixels.cache import NoRoom, pixels
from members.reading.copies import Copies
from members.reading.scan import scan
from members.room import OwnDisk, kept, making_room
from tests.members.data_fixtures import write_photo

SIZE = size_of((6, 12, 9, 3))
ROOT = Path(__file__).parent.parent.parent
OPEN = r"""
import os, sys, time
from members.pixels import cache
from members.room import OwnDisk
folder, limit, wait, side, *paths = sys.argv[1:]
from members.reading.scan import scan
digests = scan(paths)["digest"].tolist()
decode = cache.decode
def slowly(*given):
    os.write(1, b"decoding\n")  # threads do: a line at once
    time.sleep(float(wait))
    return decode(*given)
cache.decode = slowly
try:
    found = cache.pixels(
        paths, digests, size=(int(side), 9), crop=None, folder=folder, disk=OwnDisk(int(limit))
    )
    print("open", int(found[:].sum()), flush=True)
except cache.NoRoom:
    print("no room", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path) -> list[str]:
    return [str(write_photo(tmp_path / f"{i}.png", i)) for i in range(6)]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def process(paths, folder):
    """Start processes that open copies and keep them until their input ends."""
    started: list[subprocess.Popen] = []

    def start(limit: int, side: int = 12, wait: float = 0) -> subprocess.Popen:
        given = [str(folder), str(limit), str(wait), str(side), *paths]
        begun = subprocess.Popen(
            [sys.executable, "-c", OPEN, *given],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        started.append(begun)
        return begun

    yield start
    for begun in started:
        begun.kill()
        begun.communicate()


def said(process: subprocess.Popen) -> tuple[list[str], int]:
    """What it said last, and how many photos it decoded before."""
    for decoded, line in enumerate(process.stdout):
        if line != "decoding\n":
            return line.split(), decoded
    raise AssertionError("it ended")


def make(paths, folder, side: int, limit: int | None = None, **how):
    digests = scan(paths)["digest"].tolist()
    disk = OwnDisk(limit)
    return pixels(paths, digests, size=(side, 9), crop=None, folder=folder, disk=disk, **how)


def sides(folder: Path) -> list[int]:
    return sorted(int(file.name.partition("x")[0]) for file in folder.glob("*.npy"))


def age(folder: Path, side: int, seconds: int) -> None:
    (file,) = folder.glob(f"{side}x9-*.npy")
    then = time.time() - seconds
    os.utime(file, (then, then))


def test_what_was_opened_longest_ago_makes_room_and_no_more_than_is_needed(paths, folder):
    for side in (12, 13, 14):
        make(paths, folder, side)
    age(folder, 12, 100)
    age(folder, 13, 300)
    age(folder, 14, 200)
    limit = kept(folder)
    make(paths, folder, 11, limit)
    assert sides(folder) == [11, 12, 14]
    make(paths, folder, 14, limit)  # opened, so that 12 is the oldest by now
    make(paths, folder, 10, limit)
    make(paths, folder, 9, limit)
    assert sides(folder) == [9, 10, 14]
    assert kept(folder) <= limit


def test_without_a_limit_the_disk_is_one(paths, folder, monkeypatch):
    make(paths, folder, 12)
    monkeypatch.setattr("members.room.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    make(paths, folder, 11)
    assert sides(folder) == [11]


def test_what_another_process_reads_is_never_removed(paths, folder, process):
    limit = int(1.5 * SIZE)
    reader = process(limit)
    whole = said(reader)
    age(folder, 12, 1000)
    with pytest.raises(NoRoom):
        make(paths, folder, 13, limit)
    assert sides(folder) == [12]
    assert not list(folder.glob(".*.part"))
    reader.communicate("")  # its input ends, and so does it
    make(paths, folder, 13, limit)
    assert sides(folder) == [13]
    assert int(make(paths, folder, 12, limit)[:].sum()) == int(whole[0][1])


@pytest.mark.fault(
    "a process that reads decoded photographs on a machine's own disk is killed",
    "others remove them where they need the room",
)
def test_a_killed_reader_holds_nothing(paths, folder, process):
    reader = process(SIZE)
    said(reader)
    reader.send_signal(signal.SIGKILL)
    reader.wait()
    make(paths, folder, 11, SIZE)
    assert sides(folder) == [11]


@pytest.mark.fault(
    "a process that makes decoded copies on a machine's own disk is killed while others wait for it",
    "one of them makes them, the others read them, and nothing of the first is left",
)
def test_of_processes_that_start_at_once_one_decodes_and_one_killed_is_replaced(
    paths, folder, process
):
    first = process(10 * SIZE, wait=60)
    assert first.stdout.readline() == "decoding\n"
    others = [process(10 * SIZE) for _ in range(2)]
    first.send_signal(signal.SIGKILL)
    found = [said(other) for other in others]
    assert found[0][0] == found[1][0]
    assert sorted(decoded for _, decoded in found) == [0, 6]
    assert sides(folder) == [12]
    assert not list(folder.glob(".*.part"))


def test_two_that_make_room_at_once_stay_within_the_limit(paths, folder, process):
    limit = int(1.5 * SIZE)
    both = [process(limit, side, wait=0.05) for side in (12, 11)]
    found = sorted(said(own)[0][0] for own in both)
    assert found == ["no", "open"]
    assert len(sides(folder)) == 1
    assert kept(folder) <= limit


def test_where_room_cannot_be_had_nothing_is_removed(paths, folder):
    make(paths, folder, 12)
    with making_room(folder, 10 * SIZE, OwnDisk(9 * SIZE)) as has_room:
        assert not has_room
    assert sides(folder) == [12]
    with making_room(folder, SIZE, OwnDisk(SIZE)) as has_room:
        assert has_room
    assert sides(folder) == []


def test_copies_that_are_made_while_photographs_are_read_make_room_and_keep_their_own(
    paths, folder
):
    digests = scan(paths)["digest"].tolist()
    for side in (20, 12):
        make(paths, folder, side)
    age(folder, 12, 1000)
    wanted = [((side, 9), None) for side in (12, 11)]
    limit = size_of((6, 20, 9, 3)) + SIZE
    with Copies(paths, wanted, folder, OwnDisk(limit)) as copies:
        copies.finish(digests, wanted)
    assert sides(folder) == [11, 12]
    assert (np.asarray(make(paths, folder, 11)) > 0).any()


def test_what_is_damaged_and_has_no_room_to_be_made_again_is_decoded(paths, folder):
    opened = make(paths, folder, 12, SIZE)
    whole = opened[:]
    (file,) = folder.glob("*.npy")
    content = bytearray(file.read_bytes())
    content[128 + 4 * 12 * 9 * 3] ^= 1
    file.write_bytes(content)
    assert (opened[[5, 4, 4, 0]] == whole[[5, 4, 4, 0]]).all()
    assert sides(folder) == [12]
