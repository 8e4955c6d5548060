"""Paths of lists stay below their root, unless `data.root` or an absolute path says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from members.data.layouts import read_test, read_train
from members.data.lists.lookup import Lookup, leaves
from members.data.table_layout import ListOptions
from members.errors import BadInput
from members.samples.people import draw_people


@pytest.fixture
def data(tmp_path) -> Path:
    """lists/ beside images/ below data/, with a photo outside of it."""
    for name in ("data/images/a.png", "data/images/b.png", "data/lists/c.png", "secret.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    return tmp_path / "data"


def listed(data: Path, *paths: str | Path) -> Path:
    rows = "".join(f"{path},{i % 2}\n" for i, path in enumerate(paths))
    (data / "lists/photos.csv").write_text(f"path,label\n{rows}")
    return data / "lists/photos.csv"


def problem(*arguments) -> str:
    with pytest.raises(BadInput) as error:
        read_train("table", *arguments)
    return str(error.value)


@pytest.mark.fault(
    "a path in a list leads out of its folder by `..`",
    "refused, with the `data.root` that would allow it",
)
@pytest.mark.parametrize("path", ["../images/a.png", "x/../../images/a.png", "./../images/a.png"])
def test_a_path_that_leads_out_is_refused_with_the_root_that_allows_it(data, path):
    file = listed(data, path, "c.png")
    text = problem(file)
    assert f"1 of 2 paths lead out of {data / 'lists'}" in text
    assert f"data: {{root: {data}}}" in text
    # what it advises works, for that path and for those that are relative to the root
    file = listed(data, path, "images/b.png")
    found = read_train("table", file, data).frame["path"].tolist()
    assert found == [str(data / "images/a.png"), str(data / "images/b.png")]


def test_a_root_bounds_what_dots_reach(data):
    file = listed(data, "../../secret.png", "../images/a.png")
    text = problem(file, data)
    assert f"1 of 2 paths lead out of {data}" in text
    assert f"data: {{root: {data.parent}}}" in text
    assert "../images/a.png" not in text


def test_dots_that_stay_inside_and_absolute_paths_are_read(data):
    file = listed(data, "../lists/x/../c.png", data.parent / "secret.png", "images/../images/a.png")
    found = read_train("table", file, data).frame["path"].tolist()
    assert found == [
        str(data / p) for p in ("lists/c.png", "../secret.png", "images/a.png")
    ] or found == [
        str(data / "lists/c.png"),
        str(data.parent / "secret.png"),
        str(data / "images/a.png"),
    ]


@pytest.mark.fault("a repaired path would lead out of its folder", "never read")
def test_no_repair_leads_out(data):
    file = listed(data, "..\\..\\secret.png", "c.png")
    text = problem(file, None, ListOptions(lookup=Lookup(["backslash", "percent", "prefix"])))
    assert "secret.png" in text
    assert "is there" not in text


@pytest.mark.fault(
    "a link below the folder of photographs leads out of it", "read, and named in a note"
)
def test_links_that_lead_out_are_read_and_named(data):
    (data / "lists/link.png").symlink_to(data.parent / "secret.png")
    (data / "lists/inside.png").symlink_to(data / "lists/c.png")
    (data / "lists/folder").symlink_to(data / "images")
    lookup = Lookup()
    file = listed(data, "link.png", "inside.png", "folder/a.png", data.parent / "secret.png")
    paths, problems = lookup.find(
        file,
        ["link.png", "inside.png", "folder/a.png", str(data.parent / "secret.png")],
        file.parent,
    )
    assert problems == []
    assert len(paths) == 4
    (note,) = lookup.notes
    assert "2 photos are reached by links" in note
    assert f"link.png -> {data.parent / 'secret.png'}" in note
    assert f"folder/a.png -> {data / 'images/a.png'}" in note
    assert "inside.png" not in note


def test_a_root_that_is_a_link_itself_is_no_link_out(data, tmp_path):
    (tmp_path / "alias").symlink_to(data)
    lookup = Lookup()
    lookup.find(tmp_path / "alias/l.csv", ["images/a.png"], tmp_path / "alias")
    assert lookup.notes == []


def test_links_of_class_folders_are_followed_and_named(tmp_path):
    for name in ("root/cat", "root/dog", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (32, 32), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "root/bird").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/cat/also.png").symlink_to(tmp_path / "root/dog/0.png")
    found = read_train("folders", tmp_path / "root")
    assert len(found.frame) == 10
    (note,) = [note for note in found.notes if "links" in note]
    assert (
        f"1 entries are reached by links that lead out of it (bird -> {tmp_path / 'elsewhere'})"
        in note
    )


def test_profiles_and_their_test_list_stay_inside(tmp_path):
    draw_people(tmp_path / "people", profiles=4, eval=4, size=(32, 24))
    train, test = tmp_path / "people/train", tmp_path / "people/eval"
    text = (train / "train.csv").read_text()
    name = text.splitlines()[1].rsplit(",", 1)[1]
    (train / "train.csv").write_text(text.replace(name, f"../../other/{name}", 1))
    with pytest.raises(BadInput, match="1 profiles lead out of"):
        read_train("profiles", train)
    (train / "train.csv").write_text(text)
    data = read_train("profiles", train)
    info = (test / "info.csv").read_text()
    first = info.splitlines()[1].split(",")[0]
    (test / "info.csv").write_text(info.replace(first, f"../../train/images/{name}/normal.jpg", 1))
    with pytest.raises(BadInput, match="1 of 4 paths lead out of"):
        read_test("profiles", test, data.codec)


@pytest.mark.parametrize(
    ("text", "out"),
    [("../a", True), ("a/../../b", True), ("..", True), ("a/../b", False), ("..a/b", False),
     ("a..b", False), ("/etc/../a", False), ("", False), ("./..", True)],
)  # fmt: skip
def test_what_leads_out(text, out):
    assert leaves(text) is out
