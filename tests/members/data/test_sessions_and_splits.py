"""Photos deeper than in class folders, and folders that are parts of a data set, not classes."""

import pytest
import yaml

from members.data.codec import Codec
from members.data.folds.own import read_own_folds
from members.data.layouts import read_test, read_train
from members.data.splits import part_of
from tests.members.data_fixtures import problems_of, write_photo


def write(root, *names):
    for seed, name in enumerate(names):
        write_photo(root / name, seed=seed)
    return root


def test_photos_right_in_class_folders_are_groups_of_their_own(tmp_path):
    frame = read_train("folders", write(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")).frame
    assert frame["group"].tolist() == frame["image_id"].tolist()


def test_a_session_is_one_group_in_whichever_class(tmp_path):
    names = [f"{c}/s{s}/{i}.jpg" for c in ("cat", "dog") for s in range(5) for i in range(2)]
    found = read_train("folders", write(tmp_path, *names, "cat/own.jpg", "dog/s0/near/9.jpg"))
    groups = dict(zip(found.frame["image_id"], found.frame["group"], strict=True))
    assert groups["cat/s0/1.jpg"] == groups["dog/s0/0.jpg"] == groups["dog/s0/near/9.jpg"]
    assert groups["cat/own.jpg"] == "cat/own.jpg"
    assert found.frame["group"].nunique() == 6
    assert found.codec.classes == ("cat", "dog")
    (note,) = found.notes
    assert "21 photos lie in folders below the class folders (s0, s1, s2 and 2 more)" in note
    assert "one group" in note


def test_of_few_names_each_folder_is_a_group(tmp_path):
    names = [f"{c}/s{s}/{i}.jpg" for c in ("cat", "dog") for s in range(3) for i in range(2)]
    found = read_train("folders", write(tmp_path, *names))
    assert sorted({*found.frame["group"]}) == [
        f"{c}/s{s}" for c in ("cat", "dog") for s in range(3)
    ]


def test_too_few_folders_are_no_groups_and_the_danger_is_said(tmp_path):
    found = read_train("folders", write(tmp_path, "cat/s/1.jpg", "cat/s/2.jpg", "dog/t/u/1.jpg"))
    assert found.frame["group"].tolist() == found.frame["image_id"].tolist()
    assert "too good" in found.notes[0]


def test_photos_to_predict_lie_deeper_too(tmp_path):
    root = write(tmp_path, "cat/s1/a.jpg", "dog/b.jpg")
    frame = read_test("folders", root, Codec({"label": ("cat", "dog")})).frame
    assert frame["image_id"].tolist() == ["cat/s1/a.jpg", "dog/b.jpg"]
    assert frame["label"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Train", "Valid", "Test"), ("training", "validation", "testing"),
     ("training_set", "dev_set", "test_set"), ("seg_train/seg_train", "val", "seg_test/seg_test")],
)  # fmt: skip
def test_parts_are_refused_with_the_data_block_for_them(tmp_path, train, val, test):
    parts = (train, val, test)
    root = write(tmp_path, *(f"{part}/{c}/1.jpg" for part in parts for c in ("cat", "dog")))
    (root / "README.md").write_text("x")
    text = problems_of(read_train, "folders", root)
    assert "parts of one data set, not classes" in text
    start = text.index("  data:\n")
    block = yaml.safe_load(text[start : text.index("Folds are")])["data"]
    assert block == {
        "layout": "folders",
        "train": str(root / train),
        "test": str(root / test),
    }
    codec = read_train(block["layout"], block["train"]).codec
    assert read_test(block["layout"], block["test"], codec).frame["label"].tolist() == [0, 1]
    assert f"{root / val} are not used" in text
    assert "scheme: own" in text


def test_the_table_that_the_message_asks_for_holds_out_exactly_the_part_for_it(tmp_path):
    names = [f"{p}/{c}/{i}.jpg" for p in ("train", "val") for c in ("cat", "dog") for i in range(2)]
    root = write(tmp_path / "data", *names)
    text = problems_of(read_train, "folders", root)
    start = text.index("  data: {layout: table")
    block = yaml.safe_load(text[start : text.index("\n  folds", start)])["data"]
    rows = [f"{name},{name.split('/')[1]},{0 if name[0] == 'v' else -1}" for name in names]
    table = tmp_path / block["train"]
    table.write_text("path,label,fold\n" + "\n".join(rows))
    frame = read_train(block["layout"], table, block["root"]).frame
    held_out = frame["image_id"][read_own_folds(frame, table) == 0].tolist()
    assert held_out == [name for name in names if name.startswith("val/")]


def test_parts_without_class_folders_are_refused_too(tmp_path):
    text = problems_of(read_train, "folders", write(tmp_path, "train/1.jpg", "test/2.jpg"))
    assert "layout `table`" in text
    assert "rename" in text


@pytest.mark.parametrize(
    "classes",
    [("train", "bus"), ("train", "test", "car", "plane"), ("test", "val"), ("trains", "b")],
)
def test_classes_with_such_names_are_classes(tmp_path, classes):
    root = write(tmp_path, *(f"{name}/{i}.jpg" for name in classes for i in range(2)))
    assert read_train("folders", root).codec.classes == tuple(sorted(classes))


def test_parts_beside_other_folders_are_found_by_their_shared_classes(tmp_path):
    names = [f"{part}/{c}/1.jpg" for part in ("train", "test") for c in ("cat", "dog")]
    text = problems_of(read_train, "folders", write(tmp_path, *names, "unlabeled/1.jpg"))
    assert "parts of one data set" in text


def test_one_folder_around_the_class_folders_is_named(tmp_path):
    root = write(tmp_path, "PetImages/cat/1.jpg", "PetImages/dog/1.jpg")
    assert f"give {root}/PetImages" in problems_of(read_train, "folders", root)
    test = write(tmp_path / "test", "images/1.jpg")
    text = problems_of(read_test, "folders", test, Codec({"label": ("cat", "dog")}))
    assert f"give {test}/images" in text


@pytest.mark.parametrize(
    ("name", "part"),
    [("Train", "train"), ("valid", "val"), ("test_set", "test"), ("test1", "test"), ("bus", None),
     ("train station", None), ("images", None), ("test_train", None)],
)  # fmt: skip
def test_which_names_are_parts(name, part):
    assert part_of(name) == part
