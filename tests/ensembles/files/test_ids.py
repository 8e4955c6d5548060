"""Ids that differ by one thing: the reason stands in one sentence."""

import unicodedata

import numpy as np
import pytest

from ensembles.errors import examples
from ensembles.files.ids import id_problems, like_id


def ids(*texts):
    return np.array(texts, object)


@pytest.mark.parametrize(
    ("own", "first", "reason"),
    [
        (["a", "b"], ["a.jpg", "b.jpg"], "the ending: a here, a.jpg there"),
        (["a.png", "b.png"], ["a.JPG", "b.JPG"], "the ending"),
        (["a.tar.jpg"], ["a.tar"], "the ending"),
        (["x/a", "x/b"], ["a", "b"], "the folder"),
        (["C:\\x\\a.jpg"], ["a.jpg"], "the folder"),
        (["x\\a.jpg"], ["x/a.jpg"], "backslashes"),
        (["./a.jpg"], ["a.jpg"], "the ./ at the start"),
        (["x/a.jpg"], ["a"], "the ending and the folder"),
        (["007", "010"], ["7", "10"], "leading zeros"),
        (["img_007.jpg"], ["img_7.jpg"], "leading zeros"),
        (["7.0", "8.0"], ["7", "8"], "the decimal point"),
        (["IMG_1.JPG"], ["img_1.jpg"], "capitals"),
        ([unicodedata.normalize("NFD", "é.jpg")], ["é.jpg"], "how accents are composed"),
        (["a%20b.jpg"], ["a b.jpg"], "escapes such as %20"),
        (["b'a.jpg'"], ["a.jpg"], "quotation marks"),
        ([" a.jpg"], ["a.jpg"], "the spaces around them"),
    ],
)
def test_the_reason_is_one_sentence(own, first, reason):
    missing, extra = id_problems("s.csv", ids(*own), "t.csv", ids(*first))
    assert f"s.csv: {len(own)} ids of t.csv are missing: {first[0]}" in missing
    assert f"The ids agree but for {reason}" in extra


def test_what_nothing_explains_is_only_named():
    missing, extra = id_problems("s.csv", ids("a", "q"), "t.csv", ids("a", "z"))
    assert "missing: z" in missing
    assert extra == "s.csv: 1 ids are not in t.csv: q. Give predictions of the same photographs."
    assert id_problems("s.csv", ids("b", "a"), "t.csv", ids("a", "b")) == []
    # two ids that would become one explain nothing
    (_, extra) = id_problems("s.csv", ids("a.png", "a.jpg"), "t.csv", ids("a"))
    assert "agree" not in extra


def test_a_part_that_agrees_is_counted():
    _, extra = id_problems("s.csv", ids("a", "b", "q"), "t.csv", ids("a.jpg", "b.jpg", "z.jpg"))
    assert "2 of them agree but for the ending" in extra


def test_one_unknown_id_gets_its_like():
    assert like_id("7", ["007.jpg", "8.jpg"]) == (
        " But for the ending and leading zeros it is 007.jpg."
    )
    assert like_id("q", ["a"]) == ""


def test_long_ids_keep_the_end_that_differs():
    long = [f"/data/{'deep/' * 30}{name}.jpg" for name in ("one", "two")]
    shown = examples(long)
    assert "one.jpg" in shown
    assert "two.jpg" in shown
    assert len(shown) < 170
