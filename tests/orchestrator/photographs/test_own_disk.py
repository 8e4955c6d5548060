"""`cache.folder`: copies on a disk of each machine's own, where others make room."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.photographs.cache import copies_folder, own_disk
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.worker.job import Setup, setup_of
from tests.faults.small_photographs import SPEC, assert_same_tables, tables, write_photographs
from tests.orchestrator.command_line import orchestrator
from tests.orchestrator.one_slot import commands

SMALL = SPEC.replace("[32, 32]", "[16, 16]").replace("name: small", "name: smaller")
OF_ONE = 30 * (32 * 32 * 3 + 4) + 2 * 144  # all 30 photos of the spec


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    write_photographs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kept(folder: Path) -> list[str]:
    return sorted(file.name.partition("-")[0] for file in (folder / "disk").glob("*.npy"))


def test_copies_lie_there_make_room_for_another_run_s_and_tables_are_the_same(folder):
    disk = f"cache.folder={folder}/disk"
    (folder / "smaller.yaml").write_text(SMALL)
    with commands(folder) as command:
        command("train-members", "spec.yaml", "--run", "plain")
        command("train-members", "spec.yaml", "--run", "own", "--set", disk)
        assert kept(folder) == ["32x32"] * 2
        limit = ("--set", f"cache.limit={OF_ONE + 1000} B")
        said = command("train-members", "smaller.yaml", "--run", "other", "--set", disk, *limit)
        # one file makes room enough for both of the other run
        assert kept(folder).count("16x16") == 2
        assert sum(file.stat().st_size for file in (folder / "disk").glob("*.npy")) <= OF_ONE + 1000
        said += command("train-members", "spec.yaml", "--run", "again", "--set", disk, *limit)
    assert "batch by batch" not in said
    assert_same_tables(tables(folder / "plain"), tables(folder / "own"))
    assert_same_tables(tables(folder / "plain"), tables(folder / "again"))
    assert kept(folder).count("32x32") == 2
    assert not list((folder / "disk").glob(".*"))


def test_damage_there_is_found(folder):
    disk = f"cache.folder={folder}/disk"
    with commands(folder) as command:
        command("train-members", "spec.yaml", "--set", disk)
        file = max((folder / "disk").glob("*.npy"), key=lambda own: own.stat().st_size)
        content = bytearray(file.read_bytes())
        content[5000] ^= 1
        file.write_bytes(content)
        said = command("check", "spec.yaml", "--deep", "--set", disk).replace("\n", "")
    assert f"{file.name}: 1 of 24 photos in it is damaged" in said


def test_processes_are_told_of_it(folder):
    spec = load("spec.yaml", sets=["cache.folder=/local/ssd", "cache.limit=7 GB"])
    setup = setup_of(spec, Store(folder / "run"), 0.0)
    assert (setup.cache, setup.own_disk, setup.limit) == ("/local/ssd", True, 7 * 10**9)
    assert Setup.from_config(json.loads(json.dumps(setup.to_config()))) == setup
    plain = load("spec.yaml")
    without = setup_of(plain, Store(folder / "run"), 0.0)
    assert without == replace(
        setup, cache=copies_folder(plain), own_disk=False, limit=None, attempt=without.attempt
    )
    assert own_disk(plain) is None


@pytest.mark.parametrize(
    ("block", "why"),
    [("{}", "give limit"), ("{folder: ssd}", "a whole path"),
     ("{folder: /ssd, limit: 0}", "has no effect with limit: 0")],
)  # fmt: skip
def test_what_has_no_meaning_or_no_effect_is_refused(block, why, folder):
    (folder / "spec.yaml").write_text(SPEC + f"cache: {block}\n")
    with pytest.raises(WrongRequest, match=why):
        load("spec.yaml")


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_tables_are_the_same_streamed_by_loaders_and_from_a_disk_of_its_own(folder):
    disk = ("--set", f"cache.folder={folder}/disk")
    loaders = ("--set", "resources.loader_workers=1", "--set", "cache.limit=0")
    done = orchestrator("train-members", "spec.yaml", "--run", "own", *disk, cwd=folder)
    assert "batch by batch" not in done.stdout
    assert kept(folder) == ["32x32"] * 2
    done = orchestrator("train-members", "spec.yaml", "--run", "streamed", *loaders, cwd=folder)
    assert "cache.limit allows none" in done.stdout.replace("\n", " ")
    assert_same_tables(tables(folder / "own"), tables(folder / "streamed"))
    assert not list((folder / "cache").glob("*.npy"))
