"""A folder copied with black backgrounds: complete, repeatable, interruptible."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from members.data.listing import SUFFIXES
from members.errors import BadInput
from members.pixels import background
from members.pixels.background_copy import JOURNAL, SHEET, remove_background
from members.pixels.background_file import FORMATS
from members.pixels.decode import decode
from members.samples.people import draw_people
from tests.members.data_fixtures import write_photo


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "sample"
    draw_people(folder, profiles=2, eval=6, seed=4, size=(64, 48))
    return folder


@pytest.fixture
def source(people, tmp_path) -> Path:
    return Path(shutil.copytree(people / "train", tmp_path / "train"))


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of all but the hidden files, by relative path."""
    return {
        file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def test_the_copy_has_every_photo_under_its_path_and_other_files_as_they_are(source, tmp_path):
    (source / "images" / "._hidden.jpg").write_bytes(b"\x00")
    steps = []
    copied = remove_background(
        source, tmp_path / "copy", progress=lambda *counted: steps.append(counted)
    )
    made = files(tmp_path / "copy")
    assert set(made) == {*files(source), SHEET}
    assert made["train.csv"] == files(source)["train.csv"]
    assert steps == [(n, 14) for n in range(1, 15)]
    assert (copied.done, copied.already, copied.other_files) == (14, 0, 1)
    assert copied.problems == copied.extra == []
    for path, kept in copied.kept.items():
        before, after = decode(source / path), decode(tmp_path / "copy" / path)
        cut, share = background.without_background(before)
        assert np.abs(after.astype(int) - cut).mean() < 2  # JPEG
        assert kept == pytest.approx(share, abs=1e-5)


def test_the_statistics_are_those_of_the_copys_pixels(source, tmp_path):
    copied = remove_background(source, tmp_path / "copy")
    pixels = np.concatenate(
        [decode(f).reshape(-1, 3) / 255 for f in (tmp_path / "copy/images").rglob("*.jpg")]
    )
    assert copied.statistics.mean == pytest.approx(pixels.mean(axis=0), abs=2e-3)
    assert copied.statistics.std == pytest.approx(pixels.std(axis=0), abs=2e-3)


def test_a_second_run_does_nothing(source, tmp_path):
    first = remove_background(source, tmp_path / "copy")
    before = files(tmp_path / "copy")
    again = remove_background(
        source, tmp_path / "copy", progress=lambda *_: pytest.fail("a photo was made again")
    )
    assert files(tmp_path / "copy") == before
    assert (again.done, again.already) == (0, 14)
    assert (again.kept, again.statistics) == (first.kept, first.statistics)


def test_only_photos_that_are_new_changed_or_lost_are_made(source, tmp_path):
    remove_background(source, tmp_path / "copy")
    before = files(tmp_path / "copy")
    photos = sorted(path for path in before if path.startswith("images/"))
    write_photo(source / photos[0], seed=1, height=64, width=48)
    (tmp_path / "copy" / photos[1]).unlink()
    write_photo(source / "images/new/normal.png", seed=2, height=64, width=48)
    copied = remove_background(source, tmp_path / "copy")
    after = files(tmp_path / "copy")
    assert copied.done == 3
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {photos[0], photos[1], "images/new/normal.png", SHEET}
    assert after[photos[1]][0] == before[photos[1]][0]


def test_what_changed_under_its_size_and_time_is_made_again(source, tmp_path):
    remove_background(source, tmp_path / "copy")
    before = files(tmp_path / "copy")
    photo, other = sorted(path for path in before if path.endswith(".jpg"))[1:3]
    for file in (source / photo, tmp_path / "copy" / other):
        content, found = bytearray(file.read_bytes()), file.stat()
        if file.is_relative_to(
            tmp_path / "copy"
        ):  # of the photo its time alone, that of the system
            content[len(content) // 2] ^= 1
        file.write_bytes(content)
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    copied = remove_background(source, tmp_path / "copy")
    assert (copied.done, copied.already) == (2, 12)
    after = files(tmp_path / "copy")
    assert {path: after[path][0] for path in before} == {path: before[path][0] for path in before}


def test_a_photo_that_left_the_original_is_left_in_the_copy_and_named(source, tmp_path):
    remove_background(source, tmp_path / "copy")
    lost = next(iter(sorted(source.rglob("*.jpg"))))
    lost.unlink()
    copied = remove_background(source, tmp_path / "copy")
    assert copied.extra == [lost.relative_to(source).as_posix()]
    assert len(copied.kept) == 13


def test_endings_decide_how_photos_are_kept(tmp_path):
    for i, ending in enumerate((".jpg", ".JPEG", ".png", ".bmp", ".webp", ".tif", ".tiff")):
        file = tmp_path / "photos" / f"{i}{ending}"
        file.parent.mkdir(exist_ok=True)
        picture = np.random.default_rng(i).integers(0, 255, (40, 30, 3), np.uint8)
        Image.fromarray(picture).save(file)
    copied = remove_background(tmp_path / "photos", tmp_path / "copy")
    assert copied.problems == []
    assert set(FORMATS) == set(SUFFIXES)
    for file in (tmp_path / "photos").iterdir():
        with Image.open(file) as before, Image.open(tmp_path / "copy" / file.name) as after:
            assert after.format == before.format
            assert after.size == before.size
    cut, _ = background.without_background(decode(tmp_path / "photos/2.png"))
    assert (decode(tmp_path / "copy/2.png") == cut).all()


def test_the_copy_is_upright_where_the_original_is_turned_by_its_tag(people, tmp_path):
    upright = decode(next(iter(sorted(people.rglob("*.jpg")))))
    tag = Image.Exif()
    tag[0x0112] = 6  # turn a quarter clockwise to look at it
    (tmp_path / "photos").mkdir()
    lying = Image.fromarray(np.rot90(upright))
    lying.save(tmp_path / "photos/turned.png", exif=tag)
    remove_background(tmp_path / "photos", tmp_path / "copy")
    with Image.open(tmp_path / "copy/turned.png") as photo:
        assert photo.getexif().get(0x0112) is None
        cut, _ = background.without_background(upright)
        assert (np.asarray(photo) == cut).all()


def test_photos_that_cannot_be_read_are_all_named_and_cost_no_other(source, tmp_path):
    photos = sorted(source.rglob("*.jpg"))
    photos[2].write_bytes(b"no picture")
    photos[9].write_bytes(photos[9].read_bytes()[:300])
    Image.new("RGB", (8, 8)).save(photos[11])
    copied = remove_background(source, tmp_path / "copy")
    assert len(copied.problems) == 3
    for number, message in ((2, "not an image"), (9, "cut short"), (11, "too few")):
        text = next(text for text in copied.problems if str(photos[number]) in text)
        assert message in text
    assert copied.done == len(copied.kept) == 11
    assert remove_background(source, tmp_path / "copy").already == 11


def test_photos_of_which_hardly_anything_or_nearly_all_was_kept_are_suspicious(
    source, tmp_path, monkeypatch
):
    shares = iter([0.4, 0.04, 0.96, 0.5, 0.999, 0.05])
    monkeypatch.setattr(background, "without_background", lambda photo: (photo, next(shares, 0.95)))
    copied = remove_background(source, tmp_path / "copy", jobs=1)
    assert [copied.kept[path] for path in copied.suspicious()] == [0.999, 0.04, 0.96]


def test_the_copy_is_the_same_for_any_number_of_jobs(source, tmp_path):
    for jobs in (1, 3):
        remove_background(source, tmp_path / str(jobs), jobs=jobs)
    one, three = ({p: c[0] for p, c in files(tmp_path / n).items()} for n in ("1", "3"))
    assert one == three


def test_a_kill_costs_the_photos_that_were_being_made(source, tmp_path):
    for person_ in range(3):  # enough photos to be killed among
        shutil.copytree(source / "images", source / f"images{person_}")
    code = (
        "import sys\nfrom members.pixels.background_copy import remove_background\n"
        "remove_background(sys.argv[1], sys.argv[2], jobs=1,\n"
        "                  progress=lambda done, total: print(done, flush=True))"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "copy")]
    copying = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while copying.stdout.readline().strip() != "5":
        assert copying.poll() is None
    copying.send_signal(signal.SIGKILL)
    copying.wait()
    copying.stdout.close()
    with (tmp_path / "copy" / JOURNAL).open("a") as journal:
        journal.write('{"path": "images/cut sh')
    for file in (tmp_path / "copy").rglob("*.jpg"):
        decode(file)  # whole
    copied = remove_background(source, tmp_path / "copy")
    assert 5 <= copied.already < 56
    assert copied.done + copied.already == 56
    assert remove_background(source, tmp_path / "copy").done == 0


def test_ctrl_c_does_not_begin_the_photos_that_were_waiting(source, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_background(source, tmp_path / "copy", jobs=1, progress=stop)
    time.sleep(0.5)
    assert len(list((tmp_path / "copy").rglob("*.jpg"))) < 14
    assert remove_background(source, tmp_path / "copy").already >= 1


def test_one_process_at_a_time_writes_a_copy(source, tmp_path):
    def second(done, total):
        with pytest.raises(BadInput, match="another process"):
            remove_background(source, tmp_path / "copy")

    remove_background(source, tmp_path / "copy", progress=second)


def test_folders_that_cannot_be_meant_are_refused_and_left_alone(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for one, other, message in (
        (source, source, "one lies inside the other"),
        (source, source / "copy", "one lies inside the other"),
        (source, tmp_path, "one lies inside the other"),
        (source, tmp_path / "mine", "left alone"),
        (source, tmp_path / "file", "is a file"),
        (tmp_path / "nowhere", tmp_path / "copy", "no such folder"),
        (tmp_path / "empty", tmp_path / "copy", "no photos"),
    ):
        with pytest.raises(BadInput, match=message):
            remove_background(one, other)
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]  # noqa: PTH208
    assert not (tmp_path / "copy").exists()
    remove_background(source, tmp_path / "copy")
    with pytest.raises(BadInput, match="such a copy itself"):
        remove_background(tmp_path / "copy", tmp_path / "another")


def test_folders_that_are_links_are_walked_and_one_that_leads_back_is_not(source, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/part").symlink_to(source / "images")
    (source / "images/back").symlink_to(tmp_path / "linked")
    copied = remove_background(tmp_path / "linked", tmp_path / "copy")
    assert len(copied.kept) == 14
    assert all(path.startswith("part/") for path in copied.kept)


def test_the_journal_is_lines_of_json(source, tmp_path):
    copied = remove_background(source, tmp_path / "copy")
    lines = (tmp_path / "copy" / JOURNAL).read_text().splitlines()
    assert {row["path"]: row["kept"] for row in map(json.loads, lines)} == copied.kept


def test_a_picture_that_no_copy_is_written_as_is_named_and_not_copied(tmp_path):
    source, target = tmp_path / "photos", tmp_path / "copy"
    source.mkdir()
    portrait = Image.fromarray(np.full((40, 30, 3), 90, np.uint8))
    portrait.save(source / "a.jpg")
    portrait.save(source / "b.gif")
    (source / "labels.csv").write_text("path,label\na.jpg,x\n")
    copied = remove_background(source, target)
    assert len(copied.problems) == 1
    assert "b.gif: a picture (GIF)" in copied.problems[0]
    assert not (target / "b.gif").exists()
    assert (target / "labels.csv").exists()
    assert (copied.done, copied.other_files) == (1, 1)
