"""Photographs read by the machines of a Ray: the same rows as here, whatever they lack or lose."""

import contextlib
import json
import subprocess
import sys

import pandas as pd
import pytest

from members.reading import readers
from members.reading.photo import Asked, read_photo
from members.reading.scan import scan
from orchestrator.cluster import reading
from tests.members.data_fixtures import broken_files, write_photo
from tests.orchestrator.command_line import ROOT, another_ray


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


def joined(*words: object) -> None:
    command = [sys.executable, "-m", "tests.orchestrator.cluster.joined", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.ray
def test_the_machines_of_a_ray_find_what_this_one_finds(paths, tmp_path):
    (tmp_path / "paths.json").write_text(json.dumps(paths))
    with another_ray(nodes=2) as address:
        joined("scan", address, tmp_path)
    found = pd.read_parquet(tmp_path / "found.parquet")
    pd.testing.assert_frame_equal(found, scan(paths), check_dtype=False)
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["counted"] == [[i + 1, len(paths)] for i in range(len(paths))]
    assert len(set(said["where"])) == 2, "the calls ran on one machine"
    assert None not in said["where"], "a process that dies once is no reason to give up"


@pytest.mark.ray
@pytest.mark.slow
def test_a_call_that_kills_every_process_is_none_and_a_machine_may_go():
    with another_ray(nodes=2) as address:
        joined("deaths", address)
