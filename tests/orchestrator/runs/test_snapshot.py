"""A snapshot answers as the folder that it is of did, and asks once what a plan asks for each unit."""

import pickle
import threading

import pytest

from orchestrator.runs.snapshot import Snapshot
from orchestrator.runs.store import Store

FILES = {
    "units/a/0123/fold-0/unit.json": b'{"fold": 0}',
    "units/a/0123/fold-0/oof.parquet": b"rows",
    "units/a/0123/fold-1/state.pt": b"state",
    "units/b/4567/fold-0/epochs/1-oof.parquet": b"more",
    "tables/a/oof.parquet": b"table",
    "tables/a/made_from.txt": b"0123",
    "spec.yaml": b"name: x",
    "search/a.json": b"{}",
}
ASKED = [
    *FILES, "", "units", "tables", "units/a", "units/a/0123", "units/a/0123/fold-0", "units/c", "tables/a",
    "units/a/0123/fold-1/unit.json", "tables/c/made_from.txt", "damaged", "units/b/4567/fold-0/epochs",
]  # fmt: skip


@pytest.fixture(params=["a local disk", "a bucket"])
def store(request, tmp_path) -> Store:
    place = str(tmp_path) if request.param == "a local disk" else request.getfixturevalue("bucket")
    store = Store(f"{place}/run")
    for path, content in FILES.items():
        store.write(path, content)
    return store


def answers(store: Store) -> list:
    def read(path: str):
        try:
            return store.read(path)
        except FileNotFoundError:
            return "not there"

    files = [path for path in ASKED if "." in path]
    asked = [[store.exists(p), store.list(p) if "." not in p else None] for p in ASKED if p]
    return [asked, list(map(read, files)), store.sizes(ASKED)]


def test_it_answers_as_the_folder_does(store):
    assert answers(Snapshot(store)) == answers(store)


def test_of_a_folder_that_is_not_there(tmp_path):
    store = Store(tmp_path / "nothing")
    assert answers(Snapshot(store)) == answers(store)


def test_what_is_changed_through_it_is_asked_for_anew(store):
    snapshot = Snapshot(store)
    answers(snapshot)
    snapshot.write("units/a/0123/fold-1/unit.json", b'{"fold": 1}')
    assert answers(snapshot) == answers(store)
    assert snapshot.read("units/a/0123/fold-1/unit.json") == b'{"fold": 1}'
    snapshot.write("units/c/89/fold-0/unit.json", b"{}")
    assert answers(snapshot) == answers(store)
    assert snapshot.list("units") == ["a", "b", "c"]
    snapshot.delete("tables/a")
    assert answers(snapshot) == answers(store)
    snapshot.write("tables/a/made_from.txt", b"new")
    assert answers(snapshot) == answers(store)
    snapshot.set_aside("units/a/0123/fold-0/unit.json")
    assert answers(snapshot) == answers(store)
    snapshot.delete("units/b/4567")
    assert answers(snapshot) == answers(store)


def test_what_is_written_where_it_was_named_is_seen(store):
    snapshot = Snapshot(store)
    answers(snapshot)
    snapshot.uri("tables/b/test.parquet")  # a writer of tables takes addresses
    store.write("tables/b/test.parquet", b"from elsewhere")
    assert answers(snapshot) == answers(store)
    assert snapshot.exists("tables/b/test.parquet")
    assert snapshot.list("tables/b") == ["test.parquet"]


def test_what_others_write_meanwhile_is_seen_by_the_live_one(store):
    snapshot = Snapshot(store)
    before = answers(snapshot)
    store.write("units/z/1/fold-0/unit.json", b"{}")
    assert snapshot.source("tables/a/oof.parquet") == store.uri("tables/a/oof.parquet")
    assert answers(snapshot) == before
    assert snapshot.live is store
    assert store.live is store
    assert Snapshot(snapshot).exists("units/z/1/fold-0/unit.json")
    assert type(pickle.loads(pickle.dumps(snapshot))) is Store


def test_records_are_read_once_by_however_many_ask(store, monkeypatch):
    for number in range(20):
        store.write(f"units/m/0/fold-{number}/unit.json", str(number))
    read, own = [], Store.read
    monkeypatch.setattr(Store, "read", lambda self, path: read.append(path) or own(self, path))
    snapshot = Snapshot(store)
    found: list[bytes] = []

    def ask() -> None:
        found.extend(snapshot.read(f"units/m/0/fold-{n}/unit.json") for n in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(str(n).encode() for n in [*range(20)] * 4)
    assert len(read) == len(set(read)) == 22  # and the two records of FILES
