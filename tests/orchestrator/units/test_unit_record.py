"""`unit.json`: what was written is read, also by other versions; what is damaged is named."""

from __future__ import annotations

import json

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.units import unit as units
from orchestrator.units.record import UnitRecord, find_record, read_record, write_record
from tests.orchestrator.records import WRITTEN, record

FOLDER = f"units/net/{WRITTEN['hash']}/fold-{WRITTEN['fold']}"


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def text(store: Store) -> str:
    return store.read(f"{FOLDER}/unit.json").decode()


def values(store: Store) -> dict:
    return {key: value for key, value in json.loads(text(store)).items() if key != "sha256"}


def test_a_record_is_written_as_it_was_read(store):
    """By today's version: the same keys and values, in the same order, with their digest."""
    store.write_json(f"{FOLDER}/unit.json", WRITTEN)
    write_record(FOLDER, read_record(FOLDER, store), store)
    before = text(store)
    assert list(json.loads(before)) == [*WRITTEN, "sha256"]
    assert values(store) == WRITTEN
    write_record(FOLDER, read_record(FOLDER, store), store)
    assert text(store) == before


def test_every_key_that_is_written_today_is_a_field():
    sometimes = {"digests", "sizes", "pseudo", "teacher", "refit", "gpu", "out_of_memory"}
    sometimes |= {"streamed", "init_from"}
    assert {*WRITTEN} | sometimes == set(UnitRecord.model_fields)
    assert read_values(record()) == WRITTEN


def read_values(record: UnitRecord) -> dict:
    return json.loads(json.dumps(record.model_dump(exclude_unset=True)))


def test_a_record_of_an_older_version_is_read_and_gains_nothing(store):
    new = {"rows", "workers", "per_target", "versions", "seconds", "normalize", "seed"}
    old = {key: value for key, value in WRITTEN.items() if key not in new}
    store.write_json(f"{FOLDER}/unit.json", old)
    found = read_record(FOLDER, store)
    assert (found.workers, found.rows.validation, found.seconds.predict) == (1, 0, None)
    write_record(FOLDER, found, store)
    assert values(store) == old


def test_keys_of_a_later_version_are_kept(store):
    later = {**WRITTEN, "seconds": {**WRITTEN["seconds"], "compile": 3.5}, "digests": {"a": "b"}}
    store.write_json(f"{FOLDER}/unit.json", later)
    changed = read_record(FOLDER, store).model_copy(update={"test_hash": "another"})
    write_record(FOLDER, changed, store)
    assert values(store) == {**later, "test_hash": "another"}


def test_no_file_is_no_record(store):
    assert find_record(FOLDER, store) is None
    with pytest.raises(FileNotFoundError):
        read_record(FOLDER, store)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (json.dumps(WRITTEN).encode()[:200], "line 1"),
        (b"\x80abc", "utf-8"),
        (b"[1, 2]", "the whole"),
        (b'{"project": "another"}', "best_epoch: Field required; "),
        (json.dumps({**WRITTEN, "history": "long"}).encode(), "history: Input should be"),
    ],
)
def test_a_damaged_or_foreign_file_is_named_with_what_to_do(store, content, why):
    store.write(f"{FOLDER}/unit.json", content)
    member = units.Member(name="net", recipe={"model": "test_resnet"})
    unit = units.Unit(member, WRITTEN["hash"], WRITTEN["fold"], WRITTEN["seed"])
    assert unit.path == FOLDER
    assert not units.is_done(unit, store, WRITTEN["test_hash"])
    with pytest.raises(WrongRequest) as raised:
        read_record(FOLDER, store)
    message = str(raised.value)
    assert message.startswith(f"{store.uri(FOLDER)}/unit.json: no record of this unit (")
    assert why in message
    assert "train-members moves it to damaged/ and trains this unit again" in message
