"""How photographs are laid out is guessed from names and headers, said with reasons, or asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from members.errors import BadInput
from members.samples.people import draw_people
from orchestrator.first_spec.layout import Asked, Layout, find_layout
from tests.orchestrator.first_spec.made import photo, photos

CLASSES = ("cat/1.jpg", "cat/2.png", "dog/1.jpg", "dog/2.JPG")


def of(folder: Path, **asked: object) -> Layout:
    return find_layout(folder, Asked(**asked))  # type: ignore[arg-type]


def below(folder: Path, path: Path | None) -> str | None:
    return None if path is None else path.relative_to(folder).as_posix()


def listed(folder: Path, text: str, name: str = "photos.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (CLASSES, ".", None),
        (("cat/monday/1.jpg", "dog/friday/2.jpg"), ".", None),
        (("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/9.jpg", "test/dog/9.jpg"), "train", "test"),
        (("train/cat/1.jpg", "train/dog/1.jpg", "val/cat/9.jpg", "val/dog/9.jpg"), "train", "val"),
        (("train/a/1.jpg", "train/b/1.jpg", "valid/a/2.jpg", "valid/b/2.jpg", "test/3.jpg"), "train",
         "test"),
        (("Training_Set/a/1.jpg", "Training_Set/b/1.jpg", "test/x.jpg"), "Training_Set", "test"),
        (("train/train/a/1.jpg", "train/train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"), "train/train",
         "test"),
        # a class may be called so
        (("train/1.jpg", "bus/1.jpg"), ".", None),
    ],
)  # fmt: skip
def test_class_folders(tmp_path, names, train, test):
    found = of(photos(tmp_path, names))
    assert found.kind == "folders"
    assert (below(tmp_path, found.train), below(tmp_path, found.test)) == (train, test)
    assert found.why


def test_what_is_left_of_three_parts_is_said(tmp_path):
    names = [f"{part}/{own}/1.jpg" for part in ("train", "val", "test") for own in "ab"]
    assert any("val is not used" in text for text in of(photos(tmp_path, names)).why)


def test_the_sample_people(tmp_path):
    draw_people(tmp_path / "s", profiles=2, eval=2, seed=0)
    for given in (tmp_path / "s", tmp_path / "s/train"):
        found = of(given)
        assert (found.kind, found.train, found.test) == (
            "profiles", tmp_path / "s/train", tmp_path / "s/eval"
        )  # fmt: skip


def test_a_test_part_that_is_given_comes_first(tmp_path):
    names = ["train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg", "test/b/2.jpg"]
    assert of(photos(tmp_path, names), test=Path("new")).test == Path("new")


# -- lists -----------------------------------------------------------------------------------------

PHOTOS = ("img/1.jpg", "img/2.jpg", "img/3.jpg", "img/4.jpg")


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("path,label\nimg/1.jpg,a\nimg/2.jpg,b\nimg/3.jpg,a\nimg/4.jpg,b\n", {}),
        ("file;class\nimg/1.jpg;a\nimg/2.jpg;b\nimg/3.jpg;a\nimg/4.jpg;b\n",
         {"columns": {"path": "file", "label": "class"}}),
        ("\ufeffImage,Target,Patient\nimg/1.jpg,a,p\nimg/2.jpg,b,q\nimg/3.jpg,a,p\nimg/4.jpg,b,q\n",
         {"columns": {"path": "Image", "label": "Target", "group": "Patient"}}),
        # ids that are the names of files in a folder, without their endings
        ("id_code,diagnosis\n1,0\n2,1\n3,0\n4,1\n",
         {"columns": {"path": "id_code", "label": "diagnosis"}, "root": "img", "repair": ["ending"]}),
        ("filename,label\n1.jpg,a\n2.jpg,b\n3.jpg,a\n4.jpg,b\n",
         {"columns": {"path": "filename"}, "root": "img"}),
        # two columns that say the same: words come before numbers
        ("path,class_id,class_name\nimg/1.jpg,0,a\nimg/2.jpg,1,b\nimg/3.jpg,0,a\nimg/4.jpg,1,b\n",
         {"columns": {"label": "class_name"}}),
        ("path,a,b\nimg/1.jpg,1,0\nimg/2.jpg,0,1\nimg/3.jpg,1,0\nimg/4.jpg,0,1\n",
         {"columns": {"label": ["a", "b"]}}),
        # one group holds the other whole
        ("path,label,patient,study_id\nimg/1.jpg,a,p,1\nimg/2.jpg,b,p,1\nimg/3.jpg,a,p,2\nimg/4.jpg,b,q,3\n",
         {"columns": {"group": "patient"}}),
        # a name that occurs once a photo groups nothing
        ("path,label,patient\nimg/1.jpg,a,1\nimg/2.jpg,b,2\nimg/3.jpg,a,3\nimg/4.jpg,b,4\n", {}),
    ],
)  # fmt: skip
def test_a_list_in_a_folder(tmp_path, text, block):
    found = of(listed(photos(tmp_path, PHOTOS), text))
    assert found.kind == "table"
    expected = {"layout": "table", "train": str(tmp_path / "photos.csv"), **block}
    if "root" in block:
        expected["root"] = str(tmp_path / block["root"])
    assert found.block() == expected


def test_lists_called_train_and_test(tmp_path):
    photos(tmp_path, PHOTOS)
    listed(tmp_path, "path,label\nimg/1.jpg,a\nimg/2.jpg,b\nimg/3.jpg,a\n", "train.csv")
    listed(tmp_path, "path\nimg/4.jpg\n", "test.csv")
    listed(tmp_path, "path,label\nimg/4.jpg,a\n", "sample_submission.csv")
    found = of(tmp_path)
    assert (found.train, found.test) == (tmp_path / "train.csv", tmp_path / "test.csv")


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("path,label,target\nimg/1.jpg,a,x\nimg/2.jpg,b,x\nimg/3.jpg,a,y\nimg/4.jpg,b,y\n", "--label"),
        ("image,file,label\nimg/1.jpg,img/2.jpg,a\nimg/2.jpg,img/3.jpg,b\n", "--image"),
        ("path,label,patient,site_id\nimg/1.jpg,a,p,1\nimg/2.jpg,b,p,2\nimg/3.jpg,a,q,1\nimg/4.jpg,b,q,2\n",
         "--group"),
        ("path,note\nimg/1.jpg,x\nimg/2.jpg,y\nimg/3.jpg,z\n", "--label"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_asked_for(tmp_path, text, flag):
    photos(tmp_path, PHOTOS)
    with pytest.raises(BadInput) as error:
        of(listed(tmp_path, text) / "photos.csv")
    assert any(flag in problem for problem in error.value.problems), error.value.problems


def test_named_columns_answer_it(tmp_path):
    text = "path,label,target,who\nimg/1.jpg,a,x,1\nimg/2.jpg,b,x,1\nimg/3.jpg,a,y,2\nimg/4.jpg,b,y,2\n"
    photos(tmp_path, PHOTOS)
    found = of(listed(tmp_path, text), columns={"label": ["target"], "group": ["who"]})
    assert found.columns == {"label": "target", "group": "who"}


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    photos(tmp_path, PHOTOS)
    listed(tmp_path, "path,label\nimg/1.jpg,a\nimg/2.jpg,b\nimg/3.jpg,a\n")
    with pytest.raises(BadInput, match=r"--label lable.*Did you mean 'label'"):
        of(tmp_path, columns={"label": ["lable"]})


# -- what fits none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        ((), "0 photos in the folder itself"),
        (("1.jpg", "2.jpg"), "2 photos in the folder itself"),
        (("cat/1.jpg",), "1 in folders below it (cat)"),
        (("all/cat/1.jpg", "all/dog/1.jpg"), "give "),
    ],
)
def test_what_fits_none_is_refused_with_what_was_seen(tmp_path, names, seen):
    with pytest.raises(BadInput, match="Allowed") as error:
        of(photos(tmp_path, names))
    assert seen in str(error.value)


def test_files_that_are_no_photographs_make_no_class(tmp_path):
    photos(tmp_path, ["cat/1.jpg"])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/readme.txt").write_text("no photo")
    with pytest.raises(BadInput, match="Allowed"):
        of(tmp_path)


def test_class_folders_beside_a_list_with_labels_are_asked_about(tmp_path):
    photos(tmp_path, CLASSES)
    listed(tmp_path, "path,label\ncat/1.jpg,x\ncat/2.png,x\ndog/1.jpg,y\ndog/2.JPG,y\n")
    with pytest.raises(BadInput, match="--layout folders or --layout table"):
        of(tmp_path)
    assert of(tmp_path, layout="folders").kind == "folders"
    assert of(tmp_path, layout="table").kind == "table"


def test_columns_of_class_folders_are_refused(tmp_path):
    with pytest.raises(BadInput, match="--label: names a column"):
        of(photos(tmp_path, CLASSES), columns={"label": ["x"]})


def test_a_photo_or_nothing_is_no_list(tmp_path):
    with pytest.raises(BadInput, match="no such file or folder"):
        of(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="cannot read"):
        of(photo(tmp_path / "1.jpg"))
