"""Labels stay as they are written; what is merged or looks alike is noted; ids are refused."""

import unicodedata

import pandas as pd
import pytest

from members.data.classes import known_labels, looks_alike, read_labels
from members.data.codec import Codec
from members.data.layouts import read_test, read_train
from tests.members.data_fixtures import problems_of, write_photo

NFC, NFD = "caf\u00e9", "cafe\u0301"
CYRILLIC = "c\u0430t"  # its second letter is no Latin a


def read(labels, **options):
    found = read_labels("t.csv", labels, **options)
    assert found.problems == []
    return found


def problem(labels, **options):
    (text,) = read_labels("t.csv", labels, **options).problems
    return text


@pytest.mark.parametrize("k", [2, 11])
def test_labels_from_0_are_their_own_numbers_and_need_no_note(k):
    numbers = [*range(k)] * 3
    for texts in (map(str, numbers), map(str, map(float, numbers))):
        found = read(list(texts))
        assert found.names == tuple(map(str, range(k)))
        assert found.numbers.tolist() == numbers
        assert found.notes == []


def test_zeros_in_front_make_labels_of_their_own_which_look_alike():
    found = read(["007", "7", "8", "007"])
    assert found.names == ("007", "7", "8")
    assert found.numbers.tolist() == [0, 1, 2, 0]
    assert any("'007' (2) and '7' (1)" in note and "look alike" in note for note in found.notes)


def test_padded_numbers_are_kept_as_written():
    assert read(["01", "00", "10"]).names == ("00", "01", "10")


def test_a_float_column_and_integers_are_one_class_and_that_is_said():
    found = read(["3", "3.0", "4"])
    assert found.names == ("3", "4")
    assert "'3' = '3.0'" in found.notes[0]


def test_composed_and_decomposed_letters_are_one_class_and_that_is_said():
    found = read([NFC, NFD, "tea"])
    assert found.names == (NFC, "tea")
    assert found.numbers.tolist() == [0, 0, 1]
    assert r"'cafe\u0301' = 'caf\xe9'" in found.notes[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "Cat"), ("hot dog", "hot_dog"), ("hot-dog", "hot  dog"), ("cat", CYRILLIC),
        ("cat", "\uff43\uff41\uff54"), ("cat", "ca\u200bt"), ("Stra\u00dfe", "STRASSE"),
        ("7", "007"), ("a.b", "a b"), ("\u0410", "A"),
    ],
)  # fmt: skip
def test_labels_that_look_alike_stay_apart_and_are_named(one, other):
    assert looks_alike(one) == looks_alike(other)
    found = read([one, other, "else", one])
    assert len(found.names) == 3
    assert any("look alike" in note and "(2)" in note and "(1)" in note for note in found.notes)


@pytest.mark.parametrize(("one", "other"), [("cat", "car"), ("<30", "30"), ("1", "-1"), ("-", "+")])
def test_labels_that_differ_do_not_look_alike(one, other):
    assert looks_alike(one) != looks_alike(other)


def test_a_letter_of_another_script_is_shown_by_its_number():
    assert r"'c\u0430t' (1)" in read(["cat", CYRILLIC]).notes[0]


def test_other_whole_numbers_are_said_to_be_numbered_in_tables_alone():
    (note,) = read(["2", "10", "9"]).notes
    assert "2, 9, 10 are not 0..2" in note
    assert "Submissions show them as they are" in note


def test_words_for_nothing_and_line_breaks_are_kept_and_noted():
    found = read(["nan", "a\nb", "c"])
    assert found.names == ("a\nb", "c", "nan")
    assert any("'nan' (1) may mean" in note for note in found.notes)
    assert any(r"'a\nb'" in note for note in found.notes)


def test_control_characters_are_refused():
    assert r"'a\x1b[31m'" in problem(["a\x1b[31m", "b"])


def test_an_id_column_is_refused_and_the_column_of_labels_named():
    ids = [f"img_{i}" for i in range(40)]
    text = problem(ids, others={"width": [str(i) for i in range(40)], "species": ["a", "b"] * 20})
    assert "40 labels for 40 photos" in text
    assert "an id, no class" in text
    assert "The column 'species' looks like labels (a, b)" in text
    assert "that many photos share" in problem(ids)


def test_measured_numbers_are_refused_as_such():
    assert "a measured number" in problem([f"{1 + i / 7:.3f}" for i in range(40)])


def test_more_labels_than_int16_counts_are_refused_and_half_as_many_are_not():
    many = [str(i) for i in range(33_000)] * 3
    assert "more than the 32767" in problem(many)
    assert len(read([str(i) for i in range(2_000)] * 3).names) == 2_000


def test_a_label_to_predict_is_met_by_its_value_or_form_where_that_is_one_class():
    found = known_labels("t.csv", ["7", "007", "7.0", ""], ("007", "8"))
    assert found.numbers.tolist() == [0, 0, 0, -1]
    assert known_labels("t.csv", [NFD], (NFC, "tea")).numbers.tolist() == [0]
    both = known_labels("t.csv", ["007", "7"], ("007", "7"))
    assert both.numbers.tolist() == [0, 1]
    assert "outside the classes: 07" in known_labels("t.csv", ["07"], ("007", "7")).problems[0]


def test_minus_one_and_nan_are_unknown_where_they_are_no_class():
    found = known_labels("t.csv", ["-1", "NaN", "a"], ("a", "b"))
    assert found.numbers.tolist() == [-1, -1, 0]
    assert "2 labels read -1, NaN" in found.notes[0]
    assert known_labels("t.csv", ["-1"], ("-1", "1")).numbers.tolist() == [0]


def test_folders_of_a_mac_meet_labels_typed_elsewhere(tmp_path):
    for name in (f"{NFD}/1.jpg", "tea/1.jpg"):
        write_photo(tmp_path / "train" / name)
    codec = read_train("folders", tmp_path / "train").codec
    assert codec.classes == (unicodedata.normalize("NFC", NFD), "tea")
    write_photo(tmp_path / "test" / NFC / "a.jpg")
    assert read_test("folders", tmp_path / "test", codec).frame["label"].tolist() == [0]
    table = tmp_path / "t.csv"
    table.write_text(f"path,label\ntest/{NFC}/a.jpg,{NFD}\n", encoding="utf-8")
    assert read_test("table", table, codec).frame["label"].tolist() == [0]


def test_folders_that_differ_in_blanks_are_one_class_and_a_blank_one_is_refused(tmp_path):
    for name in ("cat/1.jpg", "cat /2.jpg", "dog/1.jpg"):
        write_photo(tmp_path / name)
    found = read_train("folders", tmp_path)
    assert found.frame["label"].tolist() == [0, 0, 1]
    assert "'cat' = 'cat '" in found.notes[0]
    write_photo(tmp_path / " " / "1.jpg")
    assert "name is blank" in problems_of(read_train, "folders", tmp_path)


def test_a_table_says_what_its_labels_are(tmp_path):
    for i in range(12):
        write_photo(tmp_path / f"{i}.jpg")
    frame = pd.DataFrame({"path": [f"{i}.jpg" for i in range(12)]})
    frame.assign(label=frame["path"], kind=["a", "b"] * 6).to_csv(tmp_path / "t.csv", index=False)
    assert "'kind' looks like labels" in problems_of(read_train, "table", tmp_path / "t.csv")
    frame.assign(label=["007", "7"] * 6).to_csv(tmp_path / "t.csv", index=False)
    assert read_train("table", tmp_path / "t.csv").codec == Codec({"label": ("007", "7")})
