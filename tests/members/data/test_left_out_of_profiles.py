"""Files in and beside the folders of profiles, and rows of corrections that contradict each other."""

import shutil

import pytest

from members.data.codec import PROFILES
from members.data.corrections import apply_corrections
from members.data.layouts import read_test, read_train
from members.errors import BadInput
from tests.members.data_fixtures import problems_of, write_photo, write_profiles

PEOPLE = [("000001", "female", 30), ("000002", "male", 61)]
ONE, TWO = "000001_female_Asian_30", "000002_male_Asian_61"


@pytest.fixture
def train(tmp_path):
    return write_profiles(tmp_path / "train", PEOPLE)


def test_a_photo_under_another_ending_is_one_of_the_seven(train):
    place = train / "images" / ONE
    shutil.move(place / "mask1.jpg", place / "mask1.jfif")
    found = read_train("profiles", train)
    assert len(found.frame) == 14
    assert found.notes == []


def test_what_lies_in_a_profile_s_folder_and_is_left_out_is_named_once(train):
    for profile in (ONE, TWO):
        (train / "images" / profile / "notes.txt").write_text("x")
        (train / "images" / profile / "Thumbs.db").write_bytes(b"x")
    write_photo(train / "images" / ONE / "old" / "mask1.jpg")
    notes = read_train("profiles", train).notes
    assert len(notes) == 2
    assert any(f"2 entries are left out ({ONE}/notes.txt, {TWO}/notes.txt)" in n for n in notes)
    assert any(f"{ONE}/old/mask1.jpg" in note for note in notes)


def test_what_lies_beside_the_profiles_is_named(train):
    write_photo(train / "images" / "loose.jpg")
    write_photo(train / "images" / ".ipynb_checkpoints" / "a.jpg")
    notes = read_train("profiles", train).notes
    assert any("1 files are in no profile's folder, left out: loose.jpg" in n for n in notes)
    assert any("1 folders are not in train.csv, left out: .ipynb_checkpoints" in n for n in notes)


def test_a_broken_link_in_a_profile_s_folder_is_refused(train):
    (train / "images" / ONE / "mask6.jpg").symlink_to("nowhere")
    assert f"lead nowhere: {ONE}/mask6.jpg" in problems_of(read_train, "profiles", train)


def test_photos_that_info_csv_does_not_list_are_named(tmp_path):
    for name in ("a.jpg", "b.jpg", ".DS_Store"):
        write_photo(tmp_path / "images" / name)
    (tmp_path / "info.csv").write_text("ImageID,ans\na.jpg,0\n")
    test = read_test("profiles", tmp_path, PROFILES)
    assert test.frame["image_id"].tolist() == ["a.jpg"]
    (note,) = test.notes
    assert "1 entries are not in info.csv, left out: b.jpg" in note


def corrected(train, rows):
    file = train / "corrections.csv"
    file.write_text("id,photo,gender,age,mask\n" + "\n".join(rows))
    return apply_corrections(read_train("profiles", train).frame, file)


def test_a_photo_s_own_row_counts_before_its_profile_s_in_any_order(train):
    rows = ["000001,normal,,,wear", "000001,,,,incorrect"]
    tables = [corrected(train, order)[0] for order in (rows, rows[::-1])]
    for frame in tables:
        masks = dict(zip(frame["image_id"], frame["mask"], strict=True))
        assert masks[f"{ONE}/normal"] == 0
        assert masks[f"{ONE}/mask1"] == 1


def test_rows_that_contradict_each_other_are_refused(train):
    with pytest.raises(BadInput, match="line 4: another age than in line 2"):
        corrected(train, ["1,,,40,", "2,,,50,", "000001,,,41,"])
    frame, _ = corrected(train, ["1,,,40,", "000001,,,40,"])
    assert {*frame["age_years"][frame["image_id"].str.startswith(ONE)]} == {40}


def test_a_photo_may_be_named_with_its_ending(train):
    frame, (note,) = corrected(train, ["000001,normal.jpg,,,wear"])
    assert "1 photos have other labels" in note
    assert frame["mask"][frame["image_id"] == f"{ONE}/normal"].tolist() == [0]


def test_an_id_of_two_folders_is_corrected_in_both_and_that_is_said(tmp_path):
    people = [("000001", "female", 30), ("000001", "female", 31), ("2", "male", 20)]
    train = write_profiles(tmp_path / "train", people)
    frame, (_, note) = corrected(train, ["1,,male,,"])
    assert (frame["gender"] == 0).sum() == 21
    assert "is of 2 folders" in note
