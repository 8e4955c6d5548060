"""The person is kept and the rest is black: measured on drawn people whose outline is known."""

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
from members.pixels.contact_sheet import write_contact_sheet
from members.pixels.decode import decode
from members.samples.drawing import portrait
from members.samples.drawing.person import person
from members.samples.people import KINDS, draw_people
from tests.members.data_fixtures import write_photo

# -- one photo ---------------------------------------------------------------------------------


def drawn(number: int, monkeypatch, size=(256, 192)) -> tuple[np.ndarray, np.ndarray]:
    """A drawn person's photo, and which pixels are person: where no wall shines through.

    The same drawing is made before a black and before a white wall; where the two agree, there
    is a person in front.
    """
    room = portrait.room
    photos = []
    for wall in (None, 0, 255):

        def painted(sheet, who, rng, wall=wall):
            room(sheet, who, rng)  # draws the same random numbers each time
            if wall is not None:
                sheet[...] = wall

        monkeypatch.setattr(portrait, "room", painted)
        who = person(np.random.default_rng([number, 0]), number % 2 == 0, 18 + number * 7 % 43)
        kind = KINDS[number % 7]
        photos.append(portrait.photo(who, kind, np.random.default_rng([number, 1]), size))
    monkeypatch.setattr(portrait, "room", room)
    photo, black, white = photos
    shining = white.astype(int).mean(axis=2) - black.astype(int).mean(axis=2)
    return photo, shining < 0.5 * np.quantile(shining, 0.99)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return (one & other).sum() / (one | other).sum()


def test_the_person_kept_is_the_person_drawn(monkeypatch):
    scores = []
    for number in range(300, 330):
        photo, truth = drawn(number, monkeypatch)
        outline = background.outline(photo)
        assert outline.shape == truth.shape
        scores.append(overlap(outline > 0.5, truth))
    assert np.mean(scores) > 0.97
    assert np.sort(scores)[3] > 0.9  # nine in ten


def test_large_photos_are_cut_as_well_as_small_ones(monkeypatch):
    for number in (301, 304):
        photo, truth = drawn(number, monkeypatch, size=(768, 576))
        assert overlap(background.outline(photo) > 0.5, truth) > 0.95


def test_what_is_kept_keeps_its_colours_the_rest_is_black_and_the_edge_between_is_soft(monkeypatch):
    photo, truth = drawn(302, monkeypatch, size=(512, 384))
    cut, kept = background.without_background(photo)
    outline = background.outline(photo)
    assert cut.dtype == np.uint8
    assert (cut[outline == 1] == photo[outline == 1]).all()
    assert (cut[outline == 0] == 0).all()
    edge = (outline > 0) & (outline < 1)
    assert 0 < edge.mean() < 0.1
    assert kept == pytest.approx(truth.mean(), abs=0.05)


def test_a_photo_comes_out_the_same_whatever_was_cut_before(monkeypatch):
    photo, _ = drawn(303, monkeypatch)
    first, _ = background.without_background(photo)
    background.without_background(drawn(304, monkeypatch)[0])
    np.random.default_rng(0).standard_normal(5)
    second, _ = background.without_background(photo)
    assert (first == second).all()


def test_a_mask_of_the_colour_of_the_wall_leaves_no_hole_in_the_person():
    """White mask before a white wall: what the person surrounds belongs to the person."""
    photo = np.full((256, 192, 3), 235, np.uint8)
    y, x = np.mgrid[:256, :192]
    photo[((y - 115) / 85) ** 2 + ((x - 96) / 60) ** 2 < 1] = (150, 105, 85)
    photo[(y > 190) & (abs(x - 96) < 40)] = (150, 105, 85)
    truth = (photo != 235).any(axis=2)
    photo[(abs(y - 140) < 30) & (abs(x - 96) < 36)] = 235
    rng = np.random.default_rng(0)
    photo = np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)
    assert overlap(background.outline(photo) > 0.5, truth) > 0.95


@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (300, 16), (40, 30), (257, 100)])
def test_pictures_of_any_shape_and_without_any_contrast_are_cut_without_complaint(shape):
    for level in (0, 128, 255):
        cut, kept = background.without_background(np.full((*shape, 3), level, np.uint8))
        assert cut.shape == (*shape, 3)
        assert 0 < kept < 1


def test_a_picture_of_a_few_pixels_is_refused():
    with pytest.raises(BadInput, match="each side needs 16"):
        background.outline(np.zeros((15, 40, 3), np.uint8))


# -- a folder ----------------------------------------------------------------------------------


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


# -- the sheet ---------------------------------------------------------------------------------


def test_a_contact_sheet_shows_each_pair_side_by_side(tmp_path):
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    flat = lambda colour, *size: np.full((*size, 3), colour, np.uint8)  # noqa: E731
    pairs = [(flat(c, 60, 40), flat(c[::-1], 30, 20)) for c in colours]
    file = tmp_path / "sheet.jpg"
    write_contact_sheet(pairs, file, ["a", "b", "long/" * 40 + "c"], height=90, columns=2)
    sheet = decode(file)
    assert sheet.shape == (2 * (90 + 8 + 14), 2 * (2 * 60 + 8), 3)
    for place, colour in enumerate(colours):
        top, left = place // 2 * 112 + 4, place % 2 * 128 + 4
        for x, expected in ((left + 30, colour), (left + 90, colour[::-1])):
            assert np.abs(sheet[top + 45, x].astype(int) - expected).max() < 12
    assert (sheet[150, 200] == 255).all()  # no fourth pair
    assert [f.name for f in tmp_path.iterdir()] == ["sheet.jpg"]


def test_a_contact_sheet_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one pair"):
        write_contact_sheet([], tmp_path / "sheet.jpg")
