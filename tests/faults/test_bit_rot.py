"""A bit that flips in a run folder is named: nothing reads as something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

import ensembles
from ensembles.errors import BadInput
from ensembles.files.digests import sealed
from members.networks.models import build_model
from members.training.ranks import ALONE
from orchestrator.commands.damage import every_damage
from orchestrator.photographs.files import read_photographs
from orchestrator.runs.store import Store
from orchestrator.search.record import read_search
from orchestrator.units import unit as units
from orchestrator.units.files import DamagedWeights, load_weights, read_state
from orchestrator.units.record import find_record, read_record, record_damage
from tests.faults.flips import drawn, flip, flipped
from tests.faults.small_photographs import SPEC, assert_same_tables, tables, write_photographs
from tests.orchestrator import one_slot
from tests.orchestrator.in_process import carry_out, work

SEARCHED = """
search:
  members: [net]
  space: {lr: {log_uniform: [1e-4, 1e-2]}}
  candidates: 2
  sampler: random
"""
KEPT = "members:\n  - {name: net, normalize: computed, submissions_above: 0.0, metric: accuracy}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rot")
    write_photographs(folder)
    (folder / "spec.yaml").write_text(SPEC[: SPEC.index("members:")] + KEPT + SEARCHED)
    return folder


@pytest.fixture(scope="module")
def run(folder) -> Iterator[one_slot.Commands]:
    with one_slot.commands(folder) as run:
        run("train-members", "spec.yaml")
        run("vote", "spec.yaml", "--mode", "soft")
        yield run


@pytest.fixture(scope="module")
def store(run, folder) -> Store:
    return Store(folder / "runs/small")


def unit_of(store: Store, folder: str) -> units.Unit:
    record = read_record(folder, store)
    return units.Unit(units.Member(**record.member), record.hash, record.fold, record.seed)


def unit_folders(store: Store) -> list[str]:
    found = sorted(Path(store.root).glob("units/*/*/*/unit.json"))
    return [str(file.parent.relative_to(store.root)) for file in found]


def test_of_a_right_run_nothing_is_named(store):
    assert every_damage(store) == []


@pytest.mark.fault(
    "a bit of a table flips on the disk", "it is named; nothing reads as something else"
)
def test_every_flip_of_a_table_is_named(store):
    root = Path(store.root)
    files = [*sorted(root.glob("units/*/*/*/*.parquet")), *sorted(root.glob("tables/*/*"))]
    files += sorted(root.glob("units/*/*/*/epochs/*.parquet"))
    for file, bit in drawn(files, 150):
        path = str(file.relative_to(root))
        with flipped(file, bit):
            found = every_damage(store)
            named = {name for damage in found for name in (damage.path, *damage.along)}
            assert path in named or file.name == "SHA256SUMS", (path, bit)
            assert found, (path, bit)


@pytest.mark.fault(
    "a bit flips in the tables that a vote reads", "the vote refuses them, by the name of the file"
)
def test_no_flip_of_a_voting_table_reads_as_something_else(store):
    folder = Path(store.root) / "tables"
    right = ensembles.read_members(folder, "oof")["net"]
    for file, bit in drawn([folder / "net/oof.parquet", folder / "net/SHA256SUMS"], 200):
        with flipped(file, bit):
            found, wrong = None, ""
            try:
                found = ensembles.read_members(folder, "oof")["net"]
            except BadInput as error:
                wrong = error.problems[0]
            if found is None:
                assert str(file.parent) in wrong
                continue
            assert (found.probabilities == right.probabilities).all(), bit
            assert (found.label == right.label).all(), bit


@pytest.mark.fault("a bit of unit.json flips", "it is named, or reads as the same")
def test_no_flip_of_a_record_reads_as_something_else(store):
    named = 0
    for folder in unit_folders(store):
        right = read_record(folder, store)
        for file, bit in drawn([Path(store.uri(f"{folder}/unit.json"))], 100):
            with flipped(file, bit):
                found = find_record(folder, store)
                assert bool(found) != bool(record_damage(folder, store))
                named += found is None
                if found:  # of spaces between values, or of the digest's own name
                    values = {
                        k: v for k, v in found.model_dump().items() if k in right.model_dump()
                    }
                    assert values == right.model_dump()
    assert named > 50 * len(unit_folders(store))


@pytest.mark.fault("a bit of a weights file flips", "it is named where the weights are loaded")
def test_every_flip_of_weights_is_found_where_they_are_loaded(store):
    for folder in unit_folders(store)[:2]:
        unit, record = unit_of(store, folder), read_record(folder, store)
        model = build_model(unit.member.recipe, 2, pretrained=False)
        file = Path(store.uri(f"{folder}/model.safetensors"))
        load_weights(model, f"{folder}/model.safetensors", unit, record, store)
        for _, bit in drawn([file], 20):
            with flipped(file, bit), pytest.raises(DamagedWeights, match=r"model\.safetensors"):
                load_weights(model, f"{folder}/model.safetensors", unit, record, store)


@pytest.mark.fault(
    "a bit flips in images.parquet, test.parquet, targets.json or a search",
    "it is named, or reads as the same",
)
def test_no_flip_of_the_photographs_or_a_search_reads_as_something_else(store):
    right, search = read_photographs(store), read_search("net", store)
    root = Path(store.root)
    files = [root / name for name in ("images.parquet", "test.parquet", "targets.json")]
    for file, bit in drawn([*files, root / "search/net.json"], 120):
        with flipped(file, bit):
            found, candidates, wrong = None, None, ""
            try:
                found, candidates = read_photographs(store), read_search("net", store)
            except ValueError as error:
                wrong = str(error)
            if found is None:
                assert str(file) in wrong
                continue
            pd.testing.assert_frame_equal(found.train, right.train, check_exact=True)
            assert candidates == search


@pytest.mark.fault(
    "what a search's record holds of a candidate is of another, or it is cut short",
    "it is named and set aside; the search begins again and trains no candidate again",
)
@pytest.mark.parametrize("damage", ["another's settings", "cut"])
def test_a_search_whose_record_cannot_be_used_begins_again(run, folder, store, damage):
    right, file = tables(folder / "runs/small"), Path(store.uri("search/net.json"))
    units = {path: file_times(store, path) for path in unit_folders(store)}
    whole, record = file.read_bytes(), json.loads(file.read_text())
    if damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    else:
        record["candidates"][0]["settings"] = {"lr": 0.5}
        file.write_text(json.dumps(sealed(record)))
    before = file.read_bytes()
    printed = run("check", "spec.yaml").replace("\n", " ")
    assert printed.count("search/net.json: ") == 1
    assert "the search begins again" in printed
    assert file.read_bytes() == before
    printed = run("train-members", "spec.yaml").replace("\n", " ")
    assert "note: search/net.json: " in printed
    aside = max(
        Path(store.uri("damaged/search")).iterdir(), key=lambda path: path.stat().st_ctime_ns
    )
    assert aside.read_bytes() == before
    assert json.loads(file.read_text())["candidates"] == json.loads(whole)["candidates"]
    assert {path: file_times(store, path) for path in unit_folders(store)} == units
    assert_same_tables(tables(folder / "runs/small"), right)


def test_the_record_of_another_search_is_no_damage(run, folder, store):
    """Of an earlier space: the new one is searched, and nothing is set aside."""
    spec, aside = folder / "spec.yaml", Path(store.uri("damaged/search"))
    before = spec.read_text(), set(aside.glob("*"))
    spec.write_text(before[0].replace("1e-4", "1e-5"))
    try:
        assert "search/net.json" not in run("check", "spec.yaml").replace("\n", "")
    finally:
        spec.write_text(before[0])
    assert set(aside.glob("*")) == before[1]


def file_times(store: Store, folder: str) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in Path(store.uri(folder)).iterdir()}


# -- the states of units that are not finished ---------------------------------------------------


@pytest.fixture(scope="module")
def interrupted(store, folder) -> tuple[units.Unit, bytes]:
    """A unit, and the state that it had after its first epoch."""
    unit = unit_of(store, unit_folders(store)[0])
    own = Store(folder / "interrupted")
    for name in ("images.parquet", "test.parquet", "targets.json"):
        own.write(name, store.read(name))
    train(unit, own, folder, stop_after=1)
    return unit, own.read(f"{unit.path}/state.pt")


def train(unit: units.Unit, store: Store, folder: Path, stop_after: int | None = None) -> list[str]:
    """As a training process would; what it noted."""
    notes = []

    def send(values: dict) -> None:
        notes.extend([values["message"]] if values["event"] == "note" else [])
        if values["event"] == "epoch" and values["epoch"] == stop_after:
            raise KeyboardInterrupt
        assert values["event"] != "failed", values["message"]

    try:
        carry_out(work(store, [unit], folder / "cache"), send)
    except KeyboardInterrupt:
        assert stop_after
    return notes


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.fault("a bit of state.pt flips", "it is named, or reads as the same")
def test_no_flip_of_a_state_reads_as_something_else(interrupted, tmp_path):
    unit, content = interrupted
    store = Store(tmp_path)
    store.write(f"{unit.path}/state.pt", content)
    right = read_state(unit, store, ALONE)
    file = Path(store.uri(f"{unit.path}/state.pt"))
    end = 8 * (len(content) - 80)  # the digest and what stands before it
    named = 0
    for bit in [*(bit for _, bit in drawn([file], 100)), *range(end, 8 * len(content), 9)]:
        with flipped(file, bit):
            try:
                assert same(read_state(unit, store, ALONE), right)
            except ValueError:
                named += 1
    assert named >= 100


@pytest.mark.parametrize(
    "damage", ["flipped", "cut", "empty", "another unit's", "another network's"]
)
@pytest.mark.fault(
    "state.pt is damaged, cut, another unit's or another network's",
    "it is named and set aside; the unit begins again, tables equal",
)
def test_a_unit_whose_state_is_damaged_begins_again_with_the_same_result(
    interrupted, store, folder, tmp_path, damage
):
    unit, content = interrupted
    own = Store(tmp_path)
    for name in ("images.parquet", "test.parquet", "targets.json"):
        own.write(name, store.read(name))
    own.write(f"{unit.path}/state.pt", content)
    file = Path(own.uri(f"{unit.path}/state.pt"))
    if damage == "flipped":
        flip(file, 4 * len(content))
    elif damage == "another unit's":
        unit = units.Unit(unit.member, unit.hash, 1 - unit.fold, None)
        own.write(f"{unit.path}/state.pt", content)
    elif damage == "another network's":
        state = read_state(unit, own, ALONE)
        state["model"] = {
            name: value[:1] if value.ndim else value for name, value in state["model"].items()
        }
        torch.save(state, file)
    else:
        file.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    before = own.read(f"{unit.path}/state.pt")
    notes = train(unit, own, folder)
    assert [note for note in notes if f"{unit.path}/state.pt" in note and "begins again" in note]
    assert own.read(f"damaged/{unit.path}/state.pt") == before
    for kind in ("oof", "test"):
        path = f"{unit.path}/{kind}.parquet"
        assert own.read(path) == store.read(path)


@pytest.mark.fault(
    "weights have rotted when new photographs are to be predicted",
    "they are named and set aside; their unit is trained again, tables equal",
)
def test_a_network_whose_weights_rotted_is_trained_again_when_it_is_asked(run, folder, store):
    """New photographs to predict: the weights of finished units are used then."""
    right = tables(folder / "runs/small")
    damaged = unit_folders(store)[-1]
    flip(Path(store.uri(f"{damaged}/model.safetensors")), 4000)
    new = folder / "photos/test/9.png"
    new.write_bytes((folder / "photos/test/0.png").read_bytes())
    try:
        printed = run("train-members", "spec.yaml")
    finally:
        new.unlink()
    assert f"{damaged}/model.safetensors" in printed.replace("\n", "")
    assert store.exists(f"damaged/{damaged}/model.safetensors")
    run("train-members", "spec.yaml")
    assert_same_tables(tables(folder / "runs/small"), right)
