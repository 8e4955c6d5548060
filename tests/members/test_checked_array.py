"""A file of rows with checksums: no bit of it can change unnoticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from members import checked_array
from members.checked_array import CheckedArray, Damaged

ROWS = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)


def write(file: Path, rows: np.ndarray = ROWS, made_from: str = "these photos") -> bytes:
    with checked_array.writing(file, rows.shape, made_from) as out:
        for number in reversed(range(len(rows))):
            out.write(number, rows[number])
    return file.read_bytes()


def test_what_is_written_is_read_and_numpy_reads_it_too(tmp_path):
    write(tmp_path / "a.npy")
    found = CheckedArray(tmp_path / "a.npy", ROWS.shape, "these photos")
    for rows in ([0, 1], [1], [1, 0, 1], []):
        pixels, damaged = found.read(np.array(rows, np.int64))
        assert (pixels == ROWS[np.array(rows, np.int64)]).all()
        assert damaged == []
    assert (np.load(tmp_path / "a.npy", mmap_mode="r") == ROWS).all()


@pytest.mark.fault(
    "a bit flips in a file of decoded photographs",
    "noticed, whichever it is; it costs one photo at most",
)
def test_every_bit_that_flips_is_noticed_and_spoils_one_row_at_most(tmp_path):
    file = tmp_path / "a.npy"
    content = write(file)
    refused = rows_damaged = 0
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        try:
            pixels, damaged = CheckedArray(file, ROWS.shape, "these photos").read(np.arange(2))
        except Damaged:
            refused += 1
            continue
        (row,) = damaged
        assert (pixels[1 - row] == ROWS[1 - row]).all()
        rows_damaged += 1
    assert rows_damaged == 8 * ROWS.size
    assert refused + rows_damaged == 8 * len(content)


def test_a_file_cut_short_at_any_byte_or_of_another_array_is_refused(tmp_path):
    file = tmp_path / "a.npy"
    content = write(file)
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(Damaged, match=f"has {length} bytes instead of {len(content)}"):
            CheckedArray(file, ROWS.shape, "these photos")
    for given in ({"made_from": "other photos"}, {"rows": ROWS.transpose(0, 2, 1, 3)}):
        write(file, **given)
        with pytest.raises(Damaged, match="its checksums are not those"):
            CheckedArray(file, ROWS.shape, "these photos")


def test_a_file_without_checksums_is_of_an_earlier_version(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    with pytest.raises(Damaged) as caught:
        CheckedArray(tmp_path / "a.npy", ROWS.shape, "these photos")
    assert caught.value.earlier


@pytest.mark.fault(
    "a file of decoded photographs is cut short while it is open", "noticed; the process goes on"
)
def test_a_file_cut_short_while_it_is_open_does_not_end_the_process(tmp_path):
    write(tmp_path / "a.npy")
    opened = CheckedArray(tmp_path / "a.npy", ROWS.shape, "these photos")
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(128 + ROWS[0].size + 5)
    pixels, damaged = opened.read(np.arange(2))
    assert damaged == [1]
    assert (pixels[0] == ROWS[0]).all()


def test_a_row_of_another_shape_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="a row of"),
        checked_array.writing(tmp_path / "a.npy", ROWS.shape, "") as out,
    ):
        out.write(0, ROWS[0, :2])
