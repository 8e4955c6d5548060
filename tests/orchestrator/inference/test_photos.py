"""Which photographs are meant by files, folders, patterns, lists, prefixes and standard input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ensembles.files.places import write_bytes
from orchestrator.errors import WrongRequest
from orchestrator.inference.photos import find_photos


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """a.jpg, more/b.png, more/deep/c.jpg, more/notes.txt in a folder of their own, which is the current."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "more/b.png", "more/deep/c.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    (tmp_path / "photos/more/notes.txt").write_text("no photo")
    return tmp_path


def found(*given: str, stdin=()):
    photos, notes = find_photos(given, stdin)
    return {photo.id: photo.place for photo in photos}, notes


def problems(*given: str, stdin=()) -> list[str]:
    with pytest.raises(WrongRequest) as error:
        find_photos(given, stdin)
    return error.value.problems


def test_a_folder_is_all_photos_below_it_by_their_paths_in_it(folder):
    photos, notes = found("photos")
    assert photos == {
        "a.jpg": "photos/a.jpg",
        "more/b.png": "photos/more/b.png",
        "more/deep/c.jpg": "photos/more/deep/c.jpg",
    }
    assert notes == ["photos: 1 entries are left out (more/notes.txt): each is no photo."]


def test_files_and_patterns_are_called_what_they_were_given_as(folder):
    assert found("photos/a.jpg")[0] == {"photos/a.jpg": "photos/a.jpg"}
    assert list(found("photos/*.jpg")[0]) == ["photos/a.jpg"]
    assert list(found("photos/**/*.jpg")[0]) == ["photos/a.jpg", "photos/more/deep/c.jpg"]
    absolute = f"{folder}/photos/more/[a-c].*"
    assert list(found(absolute)[0]) == [f"{folder}/photos/more/b.png"]


def test_a_file_may_have_the_signs_of_a_pattern_in_its_name(folder):
    (folder / "photos/a.jpg").rename(folder / "a[1].jpg")
    assert list(found("a[1].jpg")[0]) == ["a[1].jpg"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_list_names_photos_beside_it_and_may_give_them_ids(folder, ending):
    frame = pd.DataFrame({"path": ["a.jpg", "more/b.png"], "image_id": ["one", "two"]})
    for columns, ids in ((["path"], frame["path"]), (["path", "image_id"], frame["image_id"])):
        file = folder / f"photos/list.{ending}"
        frame[columns].to_csv(file) if ending == "csv" else frame[columns].to_parquet(file)
        photos, _ = found(str(file))
        assert list(photos) == list(ids)
        assert [*photos.values()] == [f"{folder}/photos/{path}" for path in frame["path"]]


def test_standard_input_has_a_path_a_line(folder):
    assert list(found("-", stdin=["photos/a.jpg\n", "\n", "photos/more/b.png"])[0]) == [
        "photos/a.jpg",
        "photos/more/b.png",
    ]


def test_all_mistakes_are_told_at_once(folder):
    (folder / "empty").mkdir()
    (folder / "list.csv").write_text("file\nphotos/a.jpg\n")
    (folder / "gaps.csv").write_text("path,image_id\n,x\nphotos/a.jpg,\n")
    texts = problems(
        "empty", "list.csv", "gaps.csv", "nowhere.jpg", "no*.jpg", "-", stdin=["gone.png"]
    )
    for text, what in zip(
        texts,
        [
            "empty: no photos there. Give photos, folders",
            "list.csv: no column 'path'; the columns are file.",
            "gaps.csv: no path in line 2.",
            "gaps.csv: no image_id in line 3.",
            "nowhere.jpg: there is no such file.",
            "no*.jpg: no photos there.",
            "gone.png: there is no such file.",
        ],
        strict=True,
    ):
        assert text.startswith(what), text


def test_an_id_stands_for_one_photo(folder):
    (folder / "others/more").mkdir(parents=True)
    (folder / "photos/more/b.png").rename(folder / "others/a.jpg")
    (text,) = problems("photos", "others")
    assert text.startswith("ids that stand for several photos: 1 (a.jpg). Give each photo once")
    assert list(found("photos", "photos")[0]) == ["a.jpg", "more/deep/c.jpg"]


def test_a_prefix_of_an_object_store_is_all_photos_below_it(bucket):
    for name in ("new/a.jpg", "new/more/b.png", "new/list.txt", "newer.jpg"):
        write_bytes(f"{bucket}/{name}", b"any")
    photos, notes = found(f"{bucket}/new")
    assert photos == {name: f"{bucket}/new/{name}" for name in ("a.jpg", "more/b.png")}
    assert notes == [f"{bucket}/new: 1 object left out: list.txt."]
    assert [*found(f"{bucket}/newer.jpg")[0].values()] == [f"{bucket}/newer.jpg"]
    (text,) = problems(f"{bucket}/gone")
    assert "there is no such object or prefix" in text


def test_an_address_of_another_kind_is_refused(folder):
    (text,) = problems("http://example.org/a.jpg")
    assert text.startswith("http://example.org/a.jpg: no address that photos are read from")
