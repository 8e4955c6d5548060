"""Damaged photos that decoders read in silence are refused or named, and sound ones are not."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, JpegImagePlugin

from members.pixels.decode import decode_bytes
from members.reading.scan import damage_notes, scan
from tests.members.pixels.photo_files import png, saved


def photo(width: int = 320, height: int = 240) -> Image.Image:
    coarse = np.random.default_rng(3).integers(1, 256, (12, 16, 3), np.uint8)
    fine = np.random.default_rng(4).integers(-9, 10, (height, width, 3))
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height)), int)
    return Image.fromarray(np.clip(smooth + fine, 1, 255).astype(np.uint8))


def zeroed(data: bytes, begin: float, end: float = 1) -> bytes:
    first, last = int(len(data) * begin), int(len(data) * end)
    return data[:first] + bytes(last - first) + data[last:]


def warning(data: bytes) -> str:
    return decode_bytes(data).warning


JPEGS = [{}, {"optimize": True}, {"subsampling": 0}, {"restart_marker_rows": 1}]


@pytest.mark.parametrize("how", JPEGS, ids=str)
def test_a_jpeg_that_lacks_data_is_named(how):
    data = saved(photo(), "JPEG", quality=90, **how)
    assert warning(data) == ""
    end = "its data ends before its last rows|restart markers"
    for share in (0.5, 0.95):
        cut = data[: int(len(data) * share)] + b"\xff\xd9"
        assert "its data ends before its last rows" in warning(cut)
    without_middle = data[: len(data) * 2 // 5] + data[len(data) * 3 // 5 :]
    assert any(text in warning(without_middle) for text in end.split("|"))
    assert warning(zeroed(data, 0.3, 0.6))


@pytest.mark.parametrize("extra", [450, 700, 1000, 5000, 60_000])
def test_data_after_the_last_row_is_named_with_its_size(extra):
    data = saved(photo(120, 90), "JPEG", quality=90)
    assert data.endswith(b"\xff\xd9")
    told = warning(data[:-2] + b"a" * extra + b"\xff\xd9")
    assert told.endswith(" bytes of its data are left over after its last row")
    assert int(told.split()[0]) == pytest.approx(extra, abs=max(128, extra / 100))


def test_a_sound_jpeg_is_decoded_in_few_pieces(monkeypatch):
    """With each Pillow lets other threads run, and one that decodes waits for all of them."""
    read = []
    load = JpegImagePlugin.JpegImageFile.load

    def counted(self):
        own = self.load_read
        self.load_read = lambda size: read.append(size) or own(size)
        return load(self)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", counted)
    data = saved(photo(640, 480), "JPEG", quality=90)
    assert warning(data) == ""
    assert 0 < len(read) < 16


def test_a_hole_of_zeros_in_a_jpeg_is_named():
    data = saved(photo(), "JPEG", quality=90)
    middle = len(data) // 2
    holed = data[:middle] + bytes(40) + data[middle + 40 :]
    assert warning(holed)
    progressive = saved(photo(), "JPEG", quality=90, progressive=True)
    assert warning(zeroed(progressive, 0.3, 0.6))


def test_a_progressive_jpeg_without_its_last_passes_is_named():
    data = saved(photo(), "JPEG", quality=90, progressive=True)
    assert warning(data) == ""
    assert "passes are missing" in warning(data[: len(data) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("interlaced", [False, True])
def test_the_rows_of_a_png_are_counted(interlaced):
    def file(rows: bytes) -> bytes:
        header = struct.pack(">IIBBBBB", 5, 40, 8, 0, 0, 0, interlaced)
        plain = png(np.zeros((40, 5)), 8, rows)
        chunk = b"IHDR" + header
        return plain[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]

    # of an interlaced one: passes of 1x5, 1x5, 2x5, 1x10, 3x10, 2x20 and 5x20 pixels, a byte a row more
    size = (2 + 2) * 5 + 3 * 5 + 2 * 10 + 4 * 10 + 3 * 20 + 6 * 20 if interlaced else 6 * 40
    assert decode_bytes(file(bytes(size))).pixels.shape == (40, 5, 3)
    with pytest.raises(ValueError, match="is cut short: it holds 20 of its 40 rows"):
        decode_bytes(file(bytes(size // 2 + 2)))


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_zeros_in_arithmetically_coded_data_are_named(kind):
    data = saved(photo(), kind)
    assert warning(data) == ""
    for begin, end in ((0.5, 1), (0.4, 0.6)):
        assert "its compressed data is all 0x00" in warning(zeroed(data, begin, end))


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "TGA"])
def test_zeros_in_plain_data_are_named(kind):
    data = saved(photo(), kind)
    assert warning(data) == ""
    for begin, end in ((0.5, 1), (0.3, 0.6)):
        assert "are black, which begins or ends within a row" in warning(zeroed(data, begin, end))


def test_gif_and_compressed_tiff_are_refused():
    for data in (saved(photo(), "GIF"), saved(photo(), "TIFF", compression="tiff_lzw")):
        with pytest.raises((OSError, ValueError)):
            decode_bytes(zeroed(data, 0.5))


def test_a_grey_band_to_the_bottom_is_named_in_any_format():
    pixels = np.array(photo())
    pixels[-40:] = 128
    assert "its last 40 rows are of one grey (128)" in warning(
        saved(Image.fromarray(pixels), "PNG")
    )


def scenes() -> dict[str, Image.Image]:
    """Sound pictures with flat parts."""
    inner = photo(300, 120)
    found = {}
    for name, colour, place in (
        ("studio", "white", (50, 60)), ("letterbox", "black", (0, 60)), ("padded", "black", (0, 0)),
        ("grey letterbox", (128, 128, 128), (0, 60)), ("document", "white", (0, 0)),
    ):  # fmt: skip
        found[name] = Image.new("RGB", (300 if place[0] == 0 else 400, 240), colour)
        found[name].paste(inner, place)
    found["grey"] = Image.new("RGB", (100, 100), (128, 128, 128))
    found["black"] = Image.new("RGB", (100, 100))
    mask = Image.new("L", (300, 120))
    ImageDraw.Draw(mask).ellipse((10, 0, 290, 110), fill=255)
    found["fundus"] = Image.new("RGB", (300, 240))
    found["fundus"].paste(inner, (0, 20), mask)
    return found


@pytest.mark.parametrize("name", scenes())
def test_flat_parts_of_sound_photos_are_not_damage(name):
    scene = scenes()[name]
    ways = [("JPEG", {"quality": q, **how}) for q in (20, 95) for how in JPEGS]
    ways += [("JPEG", {"progressive": True}), ("WEBP", {}), ("WEBP", {"lossless": True})]
    for kind, how in [*ways, *((k, {}) for k in ("AVIF", "BMP", "TIFF", "PPM", "TGA", "PNG"))]:
        assert warning(saved(scene, kind, **how)) == "", (kind, how)


def test_a_scan_gives_three_examples_and_a_count(tmp_path):
    data = saved(photo(), "JPEG")
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    (tmp_path / "sound.jpg").write_bytes(data)
    scanned = scan(sorted(tmp_path.iterdir()))
    assert (scanned["problem"] == "").all()
    (note,) = damage_notes(scanned)
    assert note.startswith("5 of 6 photos look damaged: ")
    assert f"{tmp_path}/0.jpg: its data ends" in note
    assert note.endswith("; and 2 more.")
    assert damage_notes(scanned.tail(1)) == []
