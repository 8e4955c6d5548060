"""An object store that is away, overloaded, slow or refuses: gone through, or named at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ensembles import OofTable, object_store
from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.parquet import read_table, write_table
from ensembles.large.ranges import open_tables, read_columns
from orchestrator.runs.store import Store
from tests.faults.s3_proxy import Proxy


@pytest.mark.fault(
    "an object store answers slowly, or with 503", "asked again, later each time; the run goes on"
)
@pytest.mark.parametrize(("faults", "seconds"), [(3, 0.0), (0, 1.5)])
def test_overload_and_slow_answers_are_gone_through(proxy, bucket, faults, seconds):
    store = Store(f"{bucket}/run")
    proxy.faults, proxy.seconds = faults, seconds
    store.write("unit.json", "{}")
    proxy.seconds = 0.0
    assert store.read("unit.json") == b"{}"


@pytest.mark.fault(
    "an object store goes away in the middle of a write and comes back", "the file is there, whole"
)
def test_a_store_that_comes_back_gets_what_was_being_written(proxy, bucket, s3_server):
    store, port = Store(f"{bucket}/run"), proxy.port
    proxy.stop()
    back: list[Proxy] = []
    timer = threading.Timer(2.0, lambda: back.append(Proxy(s3_server, port)))
    timer.start()
    store.write("model", bytes(1_000_000))
    assert store.read("model") == bytes(1_000_000)
    back[0].stop()


READ = {
    "Store.read": lambda store, path: store.read(path),
    "read_bytes": lambda store, path: places.read_bytes(store.uri(path)),
    "file_digest": lambda store, path: places.file_digest(store.uri(path)),
}


@pytest.mark.fault("an object store's answer ends in the middle", "it is asked again")
@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_an_answer_that_ends_in_the_middle_is_asked_for_again(proxy, bucket, read):
    store = Store(f"{bucket}/run")
    store.write("model", bytes(range(256)) * 4000)
    expected = read(store, "model")
    proxy.halved = 1
    assert read(store, "model") == expected
    assert proxy.halved == 0


@pytest.mark.fault("an object store answers 503 where a small file is read", "it is asked again")
@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_a_refusal_that_is_longer_than_the_file_is_gone_through(proxy, bucket, read):
    store = Store(f"{bucket}/run")
    store.write("unit.json", "{}")
    expected = read(store, "unit.json")
    proxy.methods, proxy.faults = {"GET"}, 2
    assert read(store, "unit.json") == expected
    assert proxy.faults == 0


@pytest.mark.fault("an object store answers 503 where a small file is read", "it is asked again")
def test_the_probe_before_training_goes_through_such_a_refusal(proxy, bucket):
    store = Store(f"{bucket}/run")
    proxy.methods, proxy.faults = {"GET"}, 2
    store.require_writable()
    assert proxy.faults == 0


def oof_table() -> OofTable:
    ids = np.array(["a", "b", "c", "d"], object)
    folds, labels = np.array([0, 1, 0, 1], np.int16), np.array([0, 1, 1, 0], np.int16)
    return OofTable(ids, np.full((4, 2), 0.5, np.float32), folds, labels)


READ_PARTS = {
    "read_table": lambda place: read_table(places.join(place, "net/oof.parquet")).label.tolist(),
    "read_parquet": lambda place: places.read_parquet(
        places.join(place, "net/oof.parquet"), ["label"]
    )["label"].to_pylist(),
    "in ranges": lambda place: read_columns(open_tables(place, "oof"), "net", (0, 4), ["label"])[
        "label"
    ].to_pylist(),
}


@pytest.mark.fault("an object store answers 503 where a small file is read", "it is asked again")
@pytest.mark.parametrize("read", READ_PARTS.values(), ids=READ_PARTS)
def test_a_refusal_longer_than_a_part_of_a_table_is_gone_through(proxy, bucket, read):
    place = f"{bucket}/tables"
    write_table(places.join(place, "net/oof.parquet"), oof_table())
    proxy.short = 2
    assert read(place) == [0, 1, 1, 0]
    assert proxy.short == 0


@pytest.mark.fault("credentials have expired or lack a permission", "named before training, exit 2")
@pytest.mark.parametrize(
    ("status", "why"), [(400, "credentials have expired"), (403, "no permission")]
)
def test_what_is_refused_is_named_before_training(proxy, bucket, status, why):
    store = Store(f"{bucket}/run")
    proxy.status, proxy.faults = status, 1000
    with pytest.raises(BadInput, match=why):
        store.require_writable()


@pytest.mark.fault("there is no such bucket", "named before training, exit 2")
def test_a_missing_bucket_is_named(bucket):
    with pytest.raises(BadInput, match=r"s3://no-such-bucket/run/.*there is no such bucket"):
        Store("s3://no-such-bucket/run").require_writable()


@pytest.mark.fault("an object store is away when a command begins", "exit 2 within seconds")
def test_a_command_does_not_wait_for_what_is_away(bucket, monkeypatch):
    monkeypatch.setattr(object_store, "_first_asks", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(BadInput, match=f"{bucket}: nothing answers there"):
        Store(f"{bucket}/run")
