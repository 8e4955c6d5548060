"""Groups by the names of files."""

from __future__ import annotations

import pandas as pd
import pytest

from members.data.name_groups import examples, group_of_name, groups_by_name
from members.errors import BadInput


@pytest.mark.parametrize(
    ("name", "first", "but_last"),
    [
        ("cat/person-12_left.jpg", "person", "person-12"),
        ("12_left.jpeg", "12", "12"),
        ("cell01_a.jpg", "cell01", "cell01"),
        ("person12-3.PNG", "person12", "person12"),
        ("dir_1/0001.jpg", None, None),
        ("eye 7 (2).png", "eye", "eye 7"),
        ("a__b.jpg", "a", "a"),
        ("_hidden_.jpg", None, None),
        ("1.2_3.jpg", "1.2", "1.2"),
    ],
)
def test_a_name_is_cut_at_its_dividers(name, first, but_last):
    assert group_of_name(name, "first_part") == first
    assert group_of_name(name, "all_but_last_part") == but_last


def frame(names: list[str], groups: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"image_id": names, "path": names, "group": groups or names})


def test_a_name_of_one_part_is_a_group_of_its_own():
    groups, notes = groups_by_name(frame(["a/x_1.jpg", "b/x_2.jpg", "b/y.jpg"]), "first_part")
    assert groups == ["x", "x", "b/y.jpg"]
    assert len(notes) == 1
    assert "1 photos" in notes[0]
    assert "b/y.jpg" in notes[0]


def test_a_rule_without_effect_is_refused():
    with pytest.raises(BadInput, match="no two photos"):
        groups_by_name(frame(["a/1.jpg", "a/2.jpg"]), "first_part")


def test_groups_of_a_column_or_of_folders_are_not_replaced():
    with pytest.raises(BadInput, match="have groups already"):
        groups_by_name(frame(["x_1.jpg", "x_2.jpg"], ["p", "p"]), "first_part")


def test_examples_are_of_groups_of_several():
    assert examples(
        ["a", "b", "b", "c", "c"], ["1.jpg", "d/2.jpg", "3.jpg", "4.jpg", "5.jpg"], 1
    ) == ["b: 2.jpg, 3.jpg"]
