"""Photographs whose copies have no room: which they are, that it is said, and that no table is another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from orchestrator.errors import WrongRequest
from orchestrator.photographs import streaming
from orchestrator.photographs.files import write_photographs as write_tables
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.photographs.streaming import File, Way, choose, copying_of, files_of, room_in
from orchestrator.runs.store import Store
from orchestrator.sizes import shown, size_of, written
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.worker.inputs import Inputs
from tests.faults.small_photographs import (
    SPEC,
    assert_same_tables,
    replace_unnoticed,
    tables,
    write_photographs,
)
from tests.orchestrator.one_slot import commands

# other sizes than the photos have, more than one of them, and what reads test photos to train on
MEMBERS = """\
name: small
data: {layout: folders, train: photos/train, test: photos/test}
folds: {k: 2}
defaults: {image_size: [16, 16], epochs: 4, batch_size: 8, model: test_resnet}
members:
  - {name: net, normalize: computed, margin: 1.5, augmentation: resized_crop, sizes: [[8, 8], [16, 16]]}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    write_photographs(tmp_path)
    (tmp_path / "spec.yaml").write_text(MEMBERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def record(folder: Path) -> list[dict]:
    return [
        json.loads(f.read_text()) for f in sorted(folder.glob("runs/small/units/*/*/*/unit.json"))
    ]


def copies(folder: Path) -> set[str]:
    return {file.name.partition("-")[0] for file in (folder / "cache").glob("*.npy")}


def test_tables_are_the_same_to_the_bit_with_copies_with_some_and_with_none(folder):
    found = {}
    for limit in (None, "36 kB", 0):
        given = () if limit is None else ("--set", f"cache.limit={limit}")
        with commands(folder) as command:
            printed = command("train-members", "spec.yaml", *given).replace("\n", " ")
        found[limit] = tables(folder / "runs/small"), copies(folder), record(folder), printed
        shutil.rmtree(folder / "runs")
        shutil.rmtree(folder / "cache")
    assert_same_tables(found[None][0], found["36 kB"][0])
    assert_same_tables(found[None][0], found[0][0])
    assert [own[1] for own in found.values()] == [
        {"12x12", "24x24", "16x16"}, {"12x12", "16x16"}, set()
    ]  # fmt: skip
    hashes = [[own["hash"] for own in records] for _, _, records, _ in found.values()]
    assert hashes[0] == hashes[1] == hashes[2]
    assert all("streamed" not in own for own in found[None][2])
    assert all(own["streamed"] == ["train 24x24"] for own in found["36 kB"][2])
    every = {"train 12x12", "train 24x24", "train 16x16", "test 16x16"}
    assert all({*own["streamed"]} == every for own in found[0][2])
    assert "batch by batch" not in found[None][3]
    assert "cache.limit allows none: photographs are decoded batch by batch in" in found[0][3]


def test_finished_units_are_used_whatever_the_limit_is_now(folder):
    with commands(folder) as command:
        command("train-members", "spec.yaml")
        again = command("train-members", "spec.yaml", "--set", "cache.limit=0")
    assert "to train" not in again


def test_check_says_which_way_and_what_it_costs(folder):
    with commands(folder) as command:
        quiet = command("check", "spec.yaml")
        line = command("check", "spec.yaml", "--set", "cache.limit=36 kB").replace("\n", " ")
        command("check", "spec.yaml", "--set", "cache.limit=36 kB", "--json", "plan.json")
    plain = json.loads((folder / "plan.json").read_text())
    assert "batch by batch" not in quiet
    assert (
        "36 kB are allowed (cache.limit): photographs are decoded batch by batch in 24x24" in line
    )
    assert "ms of CPU a photo and epoch" in line
    assert "for the 24 to train on; copied: 16x16 to train on" in line
    decoded = plain["decoded"]
    assert decoded["limit"] == 36_000
    assert [own["size"] for own in decoded["streamed"]] == [[24, 24]]
    assert {tuple(own["size"]) for own in decoded["copied"]} == {(12, 12), (16, 16)}
    assert decoded["milliseconds_per_photo"] > 0


def test_what_is_read_most_often_a_byte_is_copied_first(folder):
    """Hand-worked: 4 epochs, two of 12x12 and two of 24x24, half of the photos held out, 2 units."""
    spec = load("spec.yaml")
    found = {(own.way.part, own.way.size): own for own in files_of(spec, {"train": 24, "test": 6})}
    assert {way: own.readings for way, own in found.items()} == {
        ("train", (12, 12)): 2, ("train", (24, 24)): 2, ("train", (16, 16)): 5, ("test", (16, 16)): 2
    }  # fmt: skip
    for (_, (height, width)), own in found.items():
        rows = own.photos * (height * width * 3 + 4)
        assert rows < own.bytes <= rows + 144


def file(name: str, side: int, readings: float) -> File:
    return File(Way("train", name, (side, side), None), 10, readings)


def test_the_choice_is_within_the_limit_and_within_the_room_and_counts_what_is_there_once():
    small, large, idle = file("a", 10, 9), file("b", 20, 9), file("c", 10, 1)
    every = [idle, large, small]
    whole = sum(own.bytes for own in every)
    assert choose(every, None, None).streamed == ()
    assert choose(every, whole, whole).streamed == ()
    assert choose(every, 0, None).copied == ()
    assert choose(every, whole - 1, None).streamed == (idle,)
    assert choose(every, None, whole - 1).streamed == (idle,)
    assert choose(every, small.bytes + idle.bytes, None).copied == (small, idle)
    # what is made takes no room, but counts to the limit
    assert choose(every, None, 0, [large.way]).copied == (large,)
    assert choose(every, small.bytes, whole, [large.way]).copied == (small,)


def test_the_room_is_that_of_the_disk_the_folder_will_stand_on(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(streaming.shutil, "disk_usage", lambda folder: usage)
    assert room_in(tmp_path / "not/yet", held=1000) == 1800


def test_a_disk_with_too_little_room_streams_and_says_so(folder, monkeypatch):
    monkeypatch.setattr(streaming, "room_in", lambda *_: 36_000)
    monkeypatch.setattr("orchestrator.photographs.decoded.room_in", lambda *_: 36_000)
    with commands(folder) as command:
        printed = command("train-members", "spec.yaml").replace("\n", " ")
    assert "36 kB more have room in" in printed
    assert copies(folder) == {"12x12", "16x16"}
    assert all(own["streamed"] == ["train 24x24"] for own in record(folder))


def test_a_process_that_finds_its_disk_full_streams_and_says_so(folder, monkeypatch):
    """As on another node: nobody knew of its disk before."""
    from members.pixels import cache

    spec = load("spec.yaml")
    write_tables(prepared := prepare_photographs(spec).photographs, store := Store(folder / "run"))
    unit = units.of_member(spec.members[0], prepared)[0]
    expected = Inputs(store, str(folder / "whole")).photos(unit, "test").read(np.arange(6))
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    inputs = Inputs(store, str(folder / "full"))
    assert (inputs.photos(unit, "test").read(np.arange(6)) == expected).all()
    (note,) = inputs.notes()
    assert "6 photos of 16x16" in note
    assert note.endswith("Until then they are decoded batch by batch.")
    assert inputs.notes() == []
    assert inputs.streamed(unit) == ["test 16x16"]


@pytest.mark.fault(
    "a photograph without a copy changes or vanishes while units train",
    "the unit fails and names it; the same command goes on with the photographs as they are",
)
@pytest.mark.parametrize("how", [replace_unnoticed, Path.unlink])
def test_a_photo_that_changes_while_it_is_streamed_fails_the_unit_by_name(how, folder, monkeypatch):
    (folder / "spec.yaml").write_text(SPEC + "cache: {limit: 0}\n")
    photo = folder / "photos/train/cat/03.png"
    from orchestrator.running import tune

    with commands(folder) as command:
        run_all = command.run_all

        def changed_before(*given):
            how(photo)
            run_all(*given)

        monkeypatch.setattr(tune, "run_all", changed_before)
        printed = command("train-members", "spec.yaml", code=1).replace("\n", " ")
    assert "photos/train/cat/03.png: " in printed
    assert "Traceback" not in printed


def test_memory_counts_what_decodes_the_largest_photograph(folder):
    spec = load("spec.yaml", sets=["cache.limit=0", "resources.loader_workers=3"])
    prepared = prepare_photographs(spec)
    assert prepared.largest == 32 * 32
    copying = copying_of(spec, prepared.photographs, largest=prepared.largest)
    assert copying.memory_of(spec.members[0]) == 3 * 13 * 32 * 32
    copied = copying_of(load("spec.yaml"), prepared.photographs, largest=prepared.largest)
    assert copied.memory_of(spec.members[0]) == 0


@pytest.mark.parametrize(
    ("given", "bytes"),
    [("50 GB", 50e9), ("500 MB", 500e6), ("1.5TB", 1.5e12), ("64 GiB", 2**36), ("7 kb", 7000),
     ("12 B", 12), (0, 0)],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(given, bytes):
    assert size_of(given) == bytes
    assert size_of(written(size_of(given))) == bytes


@pytest.mark.parametrize(
    "given", [50, "50", "50 gigs", "-1 GB", True, None, "1e3 GB", "GB", "9" * 30 + "TB"]
)
def test_what_is_no_size_is_refused_with_what_is_one(given):
    with pytest.raises(ValueError, match=r"50 GB, 500 MB.*got"):
        size_of(given)


def test_sizes_are_shown_with_two_digits():
    sizes = (0, 999, 1000, 4_500_000, 61_400_000_000)
    assert [shown(size) for size in sizes] == ["0 B", "999 B", "1.0 kB", "4.5 MB", "61 GB"]


@pytest.mark.parametrize(
    ("block", "why"), [("{}", "limit"), ("{limit: 50}", "50 GB"), ("{limt: 1 GB}", "limit")]
)
def test_a_block_that_says_nothing_or_no_size_is_refused(block, why, folder):
    (folder / "spec.yaml").write_text(MEMBERS + f"cache: {block}\n")
    with pytest.raises(WrongRequest, match=why) as caught:
        load("spec.yaml")
    assert "spec.yaml, line" in str(caught.value)


def test_the_block_is_kept_with_the_run_and_is_no_part_of_a_unit(folder):
    plain, limited = load("spec.yaml"), load("spec.yaml", sets=["cache.limit=64 GiB"])
    (folder / "again.yaml").write_text(limited.to_yaml())
    assert load("again.yaml") == limited
    assert "cache" not in plain.to_yaml()
    prepared = prepare_photographs(plain).photographs
    hashes = [
        [u.hash for u in units.of_member(spec.members[0], prepared)] for spec in (plain, limited)
    ]
    assert hashes[0] == hashes[1]
