"""A bundle's program sees the very pixels that the members were trained on."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import orchestrator
from members.errors import BadInput
from members.pixels.crop import crop_and_resize
from members.pixels.decode import decode_alone

FILE = Path(orchestrator.__file__).parent / "inference/bundles/programs/pixels.py"


@pytest.fixture(scope="module")
def pixels():
    spec = importlib.util.spec_from_file_location("pixels_of_bundles", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_any_photograph_at_any_size(pixels):
    """cv2 is the independent answer, to the last bit."""
    rng = np.random.default_rng(0)
    for i in range(200):
        H, W, h, w = rng.integers(8, 160, 4).tolist()
        crop = [None, (0.8, 0.6), (1.0, 1.0), (8, 8)][i % 4]
        photo = drawn(rng, H, W)
        expected = crop_and_resize(photo, (h, w), crop)
        found = pixels.seen(photo, [h, w], list(crop) if crop else [1, 1])
        assert np.array_equal(found, expected), (H, W, h, w, crop)


def test_photographs_that_are_whole_multiples_of_the_size(pixels):
    rng = np.random.default_rng(0)
    for down in range(1, 6):
        for across in range(1, 6):
            photo = drawn(rng, 24 * down, 18 * across)
            expected = crop_and_resize(photo, (24, 18), None)
            assert np.array_equal(pixels.seen(photo, [24, 18], [1, 1]), expected)


def test_a_photograph_that_is_smaller_than_the_crop_is_refused(pixels):
    with pytest.raises(ValueError, match=r"smaller than the 30x8 \(height x width\)"):
        pixels.seen(np.zeros((20, 20, 3), np.uint8), [8, 8], [30, 8])


def files(folder: Path) -> list[Path]:
    """Photographs of every ordinary kind."""
    colours = Image.fromarray(drawn(np.random.default_rng(1), 30, 20))
    turned = Image.Exif()
    turned[274] = 6
    alpha = colours.copy()
    alpha.putalpha(colours.convert("L"))
    saved = {
        "plain.jpg": (colours, {}),
        "turned.jpg": (colours, {"exif": turned}),
        "grey.jpg": (colours.convert("L"), {}),
        "cmyk.jpg": (colours.convert("CMYK"), {}),
        "progressive.jpg": (colours, {"progressive": True}),
        "plain.png": (colours, {}),
        "alpha.png": (alpha, {}),
        "grey-alpha.png": (alpha.convert("LA"), {}),
        "key.png": (colours, {"transparency": colours.getpixel((3, 3))}),
        "palette.png": (colours.quantize(7), {"transparency": 2}),
        "black-and-white.png": (colours.convert("1"), {}),
        "lossless.webp": (alpha, {"lossless": True}),
        "plain.bmp": (colours, {}),
        "moving.gif": (colours.quantize(9), {"save_all": True, "append_images": [colours]}),
    }
    for name, (picture, how) in saved.items():
        picture.save(folder / name, **how)
    return [folder / name for name in saved]


def test_every_ordinary_kind_of_file_is_decoded_the_same(pixels, tmp_path):
    for file in files(tmp_path):
        assert np.array_equal(pixels.decoded(file), decode_alone(file)), file.name


def test_what_it_would_read_otherwise_it_refuses(pixels, tmp_path):
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    Image.new("RGB", (8, 8)).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for name in ("deep.png", "deep.tif", "cut.jpg"):
        with pytest.raises((ValueError, OSError)):
            pixels.decoded(tmp_path / name)
    with pytest.raises(BadInput):
        decode_alone(tmp_path / "cut.jpg")
