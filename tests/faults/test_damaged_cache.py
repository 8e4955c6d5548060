"""A cache that is damaged, foreign, in the way or gone: named, made again, and never trained on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from members.errors import BadInput
from members.pixels import cache
from members.pixels.decode import decode
from members.reading import scan
from members.reading.memo import recall, remember
from orchestrator.running import tune
from orchestrator.runs.store import Store
from orchestrator.worker.inputs import Inputs
from tests.faults.small_photographs import (
    assert_same_tables,
    tables,
    write_photo,
    write_photographs,
)
from tests.orchestrator.command_line import orchestrator
from tests.orchestrator.one_slot import commands

ROW = 32 * 32 * 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a finished run, whose cache is whole."""
    folder = tmp_path_factory.mktemp("trained")
    write_photographs(folder)
    with commands(folder) as command:
        command("train-members", "spec.yaml")
    return folder


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    """The photographs and their cache, without the run."""
    shutil.copytree(trained, tmp_path / "work", ignore=shutil.ignore_patterns("runs"))
    known = recall(memo := tmp_path / "work/cache/scan.parquet")
    paths = [path.replace(str(trained), str(tmp_path / "work")) for path in known["path"]]
    known["path"] = pd.Series(paths, dtype="str")
    known["ctime_ns"] = [Path(path).stat().st_ctime_ns for path in paths]
    remember(memo, [known])
    return tmp_path / "work"


def of_training(folder: Path) -> Path:
    """The cache file of the 24 photos to train on."""
    (found,) = [f for f in (folder / "cache").glob("*.npy") if f.stat().st_size > 20 * ROW]
    return found


def flip(file: Path) -> None:
    with file.open("r+b") as content:
        content.seek(128 + 5 * ROW + 77)
        byte = content.read(1)[0]
        content.seek(-1, os.SEEK_CUR)
        content.write(bytes([byte ^ 4]))


def zero_a_page(file: Path) -> None:
    with file.open("r+b") as content:
        content.seek(4096)
        content.write(bytes(4096))


def cut_short(file: Path) -> None:
    os.truncate(file, 3 * ROW)


def cut_in_a_row(file: Path) -> None:
    os.truncate(file, 128 + 4 * ROW + 7)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    """The array of other photographs, right in itself, under the name of these."""
    photos = [write_photo(file.parent / f"x/{n}.png", 90 + n) for n in range(24)]
    paths = sorted((file.parent / "x").glob("*.png"))
    assert len(paths) == len(photos)
    digests = scan.scan(paths)["digest"].tolist()
    cache.pixels(paths, digests, size=(32, 32), crop=None, folder=file.parent / "y")
    (made,) = (file.parent / "y").glob("*.npy")
    shutil.copy(made, file)


def no_array(file: Path) -> None:
    file.write_bytes(b"to be or not to be\n" * 5000)


@pytest.mark.fault(
    "a file of decoded photographs has a flipped bit or a zeroed page, is cut short, empty, or another's",
    "named in a note, made again, the tables are the same",
)
@pytest.mark.parametrize("damage", [flip, zero_a_page, cut_short, foreign])
def test_a_damaged_cache_is_named_and_made_again_and_the_tables_are_the_same(
    damage: Callable[[Path], None], folder, trained
):
    file = of_training(folder)
    whole = file.read_bytes()
    others = {f: f.read_bytes() for f in (folder / "cache").glob("*.npy") if f != file}
    damage(file)
    with commands(folder) as command:
        printed = command("train-members", "spec.yaml").replace("\n", "")
    assert "note:" in printed
    assert file.name in printed
    assert "made again" in printed
    assert file.read_bytes() == whole
    assert {f: f.read_bytes() for f in others} == others
    assert_same_tables(tables(folder / "runs/small"), tables(trained / "runs/small"))


@pytest.mark.fault(
    "decoded photographs are damaged, cut short or deleted while a unit trains on them",
    "the training goes on with the right pixels",
)
@pytest.mark.parametrize("damage", [zero_a_page, cut_in_a_row, None])
def test_damage_while_a_unit_trains_is_mended_in_the_same_training(
    damage: Callable[[Path], None] | None, folder, trained, monkeypatch
):
    """None: the whole folder is deleted, which costs nothing: what is open stays."""
    with commands(folder) as command:
        run_all, file = command.run_all, of_training(folder)

        def damaged_after_an_epoch(schedule, *rest):
            report, reports = schedule.report, []

            def report_and_damage(run, values):
                reports.append(values)
                if len(reports) == 2:  # of the first unit's first epoch
                    damage(file) if damage else shutil.rmtree(folder / "cache")
                return report(run, values)

            schedule.report = report_and_damage
            run_all(schedule, *rest)
            assert [v["event"] for v in reports[:2]] == ["started", "epoch"]

        monkeypatch.setattr(tune, "run_all", damaged_after_an_epoch)
        printed = command("train-members", "spec.yaml").replace("\n", "")
    assert (file.name in printed) == (damage is not None)
    assert_same_tables(tables(folder / "runs/small"), tables(trained / "runs/small"))


@pytest.mark.fault(
    "a file of decoded photographs has a flipped bit or a zeroed page, is cut short, empty, or another's",
    "`check --deep` names and removes it",
)
@pytest.mark.parametrize("damage", [flip, empty, no_array])
def test_check_deep_names_and_removes_it(damage: Callable[[Path], None], folder):
    file = of_training(folder)
    damage(file)
    with commands(folder) as command:
        assert file.name not in command("check", "spec.yaml")
        printed = command("check", "spec.yaml", "--deep").replace("\n", "")
        assert f"{file.name}: " in printed
        assert "removed, and made again when it is needed" in printed
        assert not file.exists()
        assert file.name not in command("check", "spec.yaml", "--deep")


def test_a_cache_of_an_earlier_version_without_checksums_is_made_again_without_a_word(
    folder, trained
):
    file = of_training(folder)
    whole = file.read_bytes()
    np.save(file, np.zeros((24, 32, 32, 3), np.uint8))
    with commands(folder) as command:
        assert "note" not in command("check", "spec.yaml", "--deep")
        assert "note" not in command("train-members", "spec.yaml")
    assert file.read_bytes() == whole
    assert_same_tables(tables(folder / "runs/small"), tables(trained / "runs/small"))


def test_a_photo_that_changed_meanwhile_is_not_what_a_damaged_one_is_made_of(folder):
    paths = sorted((folder / "photos/train").glob("*/*.png"))
    digests = scan.scan(paths)["digest"].tolist()
    pixels = cache.pixels(paths, digests, size=(32, 32), crop=None, folder=folder / "own")
    (file,) = (folder / "own").glob("*.npy")
    flip(file)
    write_photo(paths[5], 4321)
    assert (pixels[4] == decode(paths[4])).all()
    with pytest.raises(BadInput, match=f"{paths[5].name}: has other content"):
        pixels[[4, 5]]
    paths[5].unlink()
    with pytest.raises(BadInput, match="no such file"):
        pixels[5]


@pytest.mark.fault(
    "two files of decoded photographs are damaged, one after the other",
    "each is named, once",
)
def test_each_file_that_is_damaged_is_named_by_the_process_that_goes_on(folder):
    own = folder / "cache"
    inputs = Inputs(Store(folder / "runs/small"), str(own))
    photos = sorted((folder / "photos/train/cat").glob("*.png"))
    digests = [scan.scan([path], None)["digest"][0] for path in photos]
    for side in (40, 48):  # sizes that the run does not have
        pixels = cache.pixels(photos, digests, size=(side, side), crop=None, folder=own)
        (file,) = own.glob(f"{side}x{side}-*.npy")
        flip(file)
        assert len(pixels[:]) == len(photos)
        (line,) = inputs.damage()
        assert line.startswith(f"{file}: 1 of 12 photos in it is damaged")
    assert inputs.damage() == []


@pytest.mark.fault(
    "a bit flips in what is kept of a scan of the photographs",
    "the photographs are read again",
)
def test_no_bit_of_the_scan_s_memo_is_believed_when_it_flipped(tmp_path):
    paths = [write_photo(tmp_path / f"{n}.png", n) or tmp_path / f"{n}.png" for n in range(2)]
    memo = tmp_path / "scan.parquet"
    right = scan.scan(paths, memo)
    content = memo.read_bytes()
    random = np.random.default_rng(0)
    for bit in random.choice(8 * len(content), 300, replace=False):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        memo.write_bytes(flipped)
        known = recall(memo)
        expected = right[right["path"].isin(known["path"])]
        pd.testing.assert_frame_equal(known, expected.reset_index(drop=True))
    pd.testing.assert_frame_equal(scan.scan(paths, memo), right)


@pytest.mark.fault(
    "the folder of the cache cannot be written to",
    "said in one sentence, exit code 2",
)
def test_a_cache_that_cannot_be_written_is_named_in_one_sentence(folder):
    (folder / "full").write_text("a file")
    with commands(folder) as command, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBLE_CACHE", str(folder / "full"))
        printed = command("train-members", "spec.yaml", code=2)
    assert "set ENSEMBLE_CACHE to a folder that can be written to" in printed.replace("\n", " ")
    assert len(printed.splitlines()) < 8


@pytest.mark.fault(
    "a file of decoded photographs is damaged and loader processes read it",
    "named in a note, made again, the tables are the same",
)
@pytest.mark.ray
def test_loader_processes_of_a_real_run_mend_it_too(folder, trained):
    spec = (folder / "spec.yaml").read_text() + "resources: {loader_workers: 1}\n"
    (folder / "spec.yaml").write_text(spec)
    file = of_training(folder)
    flip(file)
    printed = orchestrator("train-members", "spec.yaml", cwd=folder).stdout.replace("\n", "")
    assert f"{file.name}: 1 of 24 photos in it is damaged; made again" in printed
    assert_same_tables(tables(folder / "runs/small"), tables(trained / "runs/small"))
