import pandas as pd
import pytest

from members.data.codec import PROFILES, Codec
from members.data.layouts import read_test, read_train
from tests.members.data_fixtures import problems_of, write_photo


def write_table(file, rows: dict):
    for path in rows["path"]:
        write_photo(file.parent / path)
    frame = pd.DataFrame(rows)
    frame.to_parquet(file) if file.suffix == ".parquet" else frame.to_csv(file, index=False)
    return file


def test_a_table_of_text_labels(tmp_path):
    rows = {"path": ["a.jpg", "sub/b.png", "c.jpg"], "label": ["dog", "cat", "dog"]}
    found = read_train("table", write_table(tmp_path / "photos.csv", rows))
    assert found.codec.targets == {"label": ("cat", "dog")}
    frame = found.frame
    assert frame["label"].tolist() == [1, 0, 1]
    assert frame["image_id"].tolist() == rows["path"]
    assert frame["group"].tolist() == rows["path"]
    assert frame["path"].tolist() == [str(tmp_path / path) for path in rows["path"]]
    assert list(frame.columns) == ["image_id", "path", "group", "label"]


@pytest.mark.parametrize("name", ["photos.csv", "photos.parquet"])
def test_integer_labels_are_ordered_by_value_and_their_numbering_is_noted(tmp_path, name):
    rows = {"path": [f"{i}.jpg" for i in range(4)], "label": [10, 9, 2, 10]}
    rows |= {"group": [7, 7, 8, 8], "image_id": ["w", "x", "y", "z"]}
    found = read_train("table", write_table(tmp_path / name, rows))
    assert found.codec.classes == ("2", "9", "10")
    assert found.frame["label"].tolist() == [2, 1, 0, 2]
    assert found.frame["group"].tolist() == ["7", "7", "8", "8"]
    assert found.frame["image_id"].tolist() == ["w", "x", "y", "z"]
    assert "2, 9, 10" in found.notes[0]


def test_whole_numbers_written_as_floats_are_integers(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": ["0.0", "1.0"]}
    found = read_train("table", write_table(tmp_path / "photos.csv", rows))
    assert found.codec.classes == ("0", "1")
    assert found.notes == []


def test_paths_are_relative_to_the_root_that_is_given(tmp_path):
    write_photo(tmp_path / "photos" / "a.jpg")
    write_photo(tmp_path / "b.jpg")
    file = tmp_path / "lists" / "photos.csv"
    file.parent.mkdir()
    file.write_text(f"path,label\na.jpg,x\n{tmp_path / 'b.jpg'},y\n")
    frame = read_train("table", file, root=tmp_path / "photos").frame
    assert frame["path"].tolist() == [str(tmp_path / "photos/a.jpg"), str(tmp_path / "b.jpg")]


def test_every_mistake_in_a_table_is_reported_at_once(tmp_path):
    write_photo(tmp_path / "a.jpg")
    rows = "\n".join(
        ["path,label,image_id", "a.jpg,x,1", "b.jpg,,1", *(f"{i}.jpg,y,{i}" for i in "cdef")]
    )
    (tmp_path / "photos.csv").write_text(rows)
    text = problems_of(read_train, "table", tmp_path / "photos.csv")
    assert "5 of 6 photos are missing: b.jpg, c.jpg, d.jpg and 2 more" in text
    assert "1 rows have no label (line 3)" in text
    assert "more than once: 1" in text


def test_tables_that_cannot_be_read(tmp_path):
    file = tmp_path / "photos.csv"
    assert "no such file" in problems_of(read_train, "table", file)
    assert "is a folder" in problems_of(read_train, "table", tmp_path)
    file.write_text("file,label\na.jpg,x\n")
    assert "no column 'path'" in problems_of(read_train, "table", file)
    file.write_text("path,label\n")
    assert "no rows" in problems_of(read_train, "table", file)
    (tmp_path / "photos.xlsx").write_text("")
    assert "Save it as CSV. Allowed: .csv" in problems_of(
        read_train, "table", tmp_path / "photos.xlsx"
    )
    (tmp_path / "photos.parquet").write_text("no parquet")
    assert "not a readable parquet" in problems_of(read_train, "table", tmp_path / "photos.parquet")


def test_one_class_only_is_refused(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": ["x", "x"]}
    file = write_table(tmp_path / "photos.csv", rows)
    assert "at least 2" in problems_of(read_train, "table", file)


def test_the_label_is_optional_where_photos_are_to_be_predicted(tmp_path):
    codec = Codec({"label": ("cat", "dog")})
    file = write_table(tmp_path / "new.csv", {"path": ["b.jpg", "a.jpg"]})
    frame = read_test("table", file, codec).frame
    assert frame["image_id"].tolist() == ["b.jpg", "a.jpg"]
    assert frame["label"].tolist() == [-1, -1]
    rows = {"path": ["b.jpg", "a.jpg"], "label": ["dog", None]}
    assert read_test("table", write_table(file, rows), codec).frame["label"].tolist() == [1, -1]


def test_a_label_outside_the_classes_is_refused(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": ["dot", "cat"]}
    file = write_table(tmp_path / "new.csv", rows)
    text = problems_of(read_test, "table", file, Codec({"label": ("cat", "dog")}))
    assert "outside the classes: dot" in text
    assert "Did you mean 'dog'" in text


def test_integer_test_labels_meet_the_classes_by_value(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": [10.0, 2.0]}
    file = write_table(tmp_path / "new.parquet", rows)
    assert read_test("table", file, Codec({"label": ("2", "10")})).frame["label"].tolist() == [1, 0]


def test_folders_name_the_labels(tmp_path):
    for name in ("dog/1.jpg", "dog/2.JPG", "cat/1.png", "cat/._1.png", ".cache/x.jpg"):
        write_photo(tmp_path / name)
    (tmp_path / "dog" / "notes.txt").write_text("x")
    found = read_train("folders", tmp_path)
    assert found.codec.targets == {"label": ("cat", "dog")}
    assert found.frame["image_id"].tolist() == ["cat/1.png", "dog/1.jpg", "dog/2.JPG"]
    assert found.frame["label"].tolist() == [0, 1, 1]
    assert "notes.txt" in found.notes[0]


def test_folders_with_numbers_keep_their_names_and_are_ordered_by_value(tmp_path):
    for name in ("10/a.jpg", "9/a.jpg", "007/a.jpg"):
        write_photo(tmp_path / name)
    assert read_train("folders", tmp_path).codec.classes == ("007", "9", "10")


def test_folders_that_are_empty_or_missing(tmp_path):
    write_photo(tmp_path / "cat" / "1.jpg")
    (tmp_path / "dog").mkdir()
    text = problems_of(read_train, "folders", tmp_path)
    assert "no photos in dog" in text
    assert "no such folder" in problems_of(read_train, "folders", tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no class folders" in problems_of(read_train, "folders", empty)


def test_folders_predict_a_flat_folder_class_folders_or_a_list(tmp_path):
    codec = Codec({"label": ("cat", "dog")})
    flat = tmp_path / "flat"
    for name in ("b.jpg", "a.jpg"):
        write_photo(flat / name)
    assert read_test("folders", flat, codec).frame["image_id"].tolist() == ["a.jpg", "b.jpg"]
    write_photo(tmp_path / "sorted" / "dog" / "a.jpg")
    assert read_test("folders", tmp_path / "sorted", codec).frame["label"].tolist() == [1]
    (tmp_path / "list.txt").write_text("flat/b.jpg\r\n\r\nflat/a.jpg\r\n")
    listed = read_test("folders", tmp_path / "list.txt", codec).frame
    assert listed["image_id"].tolist() == ["flat/b.jpg", "flat/a.jpg"]
    assert listed["path"].tolist() == [str(flat / "b.jpg"), str(flat / "a.jpg")]


def test_folders_to_predict_that_are_wrong(tmp_path):
    codec = Codec({"label": ("cat", "dog")})
    assert "no photos" in problems_of(read_test, "folders", tmp_path, codec)
    write_photo(tmp_path / "cow" / "a.jpg")
    assert "outside the classes: cow" in problems_of(read_test, "folders", tmp_path, codec)
    (tmp_path / "list.txt").write_text("a.jpg\na.jpg\n")
    text = problems_of(read_test, "folders", tmp_path / "list.txt", codec)
    assert "2 of 2 photos are missing" in text
    assert "more than once: a.jpg" in text


def test_an_unknown_layout_names_the_nearest(tmp_path):
    assert "Did you mean 'profiles'" in problems_of(read_train, "profile", tmp_path)
    assert "Did you mean 'folders'" in problems_of(read_test, "folder", tmp_path, PROFILES)
