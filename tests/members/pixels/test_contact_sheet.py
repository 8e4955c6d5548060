"""Pairs of pictures on one sheet."""

from __future__ import annotations

import numpy as np
import pytest

from members.pixels.contact_sheet import write_contact_sheet
from members.pixels.decode import decode


def test_a_contact_sheet_shows_each_pair_side_by_side(tmp_path):
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    flat = lambda colour, *size: np.full((*size, 3), colour, np.uint8)  # noqa: E731
    pairs = [(flat(c, 60, 40), flat(c[::-1], 30, 20)) for c in colours]
    file = tmp_path / "sheet.jpg"
    write_contact_sheet(pairs, file, ["a", "b", "long/" * 40 + "c"], height=90, columns=2)
    sheet = decode(file)
    assert sheet.shape == (2 * (90 + 8 + 14), 2 * (2 * 60 + 8), 3)
    for place, colour in enumerate(colours):
        top, left = place // 2 * 112 + 4, place % 2 * 128 + 4
        for x, expected in ((left + 30, colour), (left + 90, colour[::-1])):
            assert np.abs(sheet[top + 45, x].astype(int) - expected).max() < 12
    assert (sheet[150, 200] == 255).all()  # no fourth pair
    assert [f.name for f in tmp_path.iterdir()] == ["sheet.jpg"]


def test_a_contact_sheet_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one pair"):
        write_contact_sheet([], tmp_path / "sheet.jpg")
