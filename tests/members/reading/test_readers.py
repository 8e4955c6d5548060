import contextlib
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from members.pixels.memory import Budget
from members.reading import readers
from members.reading.memo import table_of
from members.reading.photo import Asked
from members.reading.readers import Readers, rows_in_threads
from members.reading.scan import scan
from tests.members.data_fixtures import broken_files, write_photo


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[str]:
    """More photos than are asked for at once, broken ones among them."""
    folder = tmp_path_factory.mktemp("photos")
    written = [write_photo(folder / f"{i}.jpg", i, height=20 + i, width=30) for i in range(40)]
    return [*map(str, written), *(str(folder / name) for name in broken_files(folder))]


def asked(paths) -> list[Asked]:
    return [Asked(path) for path in paths]


def read_here(paths):
    return rows_in_threads("read", asked(paths))


def by_path(rows) -> pd.DataFrame:
    return table_of([row for _, row in rows]).sort_values("path", ignore_index=True)


def test_processes_find_what_threads_find(paths):
    with Readers(2) as started:
        found = by_path(started.rows("read", asked(paths)))
    pd.testing.assert_frame_equal(found, by_path(read_here(paths)))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is set is glibc's")
def test_a_process_keeps_the_memory_that_it_decodes_in(tmp_path):
    """A photo takes some 300 pages of 4 KiB, which are not taken anew for each."""
    large = [write_photo(tmp_path / f"{i}.jpg", i, height=400, width=500) for i in range(20)]

    def page_faults(process) -> int:
        return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[7])

    with Readers(1) as started:
        list(started.rows("read", asked(map(str, large))))  # the first need theirs, and imports
        before = page_faults(started._running[0])
        list(started.rows("read", asked(map(str, large))))
        assert page_faults(started._running[0]) - before < 50 * len(large)


def test_a_scan_of_many_photos_is_that_of_each(paths, monkeypatch, tmp_path):
    expected = scan(paths)
    counted = []
    monkeypatch.setattr(readers, "FEWEST", 10)
    monkeypatch.setattr(
        readers, "rows_in_threads", lambda work, left, into: iter(map(pytest.fail, left))
    )
    monkeypatch.setattr(readers.os, "sched_getaffinity", lambda _: {0, 1})
    found = scan(paths, tmp_path / "memo.parquet", lambda *done: counted.append(done))
    pd.testing.assert_frame_equal(found, expected)
    assert counted == [(i + 1, len(paths)) for i in range(len(paths))]


def test_what_takes_more_than_a_process_s_share_is_read_here(tmp_path, monkeypatch):
    small, large = (str(tmp_path / f"{name}.png") for name in ("small", "large"))
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(small)
    Image.fromarray(np.zeros((400, 400, 3), np.uint8)).save(large)
    here = []
    monkeypatch.setattr(readers, "BUDGET", Budget(4 * 100_000))
    monkeypatch.setattr(
        readers, "rows_in_threads", lambda *how: here.extend(how[1]) or rows_in_threads(*how)
    )
    with Readers(2) as started:
        found = by_path(started.rows("read", asked([small, large])))
    assert here == [Asked(large)]
    pd.testing.assert_frame_equal(found, by_path(read_here([small, large])))


def test_the_photos_of_a_process_that_dies_are_read_all_the_same(paths):
    with Readers(2) as started:
        started._running[0].kill()
        assert len(list(started.rows("read", asked(paths)))) == len(paths)


def test_a_process_is_asked_for_few_large_photos_or_many_small_ones(tmp_path, monkeypatch):
    for name, size in (("small", 10), ("large", 700)):
        (tmp_path / name).write_bytes(bytes(size))
    small, large = (Asked(str(tmp_path / name)) for name in ("small", "large"))
    monkeypatch.setattr(readers, "_BYTES", 1000)
    monkeypatch.setattr(readers, "_AT_ONCE", 3)
    parts = readers.parts_of([*[small] * 5, *[large] * 3])
    assert list(map(len, parts)) == [3, 3, 2]
    assert [photo for part in parts for photo in part] == [*[small] * 5, *[large] * 3]


def test_no_process_is_left_when_the_caller_stops(paths):
    with contextlib.suppress(KeyboardInterrupt), Readers(2) as started:
        for _ in started.rows("read", asked(paths)):
            raise KeyboardInterrupt
    assert all(process.returncode is not None for process in started._running)
