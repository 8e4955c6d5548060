"""The kind of a picture is told by its content."""

import io
import os

import pytest
from PIL import Image

from members.photo_kind import HEAD, photo_kind, read_head, unreadable

MODES = {"PBM": "1", "PGM": "L"}


@pytest.mark.parametrize(
    ("kind", "writer"),
    [(n, n) for n in ("JPEG", "PNG", "GIF", "BMP", "WebP", "TIFF", "AVIF", "TGA")]
    + [("JPEG 2000", "JPEG2000"), ("PPM", "PPM"), ("PGM", "PPM"), ("PBM", "PPM")],
)
def test_what_pillow_writes_is_named_and_readable(kind, writer):
    content = io.BytesIO()
    Image.new(MODES.get(kind, "RGB"), (40, 30), 1).save(content, writer)
    assert photo_kind(content.getvalue()[:HEAD]) == kind
    assert unreadable(kind) == ""


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera RAW"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera RAW"),
        (b"%PDF-1.7\n", "PDF"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns=', "SVG"),
        (b"PF\n2 2\n-1.0\n", "PFM"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_what_is_known_and_not_read_says_what_to_do(head, kind, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert photo_kind(head) == kind
    if kind != "AVIF":
        assert unreadable(kind)


@pytest.mark.parametrize(
    "head",
    [b"", b"path,label\na.jpg,1\n", b"P5 is a word", b"BMI,age\n1,2\n", b"\0" * 600, b"PK\3\4" * 9,
     b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"\0\5\x16\x07\0\2\0\0Mac OS X" + bytes(30)],
)  # fmt: skip
def test_other_files_are_no_pictures(head):
    assert photo_kind(head) is None


def test_a_pipe_or_a_folder_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ValueError, match="is a pipe"):
        read_head(tmp_path / "pipe.jpg")
    with pytest.raises(ValueError, match="is a folder"):
        read_head(tmp_path)
