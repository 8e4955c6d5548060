"""Which columns of a header are class probabilities: numbered, named, or none that could be."""

from __future__ import annotations

import pytest

from ensembles.files.class_columns import class_columns


@pytest.mark.parametrize(
    ("header", "columns", "classes", "first"),
    [
        ("image_id fold label p1 p0 p2", "p0 p1 p2", None, 0),
        ("id p1 p2 p3", "p1 p2 p3", None, 1),
        ("img c0 c1 c10 c2 c3 c4 c5 c6 c7 c8 c9", "c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 c10", None, 0),
        ("filename prob_0 prob_1", "prob_0 prob_1", None, 0),
        ("id class_00 class_01", "class_00 class_01", None, 0),
        ("id probs[0] probs[1]", "probs[0] probs[1]", None, 0),
        ("id 0 1 10 2 3 4 5 6 7 8 9", "0 1 2 3 4 5 6 7 8 9 10", "0 1 2 3 4 5 6 7 8 9 10", 0),
        ("id 1 2 3", "1 2 3", "1 2 3", 1),
        ("id 7 3 5", "3 5 7", "3 5 7", 0),
        ("id m10 m9 m8", "m8 m9 m10", "m8 m9 m10", 0),
        ("id m2 m1", "m1 m2", "m1 m2", 1),
        ("id dog cat confidence", "dog cat", "dog cat", 0),
        ("id prob_cat prob_dog", "prob_cat prob_dog", "cat dog", 0),
        ("Unnamed:0 id p0 p1 f7 c0 c1", "p0 p1", None, 0),
    ],
)
def test_columns_are_found_in_the_order_of_the_classes(header, columns, classes, first):
    found, problems = class_columns(header.split())
    assert problems == []
    assert (found.columns, found.first) == (columns.split(), first)
    assert found.classes == (classes and classes.split())


@pytest.mark.parametrize("header", ["cat dog", "dog cat", "p_dog p_cat x", "0 1", "prob_0 prob_1"])
def test_known_classes_give_the_order(header):
    found, _ = class_columns(header.split(), ["cat", "dog"])
    assert found.classes == ["cat", "dog"]
    assert [c[-3:] for c in found.columns] in (["cat", "dog"], ["0", "1"], ["b_0", "b_1"])


@pytest.mark.parametrize(
    ("header", "classes", "texts"),
    [
        ("id p0 p2", None, ["among p0, p2", "without a gap"]),
        ("id p1", None, ["among id, p1", "p0, p1"]),
        ("id score", None, ["among id, score"]),
        ("prob_0 prob_1 c0 c1", None, ["prob_0, ... and c0, ...", "p0, p1"]),
        ("index_0 index_1 prob_0 prob_1", None, ["index_0, ... are the best few classes"]),
        ("id p0 p1", ["a", "b", "c"], ["2 columns p0, ...", "3 names"]),
        ("id x y z", ["a", "b", "c"], ["among id, x, y, z"]),
    ],
)
def test_what_could_be_read_in_two_ways_or_in_none_is_refused(header, classes, texts):
    found, problems = class_columns(header.split(), classes)
    assert found is None
    (problem,) = problems
    assert all(text in problem for text in texts)
