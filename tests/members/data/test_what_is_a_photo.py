"""In folders a file is a photo by its content, whatever its ending; the rest is named."""

import io
import zipfile

import pytest
from PIL import Image

from members.data.codec import Codec
from members.data.layouts import read_test, read_train
from members.pixels.decode import decode
from tests.members.data_fixtures import picture, problems_of, write_photo

CODEC = Codec({"label": ("cat", "dog")})
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
FILES = {  # name -> format; the last three are named against their content
    "a.jfif": "JPEG", "b.jpe": "JPEG", "c.gif": "GIF", "d.avif": "AVIF", "e.jp2": "JPEG2000",
    "f.tga": "TGA", "g.ppm": "PPM", "h.webp": "WEBP", "i": "PNG", "j.dat": "JPEG", "k.jpg": "PNG",
    "l.TXT": "BMP",
}  # fmt: skip


def photo(file, kind):
    file.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    Image.fromarray(picture(seed=len(file.name))).save(content, kind)
    file.write_bytes(content.getvalue())


def two_classes(root):
    for name in ("cat/1.jpg", "dog/1.jpg"):
        write_photo(root / name)
    return root


@pytest.mark.parametrize(("name", "kind"), FILES.items())
def test_what_decodes_is_a_photo_to_train_on_and_to_predict(tmp_path, name, kind):
    photo(two_classes(tmp_path / "train") / "cat" / name, kind)
    photo(tmp_path / "test" / name, kind)
    found = read_train("folders", tmp_path / "train")
    assert f"cat/{name}" in found.frame["image_id"].tolist()
    test = read_test("folders", tmp_path / "test", CODEC)
    assert test.frame["image_id"].tolist() == [name]
    assert found.notes == test.notes == []
    assert decode(test.frame["path"][0]).shape == (24, 18, 3)


@pytest.fixture
def other_files(tmp_path):
    """A folder of files that are no photos, and their names."""
    folder = tmp_path / "other"
    folder.mkdir()
    texts = {"notes.txt": "x", "labels.csv": "path,label\n", "boxes.json": "{}", "empty": ""}
    for name, text in texts.items():
        (folder / name).write_text(text)
    zipfile.ZipFile(folder / "all.zip", "w").writestr("a", "b")
    (folder / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99))
    return folder, {*texts, "all.zip", "clip.mp4"}


def test_other_files_are_counted_and_named_once_in_train_and_in_test(tmp_path, other_files):
    folder, names = other_files
    two_classes(tmp_path / "train")
    write_photo(tmp_path / "test" / "a.jpg")
    for name in names:
        for part in ("train/cat", "test"):
            (tmp_path / part / name).write_bytes((folder / name).read_bytes())
    (train_note,) = read_train("folders", tmp_path / "train").notes
    (test_note,) = read_test("folders", tmp_path / "test", CODEC).notes
    for note, prefix in ((train_note, "cat/"), (test_note, "")):
        assert f"{len(names)} entries are left out" in note
        assert f"{prefix}{min(names)}" in note
        assert "is no photo" in note


def test_heic_is_named_with_what_to_install_or_read_where_that_is(tmp_path, monkeypatch):
    two_classes(tmp_path)
    (tmp_path / "cat" / "i.heic").write_bytes(HEIC)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (note,) = read_train("folders", tmp_path).notes
    assert "cat/i.heic" in note
    assert "HEIC" in note
    assert "pip install pillow-heif" in note
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    found = read_train("folders", tmp_path)
    assert "cat/i.heic" in found.frame["image_id"].tolist()
    assert found.notes == []


def test_a_folder_of_nothing_but_heic_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "i.heic").write_bytes(HEIC)
    assert "pip install pillow-heif" in problems_of(read_test, "folders", tmp_path, CODEC)


def test_raw_files_and_unfinished_ones_are_left_out_with_their_reason(tmp_path):
    write_photo(tmp_path / "a.jpg")
    photo(tmp_path / "raw.NEF", "TIFF")  # decodes, but what comes out is a thumbnail
    photo(tmp_path / "b.jpg.part", "JPEG")
    test = read_test("folders", tmp_path, CODEC)
    assert test.frame["image_id"].tolist() == ["a.jpg"]
    assert any("raw.NEF" in note and "RAW" in note for note in test.notes)
    assert any("b.jpg.part" in note and "unfinished" in note for note in test.notes)


@pytest.mark.parametrize("name", ["text.jpg", "text.gif", "text.jfif"])
def test_the_ending_of_a_photo_without_its_content_stays_a_photo_that_the_scan_refuses(
    tmp_path, name
):
    (tmp_path / name).write_text("this is no photo")
    assert read_test("folders", tmp_path, CODEC).frame["image_id"].tolist() == [name]
