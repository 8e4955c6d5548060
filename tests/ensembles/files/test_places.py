"""A path on this machine and an address in a bucket behave alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ensembles.files import places
from ensembles.files.parquet import read_table, write_table


@pytest.fixture(params=["a local disk", "a bucket"])
def folder(request, tmp_path) -> str:
    return str(tmp_path) if request.param == "a local disk" else request.getfixturevalue("bucket")


def test_bytes_go_in_and_out_and_are_removed(folder):
    place = places.join(folder, "votes", "soft", "vote.json")
    assert not places.exists(place)
    places.write_bytes(place, b"one")
    places.write_bytes(place, b"two")
    assert places.exists(place)
    assert places.read_bytes(place) == b"two"
    assert places.subfolders(places.join(folder, "votes")) == ["soft"]
    places.remove(place)
    places.remove(place)
    with pytest.raises(FileNotFoundError):
        places.read_bytes(place)


def test_a_table_comes_back_as_it_was_written(folder, make_tables):
    written = make_tables(names=("one",))["one"]
    place = places.join(folder, "tables", "one", "oof.parquet")
    write_table(place, written)
    read = read_table(place)
    assert list(read.ids) == list(written.ids)
    for name in ("probabilities", "fold", "label"):
        assert (getattr(read, name) == getattr(written, name)).all()


def test_an_error_while_writing_leaves_what_was_there(folder):
    place = places.join(folder, "file")
    places.write_bytes(place, b"old")
    never = places.join(folder, "never")
    for target in (place, never):
        with pytest.raises(TypeError), places.writing(target) as stream:
            stream.write(b"new") and stream.write("a text")
    assert places.read_bytes(place) == b"old"
    assert not places.exists(never)


def test_a_file_address_is_written_as_a_path_is(tmp_path):
    places.write_bytes(f"file://{tmp_path}/new/file", b"content")
    assert places.read_bytes(f"file://{tmp_path}/new/file") == b"content"
    assert names(tmp_path / "new") == ["file"]


def test_a_pipe_and_a_device_get_the_bytes_and_a_link_stays_one(tmp_path):
    code = (
        "from ensembles.files import places\nprint('before', flush=True)\n"
        "places.write_json('/dev/stdout', {'x': 1})\n"
    )
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert json.loads(piped.decode().removeprefix("before")) == {"x": 1}
    with (tmp_path / "out.txt").open("a") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert '"x": 1' in (tmp_path / "out.txt").read_text()
    assert Path("/dev/stdout").is_symlink()
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    places.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_the_folder_of_a_faster_process_stays(tmp_path):
    with places.writing_folder(tmp_path / "folder") as aside:
        (aside / "mine").write_bytes(b"")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "theirs").write_bytes(b"")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["theirs"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("size", [0, 1, 12_000_000])
def test_a_stream_is_stored_whole_whatever_its_size(folder, size):
    place = places.join(folder, "file")
    with places.writing(place) as stream:
        for begin in range(0, size, 1_000_000):
            stream.write(bytes([begin // 1_000_000]) * min(1_000_000, size - begin))
    found = places.read_bytes(place)
    assert len(found) == size
    assert list(found[::1_000_000]) == list(range(-(-size // 1_000_000)))
