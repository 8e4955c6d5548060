"""Photos that are not where their row says: why, and found where that is allowed."""

import unicodedata

import pytest

from members.data.codec import PROFILES
from members.data.layouts import read_train
from members.data.lists.lookup import Lookup
from members.data.profiles import read_test
from members.data.table_layout import ListOptions
from tests.members.data_fixtures import problems_of, write_photo

ACCENT = "é"
# kind -> where the photo lies, what the row says, the repairs that lead there
KINDS = {
    "no ending": ("images/a.jpg", "images/a", ["ending"]),
    "another ending": ("images/a.jpg", "images/a.png", ["ending"]),
    "a dot in the name": ("images/a.v2.jpg", "images/a.v2", ["ending"]),
    "capital ending": ("images/a.jpg", "images/a.JPG", ["case"]),
    "capital folder": ("Images/a.jpg", "images/a.jpg", ["case"]),
    "backslash": ("images/a.jpg", r"images\a.jpg", ["backslash"]),
    "Windows": ("images/a.jpg", r"C:\data\images\a.jpg", ["backslash", "prefix"]),
    "root twice": ("images/a.jpg", "photos/images/a.jpg", ["prefix"]),
    "another machine": ("images/a.jpg", "/kaggle/input/x/images/a.jpg", ["prefix"]),
    "file://": ("images/a.jpg", "file:///home/x/images/a.jpg", ["prefix"]),
    "home": ("images/a.jpg", "~/images/a.jpg", ["prefix"]),
    "folder below": ("images/cat/a.jpg", "a.jpg", ["folder"]),
    "folder below, path": ("images/cat/a.jpg", "cat/a.jpg", ["folder"]),
    "percent": ("images/a b.jpg", "images/a%20b.jpg", ["percent"]),
    "zeros": ("images/007.jpg", "images/7.jpg", ["zeros"]),
    "zeros and ending": ("images/x007.jpg", "images/x7", ["zeros", "ending"]),
    "composed": (unicodedata.normalize("NFD", f"{ACCENT}.jpg"), f"{ACCENT}.jpg", ["unicode"]),
    "decomposed": (f"{ACCENT}.jpg", unicodedata.normalize("NFD", f"{ACCENT}.jpg"), ["unicode"]),
    "all": ("images/Cat/007.jpg", r"D:\x\images\cat\7", ["backslash", "prefix", "case", "zeros", "ending"]),
}  # fmt: skip


def listed(folder, *paths):
    write_photo(folder / "other.jpg")
    rows = "".join(f"{path},x\n" for path in paths)
    (folder / "photos.csv").write_text(f"path,label\n{rows}other.jpg,y\n")
    return folder / "photos.csv"


@pytest.mark.parametrize("kind", KINDS)
def test_the_reason_is_said_and_the_key_repairs_it(tmp_path, kind):
    there, said, repairs = KINDS[kind]
    write_photo(tmp_path / there)
    file = listed(tmp_path, said)
    text = problems_of(read_train, "table", file)
    assert f"1 of 2 photos are missing: {said}." in text
    assert f"{said} -> {there}" in text
    advised = text.split("data: {repair: [")[1].split("]")[0].split(", ")
    assert sorted(advised) == sorted(repairs)

    lookup = Lookup(repairs)
    frame = read_train("table", file, options=ListOptions(lookup=lookup)).frame
    assert frame["path"].tolist()[0] == str(tmp_path / there)
    assert frame["image_id"].tolist()[0] == said  # ids stay as they are written
    assert lookup.without_effect() == []
    assert "1 photos are read" in lookup.notes[0]
    for left_out in repairs:
        some = ListOptions(lookup=Lookup(name for name in repairs if name != left_out))
        assert "photos are missing" in problems_of(read_train, "table", file, None, some)


def test_a_repair_without_effect_is_refused(tmp_path):
    lookup = Lookup(["ending", "case"])
    write_photo(tmp_path / "a.jpg")
    read_train("table", listed(tmp_path, "a"), options=ListOptions(lookup=lookup))
    assert lookup.without_effect() == ["data.repair: no photo needed case. Take it out."]


def test_two_files_that_fit_are_no_repair(tmp_path):
    write_photo(tmp_path / "a.jpg")
    write_photo(tmp_path / "a.png")
    options = ListOptions(lookup=Lookup(["ending"]))
    text = problems_of(read_train, "table", listed(tmp_path, "a"), None, options)
    assert "several files have such a name" in text


def test_a_photo_in_a_folder_of_another_name_is_another_photo(tmp_path):
    write_photo(tmp_path / "train" / "dog" / "1.jpg")
    options = ListOptions(lookup=Lookup(["folder", "prefix"]))
    text = problems_of(read_train, "table", listed(tmp_path, "cat/1.jpg"), None, options)
    assert "1 of 2 photos are missing: cat/1.jpg" in text
    assert "->" not in text


def test_two_rows_that_are_repaired_to_one_file_are_refused(tmp_path):
    write_photo(tmp_path / "1.jpg")
    options = ListOptions(lookup=Lookup(["prefix"]))
    file = listed(tmp_path, "/x/cat/1.jpg", "/x/dog/1.jpg")
    text = problems_of(read_train, "table", file, None, options)
    assert "1 photos occur more than once" in text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("https://example.org/a.jpg", "addresses and no files; download"),
        ("s3://bucket/a.jpg", "addresses and no files; download"),
        ("data:image/png;base64 xxx", "addresses and no files"),
        ("link.jpg", "broken links"),
        ("folder", "folders"),
        ("", "(empty path)"),
        ("nowhere.jpg", "nowhere.jpg"),
        ("x" * 5000, "photos are missing"),
        ("a\0b.jpg", "photos are missing"),
    ],
)
def test_what_cannot_be_repaired_has_its_reason(tmp_path, said, reason):
    (tmp_path / "link.jpg").symlink_to("/nowhere/at/all")
    (tmp_path / "folder").mkdir()
    text = problems_of(read_train, "table", listed(tmp_path, said))
    assert reason in text
    assert "data: {repair" not in text


def test_a_leading_dot_and_blanks_around_are_no_difference(tmp_path):
    write_photo(tmp_path / "a.jpg")
    assert len(read_train("table", listed(tmp_path, "  ./a.jpg  ")).frame) == 2


def test_where_all_lie_in_one_folder_the_root_is_advised(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        write_photo(tmp_path / "train" / name)
    text = problems_of(read_train, "table", listed(tmp_path, "a.jpg", "b.jpg"))
    assert f"or data: {{root: {tmp_path / 'train'}}}" in text


def test_a_root_that_is_not_there_is_named(tmp_path):
    text = problems_of(read_train, "table", listed(tmp_path, "a.jpg"), tmp_path / "none")
    assert f"Paths are relative to {tmp_path / 'none'}, which is no folder." in text


def test_lists_that_no_key_repairs_have_the_reason_too(tmp_path):
    write_photo(tmp_path / "images" / "a.jpg")
    (tmp_path / "info.csv").write_text("ImageID,ans\na,0\n")
    text = problems_of(read_test, tmp_path, PROFILES)
    assert "with another ending: a -> a.jpg. Correct the list." in text
