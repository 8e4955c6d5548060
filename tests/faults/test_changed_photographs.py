"""Photographs that change behind a run's back: what is trained on is what was read and hashed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from members.errors import BadInput
from members.pixels.decode import decode
from members.reading.memo import recall, remember
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.files import write_photographs as write_table
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.worker.inputs import Inputs
from tests.faults.small_photographs import (
    SPEC,
    assert_same_tables,
    replace_unnoticed,
    tables,
    write_photo,
    write_photographs,
)
from tests.orchestrator.one_slot import commands

CHANGED = "photos/train/dog/03.png"


@pytest.fixture
def folder(tmp_path) -> Path:
    write_photographs(tmp_path)
    return tmp_path


def undisturbed(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of the photographs as they are now, with nothing kept from before."""
    fresh = folder / "fresh"
    fresh.mkdir()
    (fresh / "photos").symlink_to(folder / "photos")
    shutil.copy(folder / "spec.yaml", fresh)
    with commands(fresh) as command:
        command("train-members", "spec.yaml")
    return tables(fresh / "runs/small")


@pytest.mark.fault(
    "photographs change between the reading of the list and their decoding",
    "their units fail and name them, nothing wrong is kept, and the same command is right",
)
def test_a_photo_changed_between_scan_and_decoding_stops_the_run_and_the_next_one_is_right(
    folder, monkeypatch
):
    with commands(folder) as command:
        command(
            "check", "spec.yaml"
        )  # photos that are read by train-members itself are copied at once
        finish = Decoding.finish

        def changed_first(*given):
            replace_unnoticed(folder / CHANGED)
            finish(*given)

        monkeypatch.setattr(Decoding, "finish", changed_first)
        printed = command("train-members", "spec.yaml", code=1)
        assert CHANGED in printed
        assert "changed since. Run the command again" in printed
        # the other part, whose photos are as they were
        assert len(list((folder / "cache").glob("*.npy"))) <= 1
        monkeypatch.setattr(Decoding, "finish", finish)
        command("train-members", "spec.yaml")
    assert_same_tables(tables(folder / "runs/small"), undisturbed(folder))


@pytest.mark.fault(
    "a photograph changes after it was read and copied, before it is trained on",
    "it is trained on as it was read, and the next call trains anew",
)
def test_a_photo_changed_after_it_was_copied_is_trained_on_as_it_was_read(folder, monkeypatch):
    with commands(folder) as command:
        run_all = command.run_all

        def changed_first(schedule, *rest):
            replace_unnoticed(folder / CHANGED)
            run_all(schedule, *rest)

        monkeypatch.setattr("orchestrator.running.tune.run_all", changed_first)
        command("train-members", "spec.yaml")
        before = tables(folder / "runs/small")
        monkeypatch.setattr("orchestrator.running.tune.run_all", run_all)
        assert "2 units trained" in command("train-members", "spec.yaml")
    after = tables(folder / "runs/small")
    assert not after["net/test.parquet"].equals(before["net/test.parquet"])
    assert_same_tables(after, undisturbed(folder))


@pytest.mark.fault(
    "a photograph changes under the same size and time",
    "the next call notices it and trains anew",
)
def test_a_photo_changed_under_its_size_and_time_is_trained_on_by_the_next_call(folder):
    with commands(folder) as command:
        command("train-members", "spec.yaml")
        before = tables(folder / "runs/small")
        replace_unnoticed(folder / CHANGED)
        assert "2 units trained" in command("train-members", "spec.yaml")
    after = tables(folder / "runs/small")
    assert not after["net/test.parquet"].equals(before["net/test.parquet"])
    assert_same_tables(after, undisturbed(folder))


@pytest.mark.fault(
    "a photograph changes and none of its times do, as when a disk loses bits",
    "`check --deep` names it, and the next call trains anew",
)
def test_a_photo_changed_below_the_file_system_is_found_by_check_deep(folder):
    """As when a disk loses bits: not even the time that only the system sets is another."""
    with commands(folder) as command:
        command("train-members", "spec.yaml")
        change_below(folder, CHANGED)
        assert "Nothing to do" in command("train-members", "spec.yaml")
        assert "Everything is trained" in command("check", "spec.yaml")
        printed = command("check", "spec.yaml", "--deep")
        assert "1 photo changed while size and time stayed the same" in printed
        assert CHANGED in printed.replace("\n", "")
        assert "2 units to train" in printed
        assert "changed while" not in command("check", "spec.yaml", "--deep")
        command("train-members", "spec.yaml")
    assert_same_tables(tables(folder / "runs/small"), undisturbed(folder))


@pytest.mark.fault(
    "a photograph changes and none of its times do, as when a disk loses bits",
    "it is never decoded under the digest of the old one; the message names `check --deep`",
)
def test_decoding_finds_it_as_well_and_names_the_way_on(folder):
    with commands(folder) as command:
        command("check", "spec.yaml")
        change_below(folder, CHANGED)
        printed = command("train-members", "spec.yaml", code=1)
        assert CHANGED in printed
        assert "`check SPEC --deep` reads every photo anew" in printed
        command("check", "spec.yaml", "--deep")
        command("train-members", "spec.yaml")
    assert_same_tables(tables(folder / "runs/small"), undisturbed(folder))


def change_below(folder: Path, photo: str) -> None:
    """Change a photo, and have the scan's memo take the new times for those that it saw."""
    replace_unnoticed(folder / photo)
    memo = folder / "cache/scan.parquet"
    known = recall(memo)
    known.loc[known["path"] == str(folder / photo), "ctime_ns"] = (
        (folder / photo).stat().st_ctime_ns
    )
    remember(memo, [known])


# -- wherever pixels come from --------------------------------------------------------------------


def photographs(folder: Path, kind: str) -> tuple[str, Path]:
    """A spec, and the file of one of its photos."""
    if kind == "test":
        return SPEC, folder / "photos/test/2.png"
    if kind == "copy":
        shutil.copytree(folder / "photos/train", folder / "dark/train")
        shutil.copytree(folder / "photos/test", folder / "dark/test")
        copies = "photos/test, copies: {dark: {train: dark/train, test: dark/test}}"
        spec = SPEC.replace("photos/test", copies).replace("{name: net", "{name: net, photos: dark")
        return spec, folder / "dark/train/cat/05.png"
    if kind == "cell":
        files = sorted((folder / "photos/train").glob("*/*.png"))
        cells = {"image": [f.read_bytes() for f in files], "label": [f.parent.name for f in files]}
        pd.DataFrame(cells).to_parquet(folder / "photos.parquet")
        data = "{layout: table, train: photos.parquet, columns: {path: image}}"
        return SPEC.replace(SPEC.splitlines()[1], f"data: {data}"), Path("cell")
    return SPEC, folder / CHANGED


@pytest.mark.parametrize("kind", ["train", "test", "copy", "cell"])
def test_no_changed_picture_is_kept_under_the_digest_of_the_old_one(kind, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(folder / "cache"))
    text, photo = photographs(folder, kind)
    (folder / "spec.yaml").write_text(text)
    spec = load(folder / "spec.yaml")
    store = Store(folder / "run")

    def inputs() -> tuple[Inputs, units.Unit]:
        prepared = prepare_photographs(spec).photographs
        write_table(prepared, store)
        return Inputs(store, str(folder / "cache")), units.of_member(spec.members[0], prepared)[0]

    part = "test" if kind == "test" else "train"
    scanned, unit = inputs()
    if kind == "cell":
        photo = Path(scanned.photographs.train["path"][3])
    replace_unnoticed(photo)
    with pytest.raises(BadInput, match=f"{photo.name}: has other content") as caught:
        scanned.photos(unit, part)
    assert len(caught.value.problems) == 1
    assert not list((folder / "cache").glob("*.npy"))

    again, unit = inputs()
    frame = again.photographs.train if part == "train" else again.photographs.test
    paths = frame["path@dark" if kind == "copy" else "path"]
    expected = np.stack([decode(path) for path in paths])
    assert (again.photos(unit, part).read(np.arange(len(paths))) == expected).all()


def test_many_changed_photos_are_named_in_few_lines(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(folder / "cache"))
    spec = load(folder / "spec.yaml")
    prepared = prepare_photographs(spec).photographs
    write_table(prepared, store := Store(folder / "run"))
    for seed, photo in enumerate(sorted((folder / "photos/train").glob("*/*.png"))):
        write_photo(photo, 6000 + seed)
    unit = units.of_member(spec.members[0], prepared)[0]
    with pytest.raises(BadInput) as caught:
        Inputs(store, str(folder / "cache")).photos(unit, "train")
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1] == "... and 14 more photos."
