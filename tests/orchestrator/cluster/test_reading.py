"""Photographs read by the machines of a Ray: the same rows as here, whatever they lack or lose."""

import contextlib
import os
from pathlib import Path

import pandas as pd
import psutil
import pytest

from members.reading import readers
from members.reading.photo import Asked, read_photo
from members.reading.scan import scan
from orchestrator.cluster import reading
from orchestrator.cluster.connect import mapped
from tests.members.data_fixtures import broken_files, write_photo
from tests.orchestrator.command_line import another_ray


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("photos")
    written = [write_photo(folder / f"{i}.jpg", i, height=20 + i, width=30) for i in range(30)]
    return [*map(str, written), *(str(folder / name) for name in broken_files(folder))]


def test_without_a_cluster_and_of_few_photos_this_machine_reads(paths, monkeypatch):
    assert reading.reading_at(None) is readers.readers
    assert reading.reading_at("local") is readers.readers
    monkeypatch.setattr("orchestrator.cluster.connect.mapped", pytest.fail)
    found = scan(paths, read_by=reading.reading_at("10.0.0.1:6379"))
    pd.testing.assert_frame_equal(found, scan(paths))


@contextlib.contextmanager
def machine(function):
    """A machine that answers by `function`, in place of a Ray's."""
    yield lambda _, parts: map(function, parts)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda part: None, id="died"),
        pytest.param(lambda part: [None] * len(part), id="has too little memory"),
        pytest.param(
            lambda part: [read_photo(Asked("/nowhere" + own.path)) for own in part],
            id="lacks the folder",
        ),
    ],
)
def test_what_a_machine_cannot_read_is_read_here(paths, monkeypatch, answer):
    monkeypatch.setattr(reading, "FEWEST", 1)
    monkeypatch.setattr("orchestrator.cluster.connect.mapped", lambda *_, **__: machine(answer))
    found = scan(paths, read_by=reading.reading_at("10.0.0.1:6379"))
    pd.testing.assert_frame_equal(found, scan(paths))


def slowly(part: list[Path]) -> str:
    """The node that answers; the first call of all takes its node's process with it."""
    import time

    import ray

    if part[0].exists():
        part[0].unlink()
        os._exit(1)
    time.sleep(0.2)
    return ray.get_runtime_context().get_node_id()


@pytest.mark.ray
def test_the_machines_of_a_ray_find_what_this_one_finds(paths, monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "FEWEST", 1)
    monkeypatch.setattr(readers, "_AT_ONCE", 4)
    counted = []
    with another_ray(nodes=2) as address:
        found = scan(
            paths,
            tmp_path / "memo.parquet",
            lambda *done: counted.append(done),
            read_by=reading.reading_at(address),
        )
        (tmp_path / "deadly").touch()
        with mapped(address, spread=True) as calls:
            where = list(calls(slowly, [[tmp_path / "deadly"], *[[tmp_path / "fine"]] * 11]))
    pd.testing.assert_frame_equal(found, scan(paths))
    assert counted == [(i + 1, len(paths)) for i in range(len(paths))]
    assert len(set(where)) == 2, "the calls ran on one machine"
    assert None not in where, "a process that dies once is no reason to give up"


def die(_) -> None:
    os._exit(1)


def answer_slowly(part: int) -> int:
    import time

    time.sleep(0.3)
    return part


@pytest.mark.ray
@pytest.mark.slow
def test_a_call_that_kills_every_process_is_none_and_a_machine_may_go():
    with another_ray(nodes=2) as address, mapped(address, spread=True) as calls:
        assert list(calls(die, [1])) == [None]
        answers = calls(answer_slowly, range(20))
        found = [next(answers)]
        own = [p for p in psutil.process_iter(["cmdline"]) if is_raylet(p.info["cmdline"], address)]
        (other,) = [p for p in own if "--head" not in p.info["cmdline"]]
        other.kill()
        assert [*found, *answers] == list(range(20))


def is_raylet(words: list[str] | None, address: str) -> bool:
    return bool(words) and Path(words[0]).name == "raylet" and f"--gcs-address={address}" in words
