"""Nothing vanishes from a folder without a word: entries of the root, links, closed folders."""

import os
import shutil
import subprocess
import sys

import pytest

from members.data.codec import Codec
from members.data.layouts import read_test, read_train
from tests.members.data_fixtures import problems_of, write_photo

CODEC = Codec({"label": ("cat", "dog")})


@pytest.fixture
def root(tmp_path):
    for name in ("cat/1.jpg", "dog/1.jpg"):
        write_photo(tmp_path / "root" / name)
    return tmp_path / "root"


def test_hidden_entries_of_the_root_are_named(root):
    for name in ("__unknown__", ".ipynb_checkpoints", "__MACOSX"):
        write_photo(root / name / "a.jpg")
    (note,) = read_train("folders", root).notes
    assert "3 entries are left out" in note
    for name in ("__unknown__", ".ipynb_checkpoints", "__MACOSX"):
        assert name in note


def test_known_junk_is_not_worth_a_note(root):
    for name in (".DS_Store", "Thumbs.db", "cat/desktop.ini", "cat/._1.jpg"):
        (root / name).write_bytes(b"x")
    assert read_train("folders", root).notes == []


def test_loose_files_of_the_root_are_named(root):
    write_photo(root / "loose.jpg")
    (root / "labels.csv").write_text("x")
    notes = read_train("folders", root).notes
    assert any("labels.csv" in note for note in notes)
    assert any("loose.jpg" in note and "outside the class folders" in note for note in notes)


def test_a_class_folder_beside_photos_to_predict_is_named(tmp_path):
    for name in ("test/a.jpg", "test/cat/b.jpg", "test/cat/c.jpg"):
        write_photo(tmp_path / name)
    test = read_test("folders", tmp_path / "test", CODEC)
    assert test.frame["image_id"].tolist() == ["a.jpg"]
    (note,) = test.notes
    assert "2 in cat are left out" in note


@pytest.mark.parametrize("name", ["cow", "cat/2.jpg", "notes.txt"])
def test_a_link_that_leads_nowhere_is_refused_in_train_and_in_test(root, name):
    (root / name).symlink_to(root / "nowhere")
    assert f"1 links lead nowhere: {name}" in problems_of(read_train, "folders", root)
    assert f"1 links lead nowhere: {name}" in problems_of(read_test, "folders", root, CODEC)


def test_a_link_to_itself_is_refused_and_one_to_a_folder_above_ends(root):
    (root / "cat" / "up").symlink_to(root)
    found = read_train("folders", root)
    assert found.frame["image_id"].tolist() == ["cat/1.jpg", "dog/1.jpg"]
    assert "cat/up" in found.notes[0]
    (root / "cat" / "self").symlink_to("self")
    assert "lead nowhere: cat/self" in problems_of(read_train, "folders", root)


def test_links_to_photos_and_folders_elsewhere_are_followed(root, tmp_path):
    shutil.move(root / "dog", tmp_path / "elsewhere")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "1.jpg")
    ids = read_train("folders", root).frame["image_id"].tolist()
    assert ids == ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]


def test_a_pipe_is_named_and_never_opened(root):
    os.mkfifo(root / "cat" / "pipe.jpg")
    (note,) = read_train("folders", root).notes
    assert "cat/pipe.jpg" in note


def test_names_that_are_no_utf_8_are_refused(root):
    name = os.fsencode(root / "cat") + b"/\xff.jpg"
    shutil.copy(os.fsencode(root / "cat" / "1.jpg"), name)
    assert r"1 names are no UTF-8: 'cat/\udcff.jpg'" in problems_of(read_train, "folders", root)


def test_a_folder_without_permission_is_refused_with_what_to_do(root):
    (root / "dog").chmod(0)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from members.data.folder_contents import contents_of\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # root may read everything
        "print(contents_of(Path(sys.argv[1])).problems())"
    )
    for folder in (root, *root.parents):
        if folder.stat().st_uid == os.geteuid() and folder.name.startswith(
            ("root", "test_", "pyt", "popen")
        ):
            folder.chmod(0o755)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
        )
    finally:
        (root / "dog").chmod(0o755)
    assert "1 entries may not be read: dog/" in done.stdout
    assert "chmod" in done.stdout
