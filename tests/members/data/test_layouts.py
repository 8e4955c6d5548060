import itertools
import json

import numpy as np
import pandas as pd
import pytest

from members.data.columns import age_class
from members.data.layouts import PROFILES, Codec, read_test, read_train
from members.errors import BadInput
from tests.members.data_fixtures import SEVEN, write_photo, write_profiles


def problems_of(call, *arguments, **named) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments, **named)
    return "\n".join(caught.value.problems)


# ---------------------------------------------------------------- codec


def test_joint_class_of_the_competition_is_mask_6_gender_3_age():
    cases = np.array(list(itertools.product(range(3), range(2), range(3))))
    labels = PROFILES.encode(dict(zip(("mask", "gender", "age"), cases.T, strict=True)))
    assert labels.tolist() == [m * 6 + g * 3 + a for m, g, a in cases]
    assert labels.dtype == np.int16
    assert len(PROFILES.classes) == 18
    assert PROFILES.classes[13] == "normal/male/30-59"


def test_decode_is_the_inverse_of_encode_and_unknown_stays_unknown():
    labels = np.array([-1, *range(18)])
    targets = PROFILES.decode(labels)
    assert [targets[name][0] for name in targets] == [-1, -1, -1]
    assert (PROFILES.encode(targets) == labels).all()


def test_one_unknown_target_makes_the_label_unknown():
    labels = PROFILES.encode({"mask": [0, 1], "gender": [1, -1], "age": [2, 2]})
    assert labels.tolist() == [5, -1]


def test_subset_keeps_the_codecs_order():
    codec = PROFILES.subset(["age", "mask"])
    assert list(codec.targets) == ["mask", "age"]
    assert codec.classes[4] == "incorrect/30-59"


def test_a_wrong_target_is_named_with_its_nearest():
    assert "Did you mean 'gender'" in problems_of(PROFILES.subset, ["gendr"])


def test_numbers_outside_the_classes_are_refused():
    text = problems_of(PROFILES.encode, {"mask": [3], "gender": [0], "age": [-2]})
    assert "'mask': 3" in text
    assert "'age': -2" in text
    assert "label 18" in problems_of(PROFILES.decode, [18])


def test_json_round_trip_keeps_the_order_even_when_keys_are_sorted():
    codec = Codec({"z": ("b", "a"), "a": ("x", "y")})
    text = json.dumps(json.loads(codec.to_json()), sort_keys=True)
    assert Codec.from_json(text) == codec
    assert list(Codec.from_json(text).targets) == ["z", "a"]


@pytest.mark.parametrize(("years", "expected"), [(29, 0), (30, 1), (59, 1), (60, 2)])
def test_age_classes_begin_at_30_and_60(years, expected):
    assert age_class(years) == expected


# ---------------------------------------------------------------- profiles


def test_truth_of_a_profile_comes_from_folder_and_file_names(tmp_path):
    people = [("000001", "female", 45), ("000002", "male", 60)]
    found = read_train("profiles", write_profiles(tmp_path, people))
    assert found.notes == []
    assert found.codec == PROFILES
    frame = found.frame.set_index("image_id")
    assert len(frame) == 14
    woman = frame.loc["000001_female_Asian_45/incorrect_mask"]
    assert (woman["mask"], woman["gender"], woman["age"], woman["label"]) == (1, 1, 1, 10)
    assert woman["group"] == "000001_female_Asian_45"
    assert woman["path"] == str(tmp_path / "images/000001_female_Asian_45/incorrect_mask.jpg")
    man = frame.loc["000002_male_Asian_60/mask3"]
    assert (man["mask"], man["gender"], man["age"], man["label"]) == (0, 0, 2, 2)
    assert {str(frame[c].dtype) for c in ("label", "mask", "gender", "age")} == {"int16"}


def test_crlf_capital_endings_and_hidden_files_are_read_as_they_are(tmp_path):
    write_profiles(tmp_path, [("000001", "male", 20), ("000002", "female", 30)], newline="\r\n")
    folder = tmp_path / "images" / "000002_female_Asian_30"
    (folder / "mask1.jpg").rename(folder / "mask1.JPG")
    (folder / "mask2.jpg").rename(folder / "mask2.jpeg")
    (folder / "normal.jpg").unlink()
    write_photo(folder / "normal.png")
    (folder / "._mask1.jpg").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "images" / "._000001_male_Asian_20").write_bytes(b"\x00")
    found = read_train("profiles", tmp_path)
    assert found.notes == []
    assert len(found.frame) == 14
    assert {path.rsplit(".", 1)[1] for path in found.frame["path"]} == {"jpg", "JPG", "jpeg", "png"}


def test_an_id_with_two_folders_is_one_group_and_both_are_kept(tmp_path):
    people = [("003397", "male", 20), ("000002", "female", 30), ("003397", "female", 21)]
    found = read_train("profiles", write_profiles(tmp_path, people))
    assert len(found.frame) == 21
    groups = found.frame.groupby("group")["image_id"].agg(len).to_dict()
    assert groups == {"003397_male_Asian_20": 14, "000002_female_Asian_30": 7}
    assert "003397" in found.notes[0]
    assert "one group" in found.notes[0]


def test_a_row_that_stands_twice_is_read_once(tmp_path):
    people = [("000001", "male", 20), ("000002", "female", 30), ("000001", "male", 20)]
    found = read_train("profiles", write_profiles(tmp_path, people))
    assert len(found.frame) == 14
    assert "occurs 2 times" in found.notes[0]


def test_what_a_person_should_know_is_in_the_notes(tmp_path):
    write_profiles(tmp_path, [("000001", "male", 20), ("000002", "female", 30)])
    first = tmp_path / "images" / "000001_male_Asian_20"
    (first / "mask4.jpg").unlink()
    write_photo(first / "holiday.jpg")
    write_photo(tmp_path / "images" / "000009_male_Asian_50" / "mask1.jpg")
    csv = tmp_path / "train.csv"
    csv.write_text(csv.read_text().replace("000002,female", "000002,male"))
    notes = "\n".join(read_train("profiles", tmp_path).notes)
    assert "000001_male_Asian_20 has 6 of 7 photos" in notes
    assert "holiday.jpg" in notes
    assert "000009_male_Asian_50" in notes
    assert "000002_female_Asian_30 says gender male" in notes


def test_every_mistake_in_the_profiles_is_told_at_once(tmp_path):
    people = [("000001", "male", 20), ("000002", "femal", 30), ("000003", "male", 40)]
    write_profiles(tmp_path, people)
    rows = [
        "000004,male,Asian,50,000004_male_Asian_50",
        "000005,male,Asian,xx,000005_male_Asian_xx",
    ]
    rows += ["6,male,Asian,20,nonsense"]
    with (tmp_path / "train.csv").open("a") as file:
        file.write("\n".join(rows) + "\n")
    for photo in (tmp_path / "images" / "000003_male_Asian_40").iterdir():
        photo.unlink()
    write_photo(tmp_path / "images" / "000005_male_Asian_xx" / "mask1.jpg")
    write_photo(tmp_path / "images" / "nonsense" / "mask1.jpg")
    write_photo(tmp_path / "images" / "000001_male_Asian_20" / "mask1.PNG")
    text = problems_of(read_train, "profiles", tmp_path)
    assert "unknown gender 'femal'" in text
    assert "Did you mean 'female'" in text
    assert "no photos: 000003_male_Asian_40" in text
    assert "000004_male_Asian_50" in text
    assert "'xx' must be a whole number" in text
    assert "'nonsense'" in text
    assert "mask1.PNG and mask1.jpg are both 'mask1'" in text


def test_missing_folder_file_and_columns(tmp_path):
    assert "no such folder" in problems_of(read_train, "profiles", tmp_path / "none")
    text = problems_of(read_train, "profiles", tmp_path)
    assert "train.csv: no such file" in text
    assert "images: no such folder" in text
    (tmp_path / "images").mkdir()
    (tmp_path / "train.csv").write_text("id,gender\n")
    assert "no column 'path'" in problems_of(read_train, "profiles", tmp_path)
    (tmp_path / "train.csv").write_text("")
    assert "not a readable csv file" in problems_of(read_train, "profiles", tmp_path)
    (tmp_path / "train.csv").write_text("id,path\n")
    assert "no rows" in problems_of(read_train, "profiles", tmp_path)


def test_eval_photos_keep_the_order_of_info_csv(tmp_path):
    names = ["cc.jpg", "aa.jpg", "bb.png"]
    for seed, name in enumerate(names):
        write_photo(tmp_path / "images" / name, seed)
    (tmp_path / "info.csv").write_bytes(
        b"ImageID,ans\r\n" + b"\r\n".join(f"{name},0".encode() for name in names) + b"\r\n"
    )
    frame = read_test("profiles", tmp_path, PROFILES)
    assert frame["image_id"].tolist() == names
    assert frame["path"].tolist() == [str(tmp_path / "images" / name) for name in names]
    assert frame["label"].tolist() == [-1, -1, -1]  # ans is a place to write
    assert frame["age"].tolist() == [-1, -1, -1]
    assert list(frame.columns) == ["image_id", "path", "group", "label", "mask", "gender", "age"]


def test_eval_photos_that_are_missing_or_twice(tmp_path):
    write_photo(tmp_path / "images" / "a.jpg")
    (tmp_path / "info.csv").write_text("ImageID,ans\na.jpg,0\na.jpg,0\nb.jpg,0\n")
    text = problems_of(read_test, "profiles", tmp_path, PROFILES)
    assert "1 of 3 photos are missing: b.jpg" in text
    assert "more than once: a.jpg" in text


# ---------------------------------------------------------------- table


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
def test_integer_labels_are_ordered_by_value_and_their_numbering_is_told(tmp_path, name):
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


def test_labels_that_pandas_would_take_for_missing_are_labels(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": ["None", "NA"]}
    found = read_train("table", write_table(tmp_path / "photos.csv", rows))
    assert found.codec.classes == ("NA", "None")


def test_paths_are_relative_to_the_root_that_is_given(tmp_path):
    write_photo(tmp_path / "photos" / "a.jpg")
    write_photo(tmp_path / "b.jpg")
    file = tmp_path / "lists" / "photos.csv"
    file.parent.mkdir()
    file.write_text(f"path,label\na.jpg,x\n{tmp_path / 'b.jpg'},y\n")
    frame = read_train("table", file, root=tmp_path / "photos").frame
    assert frame["path"].tolist() == [str(tmp_path / "photos/a.jpg"), str(tmp_path / "b.jpg")]


def test_every_mistake_in_a_table_is_told_at_once(tmp_path):
    write_photo(tmp_path / "a.jpg")
    rows = "\n".join(
        ["path,label,image_id", "a.jpg,x,1", "b.jpg,,1", *(f"{i}.jpg,y,{i}" for i in "cdef")]
    )
    (tmp_path / "photos.csv").write_text(rows)
    text = problems_of(read_train, "table", tmp_path / "photos.csv")
    assert "5 of 6 photos are missing: b.jpg, c.jpg, d.jpg and 2 more" in text
    assert "1 rows have no label (row 3)" in text
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
    assert "Allowed: .csv, .parquet" in problems_of(read_train, "table", tmp_path / "photos.xlsx")
    (tmp_path / "photos.parquet").write_text("no parquet")
    assert "not a readable parquet" in problems_of(read_train, "table", tmp_path / "photos.parquet")


def test_one_class_only_is_refused(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": ["x", "x"]}
    file = write_table(tmp_path / "photos.csv", rows)
    assert "at least 2" in problems_of(read_train, "table", file)


def test_the_label_is_optional_where_photos_are_to_be_predicted(tmp_path):
    codec = Codec({"label": ("cat", "dog")})
    file = write_table(tmp_path / "new.csv", {"path": ["b.jpg", "a.jpg"]})
    frame = read_test("table", file, codec)
    assert frame["image_id"].tolist() == ["b.jpg", "a.jpg"]
    assert frame["label"].tolist() == [-1, -1]
    rows = {"path": ["b.jpg", "a.jpg"], "label": ["dog", None]}
    assert read_test("table", write_table(file, rows), codec)["label"].tolist() == [1, -1]


def test_a_label_outside_the_classes_is_refused(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": ["dot", "cat"]}
    file = write_table(tmp_path / "new.csv", rows)
    text = problems_of(read_test, "table", file, Codec({"label": ("cat", "dog")}))
    assert "outside the classes: dot" in text
    assert "Did you mean 'dog'" in text


def test_integer_test_labels_meet_the_classes_by_value(tmp_path):
    rows = {"path": ["a.jpg", "b.jpg"], "label": [10.0, 2.0]}
    file = write_table(tmp_path / "new.parquet", rows)
    assert read_test("table", file, Codec({"label": ("2", "10")}))["label"].tolist() == [1, 0]


# ---------------------------------------------------------------- folders


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
    assert read_test("folders", flat, codec)["image_id"].tolist() == ["a.jpg", "b.jpg"]
    write_photo(tmp_path / "sorted" / "dog" / "a.jpg")
    assert read_test("folders", tmp_path / "sorted", codec)["label"].tolist() == [1]
    (tmp_path / "list.txt").write_text("flat/b.jpg\r\n\r\nflat/a.jpg\r\n")
    listed = read_test("folders", tmp_path / "list.txt", codec)
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


def test_all_seven_file_names_have_their_mask_state(tmp_path):
    frame = read_train("profiles", write_profiles(tmp_path, [("1", "male", 20)])).frame
    by_stem = {
        i.split("/")[1]: mask for i, mask in zip(frame["image_id"], frame["mask"], strict=True)
    }
    assert by_stem == dict(zip(SEVEN, (0, 0, 0, 0, 0, 1, 2), strict=True))
