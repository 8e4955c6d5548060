"""Photos of 16-bit samples come out with the brightness that was meant, or are refused."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from members.pixels.cache import pixels
from members.pixels.decode import decode_bytes
from members.pixels.samples import bits_of, reading_digest
from members.reading.scan import scan
from tests.members.pixels.photo_files import gradients, png, samples_of, saved, tiff

RGB = gradients()
GREY = RGB[..., 0]


def is_right(data: bytes, wanted: np.ndarray, bits: int | None = None) -> bool:
    """Whether decoded pixels lie within two levels of colours from 0 to 1."""
    found = decode_bytes(data, bits).pixels.astype(float)
    wanted = wanted[..., None] if wanted.ndim == 2 else wanted
    return bool(np.abs(found - 255 * wanted).max() <= 2)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("colours", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("file", [png, tiff, lambda s: tiff(s, ">")], ids=["png", "tif", "tifB"])
def test_unmarked_samples_tell_the_bits_they_use_and_are_read_with_given_ones(bits, colours, file):
    data = file(samples_of(colours, bits))
    assert decode_bytes(data).used_bits == bits
    assert is_right(data, colours, bits)
    whole = file(samples_of(colours, 16))
    assert decode_bytes(whole).used_bits == 16
    assert is_right(whole, colours)


@pytest.mark.parametrize("colours", [GREY, RGB], ids=["grey", "rgb"])
def test_significant_bits_of_a_png_are_heeded_whether_its_samples_are_scaled_or_not(colours):
    mark = bytes([12] * (1 if colours.ndim == 2 else 3))
    twelve = samples_of(colours, 12)
    assert is_right(png(twelve, sBIT=mark), colours)
    assert is_right(png(twelve << 4, sBIT=mark), colours)
    with pytest.raises(ValueError, match=r"sBIT.*12 bits are used: their range is not clear"):
        decode_bytes(png(twelve + 1, sBIT=mark))


def test_a_tiff_that_states_its_range_is_read_with_it():
    found = decode_bytes(tiff(samples_of(GREY, 12), more=((281, 4095),)))
    assert (found.used_bits, found.read_bits) == (0, 12)
    assert is_right(tiff(samples_of(GREY, 12), more=((281, 4095),)), GREY)


@pytest.mark.parametrize("maxval", [1000, 1023, 4095, 65535])
def test_pgm_and_ppm_of_any_maximum(maxval):
    for letter, colours in (("5", GREY), ("6", RGB)):
        header = f"P{letter} 64 48 {maxval}\n".encode()
        samples = np.round(colours * maxval).astype(">u2").tobytes()
        assert is_right(header + samples, colours)
    twelve = samples_of(RGB, 12).astype(">u2").tobytes()
    assert is_right(b"P6 64 48 65535\n" + twelve, RGB, bits=12)


@pytest.mark.parametrize("colours", [GREY, RGB], ids=["grey", "rgb"])
def test_jpeg_2000_of_16_bits_keeps_its_brightest_colours(colours):
    found, data = cv2.imencode(".jp2", samples_of(colours, 16)[..., ::-1])
    assert found
    wanted = colours if colours.ndim == 3 else colours[:, ::-1]
    assert is_right(data.tobytes(), wanted)


def test_min_is_white_is_inverted_at_16_bits():
    assert is_right(tiff(65535 - samples_of(GREY, 16), white_is_zero=True), GREY)
    twelve = (4095 - samples_of(GREY, 12)).astype(np.uint16)
    assert is_right(tiff(twelve, white_is_zero=True), GREY, bits=12)


def test_planes_of_16_bits_are_read_or_refused():
    for order in "<>":
        assert is_right(tiff(samples_of(RGB, 16), order, planes=True), RGB)
    turned = tiff(samples_of(RGB, 16), planes=True, more=((274, 6),))
    assert is_right(turned, np.rot90(RGB, -1))
    with pytest.raises(ValueError, match="in planes"):
        decode_bytes(tiff(samples_of(RGB, 12), planes=True), bits=12)


@pytest.mark.parametrize("bits", [12, 16])
def test_the_transparent_colour_of_a_16_bit_png_is_white(bits):
    grey, rgb = samples_of(GREY, bits), samples_of(RGB, bits)
    key = grey[3, 3]
    wanted = np.where(grey == key, 1, GREY)
    assert is_right(png(grey, tRNS=struct.pack(">H", key)), wanted, bits)
    key = rgb[3, 3]
    wanted = np.where((rgb == key).all(axis=2, keepdims=True), 1, RGB)
    assert is_right(png(rgb, tRNS=struct.pack(">3H", *key)), wanted, bits)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_transparent_grey_of_a_png_of_few_bits_is_white(depth):
    values = np.round(GREY * ((1 << depth) - 1)).astype(np.uint8)
    bits = values[..., None] >> np.arange(depth)[::-1] & 1
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    wanted = np.where(values == 1, 1, values / ((1 << depth) - 1))
    assert is_right(png(values, depth, rows, tRNS=struct.pack(">H", 1)), wanted)


@pytest.mark.parametrize("bits", [12, 16])
def test_opacity_of_16_bits_is_laid_over_white(bits):
    rgba = np.concatenate([RGB, RGB[..., 1:2]], axis=2)
    wanted = RGB * rgba[..., 3:] + 1 - rgba[..., 3:]
    assert is_right(png(samples_of(rgba, bits)), wanted, bits)


def test_deep_photos_are_turned_upright():
    exif = Image.Exif()
    exif[274] = 6
    grey = Image.fromarray(samples_of(GREY, 12))
    assert is_right(saved(grey, "PNG", exif=exif), np.rot90(GREY, -1), bits=12)
    assert is_right(tiff(samples_of(GREY, 12), more=((274, 8),)), np.rot90(GREY, 1), bits=12)


def test_samples_whose_range_is_unknown_are_refused():
    signed = tiff(samples_of(GREY, 15), more=((339, 2),))
    for data in (signed, saved(Image.fromarray(GREY.astype(np.float32)), "TIFF")):
        with pytest.raises(ValueError, match="range is unknown"):
            decode_bytes(data)


def test_a_sample_beyond_the_range_is_refused():
    for colours in (GREY, RGB):
        with pytest.raises(ValueError, match=r"a sample of 16383.*give data\.bits: 14"):
            decode_bytes(png(samples_of(colours, 14)), bits=12)


def test_the_range_goes_with_the_digest_into_the_cache(tmp_path):
    (tmp_path / "a.png").write_bytes(png(samples_of(GREY, 12)))
    row = scan([tmp_path / "a.png"]).iloc[0]
    assert (row["used_bits"], row["read_bits"]) == (12, 0)
    dark, right = (
        pixels(
            [tmp_path / "a.png"], [reading_digest(row["digest"], bits)], size=(48, 64), crop=None,
            folder=tmp_path,
        )[0].astype(float)
        for bits in (0, 12)
    )  # fmt: skip
    assert dark.max() == 16
    assert np.abs(right - 255 * GREY[..., None]).max() <= 2
    assert (bits_of(row["digest"]), bits_of(reading_digest("d", 12))) == (None, 12)


def test_a_photo_that_is_read_otherwise_than_before_is_not_found_in_an_old_cache(tmp_path):
    cases = {
        "planes.tif": tiff(samples_of(RGB, 16), planes=True),
        "inverted.tif": tiff(samples_of(GREY, 16), white_is_zero=True),
        "key.png": png(samples_of(RGB, 16), tRNS=bytes(6)),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "plain.png").write_bytes(png(samples_of(RGB, 16)))
    assert scan([tmp_path / name for name in (*cases, "plain.png")])["read_bits"].tolist() == [
        16, 16, 16, 0,
    ]  # fmt: skip
