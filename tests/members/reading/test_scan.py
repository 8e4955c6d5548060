import hashlib
import os

import pandas as pd
import pytest

from members.reading.memo import recall
from members.reading.photo import read_photo
from members.reading.readers import WORK
from members.reading.scan import COLUMNS, scan, unreadable_problems
from tests.members.data_fixtures import broken_files, write_photo


def test_a_scan_reports_every_file(tmp_path):
    good = write_photo(tmp_path / "good.jpg", height=30, width=20)
    broken = broken_files(tmp_path)
    paths = [good, *(tmp_path / name for name in broken), good]
    found = scan(paths)
    assert found["path"].tolist() == [str(path) for path in paths]
    assert (found.iloc[0] == found.iloc[-1]).all()
    first = found.iloc[0]
    assert first["problem"] == ""
    assert (first["height"], first["width"], first["size"]) == (30, 20, good.stat().st_size)
    digest = hashlib.blake2b(good.read_bytes(), digest_size=16).hexdigest()
    assert first["digest"] == digest
    for message, problem in zip(broken.values(), found["problem"][1:-1], strict=True):
        assert problem
        assert message in problem


def test_unreadable_photos_are_one_problem_with_three_examples(tmp_path):
    good = write_photo(tmp_path / "good.jpg")
    assert unreadable_problems(scan([good])) == []
    broken = [tmp_path / name for name in broken_files(tmp_path)]
    (text,) = unreadable_problems(scan([good, *broken]))
    assert "8 of 9 photos cannot be read" in text
    assert "zero.jpg: has zero bytes" in text
    assert "and 5 more" in text


def test_a_memo_spares_the_second_scan_and_notices_changes(tmp_path, monkeypatch):
    paths = [write_photo(tmp_path / f"{i}.jpg", i) for i in range(5)]
    memo = tmp_path / "memo" / "scan.parquet"
    seen = []
    first = scan(paths, memo, lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]

    read = []
    monkeypatch.setitem(
        WORK, "read", lambda asked, into: read.append(asked.path) or read_photo(asked)
    )
    pd.testing.assert_frame_equal(scan(paths, memo), first)
    assert read == []

    write_photo(paths[2], 99)
    os.utime(paths[2], ns=(1, 1))
    again = scan(paths, memo)
    assert read == [str(paths[2])]
    assert (again["digest"] != first["digest"]).tolist() == [False, False, True, False, False]

    paths[3].unlink()
    assert "no such file" in scan(paths, memo)["problem"][3]
    assert sorted(file.name for file in memo.parent.iterdir()) == ["scan.lock", "scan.parquet"]


def test_a_memo_keeps_what_two_scans_at_once_have_found(tmp_path):
    mine = [write_photo(tmp_path / f"{i}.jpg", i) for i in range(4)]
    others = [write_photo(tmp_path / f"other{i}.jpg", 10 + i) for i in range(3)]
    memo = tmp_path / "scan.parquet"
    seen = []

    def meanwhile(done: int, total: int) -> None:
        seen.append(done)
        if done == 2:
            scan([*others, mine[0]], memo)

    scan(mine, memo, meanwhile)
    assert seen == [1, 2, 3, 4]
    kept = recall(memo)
    assert sorted(kept["path"]) == sorted(map(str, [*mine, *others]))
    pd.testing.assert_frame_equal(
        kept.set_index("path").sort_index(), scan([*mine, *others]).set_index("path").sort_index()
    )


def test_what_was_read_before_an_interruption_is_not_read_again(tmp_path, monkeypatch):
    paths = [write_photo(tmp_path / f"{i}.jpg", i) for i in range(6)]
    memo = tmp_path / "scan.parquet"

    def interrupt(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(paths, memo, interrupt)
    counted = []
    again = scan(paths, memo, lambda done, total: counted.append((done, total)))
    assert counted == [(1, 2), (2, 2)]
    pd.testing.assert_frame_equal(again, scan(paths))


def test_a_memo_keeps_what_other_scans_found(tmp_path):
    paths = [write_photo(tmp_path / f"{i}.jpg", i) for i in range(6)]
    memo = tmp_path / "scan.parquet"
    scan(paths[:3], memo)
    scan(paths[3:], memo)
    counted = []
    scan(paths, memo, lambda *done: counted.append(done))
    assert counted == []


def test_a_memo_that_cannot_be_read_is_made_anew(tmp_path):
    path = write_photo(tmp_path / "a.jpg")
    memo = tmp_path / "scan.parquet"
    memo.write_text("not parquet")
    assert scan([path], memo)["problem"].tolist() == [""]
    assert len(pd.read_parquet(memo)) == 1


def test_an_empty_scan_has_its_columns():
    assert list(scan([]).columns) == list(COLUMNS)
