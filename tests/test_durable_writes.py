"""What is written is whole and on the disk, whatever dies: the same of members and of ensembles."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ensembles.files import places
from members import files


@pytest.mark.parametrize("writer", ["ensembles.files.places", "members.files"])
def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_content(writer, tmp_path):
    code = (
        f"import itertools\nfrom {writer} import write_bytes\n"
        "print('go', flush=True)\n"
        "for n in itertools.count():\n"
        f"    write_bytes({str(tmp_path / 'file')!r}, bytes([n % 2]) * 3_000_000)\n"
    )
    torn = []
    for delay in (0.0, 0.003, 0.01, 0.02, 0.03, 0.05):
        running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        running.stdout.readline()
        until = time.monotonic() + delay
        while time.monotonic() < until or not (tmp_path / "file").exists():
            if (tmp_path / "file").exists():
                torn += [whole(tmp_path / "file")]  # a reader beside the living writer
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdout.close()
        torn += [whole(tmp_path / "file")]
        for left in names(tmp_path):  # of a dead writer its number remains
            assert left == "file" or re.fullmatch(rf"\.file\.{running.pid}-\w+\.part", left)
            (tmp_path / left).unlink() if left != "file" else None
    assert torn
    assert all(torn)


def whole(path: Path) -> bool:
    content = path.read_bytes()
    return content in (bytes([0]) * 3_000_000, bytes([1]) * 3_000_000)


@pytest.mark.parametrize("write_bytes", [places.write_bytes, files.write_bytes])
def test_the_file_is_synced_before_the_move_and_its_folders_after(
    write_bytes, tmp_path, monkeypatch
):
    synced = []

    def spy(opened: int) -> None:
        path = Path(f"/proc/self/fd/{opened}").readlink()
        synced.append((path.name.split(".")[1] if path.is_file() else path.name, names(target)))

    monkeypatch.setattr(os, "fsync", spy)
    target = tmp_path / "a" / "b"
    write_bytes(target / "file", b"content")
    aside = [name for _, found in synced for name in found if name.endswith(".part")]
    assert synced == [
        (tmp_path.name, []),
        ("a", []),
        ("file", aside[:1]),
        ("b", ["file"]),
    ]


@pytest.mark.parametrize("write_bytes", [places.write_bytes, files.write_bytes])
def test_a_file_may_have_the_longest_name_there_is(write_bytes, tmp_path):
    name = "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 127  # 254 bytes of 255
    write_bytes(tmp_path / name, b"content")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("writing_folder", [places.writing_folder, files.new_folder])
def test_a_folder_appears_whole_and_synced(writing_folder, tmp_path, monkeypatch):
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda opened: synced.add(os.fstat(opened).st_ino))
    with writing_folder(tmp_path / "folder") as aside:
        (aside / "sub").mkdir()
        (aside / "sub" / "file").write_bytes(b"content")
        assert not (tmp_path / "folder").exists()
    assert names(tmp_path) == ["folder"]
    below = [tmp_path, *tmp_path.rglob("*")]
    assert {path.stat().st_ino for path in below} <= synced
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask()
    with pytest.raises(ZeroDivisionError), writing_folder(tmp_path / "other"):
        raise ZeroDivisionError
    assert names(tmp_path) == ["folder"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
