"""What members see of a photograph: what its file is, whatever it is given as."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels.cache import pixels as cached
from members.reading.scan import scan
from orchestrator.inference.parts import Seen
from orchestrator.inference.pixels import see, see_all

WAYS = [Seen((32, 24)), Seen((16, 40), (0.5, 0.75)), Seen((20, 20), (30, 31))]
OTHERS = Path(__file__).parents[3] / "tests/fixtures"


def photo(path: Path, size=(64, 48), seed=0, **how) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(noise).save(path, **how)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "bmp"])
@pytest.mark.parametrize("way", WAYS)
def test_the_pixels_are_those_that_training_sees(tmp_path, ending, way):
    path = photo(tmp_path / f"a.{ending}")
    (shown,) = see(path, [way])
    digests = scan([str(path)], tmp_path / "memo.parquet")["digest"].tolist()
    trained = cached([path], digests, size=way.size, crop=way.crop, folder=tmp_path / "cache")
    np.testing.assert_array_equal(shown, trained[0])


def test_a_path_its_bytes_its_picture_and_its_array_are_the_same_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    path = photo(tmp_path / "a.png", exif=exif)
    expected = see(path, WAYS)
    with Image.open(path) as picture:
        array = np.rot90(np.asarray(picture), -1)
        for given in (str(path), path.read_bytes(), picture, array):
            for shown, own in zip(see(given, WAYS), expected, strict=True):
                np.testing.assert_array_equal(shown, own)


def test_grey_arrays_are_three_equal_colours():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (shown,) = see(grey, [Seen((8, 8))])
    np.testing.assert_array_equal(shown, np.stack([grey] * 3, axis=2))


def test_unmarked_samples_of_12_bits_are_read_as_those_that_were_trained_on(tmp_path):
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64
    content = io.BytesIO()
    Image.fromarray(deep).save(content, format="PNG")
    (shown,) = see(content.getvalue(), [Seen((8, 8))], bits=12)
    np.testing.assert_array_equal(shown[..., 0], np.rint(deep.astype(int) * 255 / 4095))
    with pytest.raises(BadInput, match="16-bit samples that use 12 bits, without saying so"):
        see(content.getvalue(), [Seen((8, 8))])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (b"", "has zero bytes."),
        (b"no photo at all", "is not an image."),
        (np.zeros((8, 8, 4), np.uint8), "is an array of uint8 (8, 8, 4). Give uint8 RGB"),
        (np.zeros((8, 8, 3)), "is an array of float64 (8, 8, 3)."),
        (np.zeros((0, 8, 3), np.uint8), "is an array without pixels."),
        ("nowhere.jpg", "no such file."),
    ],
)
def test_what_is_no_photo_is_told_why(given, why):
    with pytest.raises(BadInput) as error:
        see(given, WAYS)
    assert str(error.value).startswith(why)


def test_those_that_cannot_be_read_leave_the_others_in_their_order(tmp_path):
    good = [photo(tmp_path / f"{n}.png", seed=n) for n in range(3)]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photo(tmp_path / "whole.jpg").read_bytes()[:900])
    small = photo(tmp_path / "small.png", size=(29, 80))
    shown, problems = see_all([good[0], cut, good[1], small, good[2]], WAYS)
    for way in WAYS:
        expected = np.stack([see(path, [way])[0] for path in good])
        np.testing.assert_array_equal(shown[way], expected)
    assert [problem is None for problem in problems] == [True, False, True, False, True]
    assert problems[1].startswith("is cut short")
    assert problems[3] == (
        "is 29x80 (height x width), smaller than the 30x31 that are cropped from its centre."
    )


def test_a_cut_out_member_sees_what_prepare_writes(tmp_path, eighteen_people):
    from members.pixels.background_copy import remove_background

    source = tmp_path / "source"
    source.mkdir()
    originals = sorted((eighteen_people / "photos/eval/images").glob("*.jpg"))[:3]
    for path in originals:
        shutil.copy(path, source / path.name)
    with Image.open(originals[0]) as picture:
        picture.save(source / "one.png")
    remove_background(source, tmp_path / "black")
    for path in sorted(source.iterdir()):
        (shown,) = see(path, [Seen((32, 24), cut_out=True)])
        (of_copy,) = see(tmp_path / "black" / path.name, [Seen((32, 24))])
        np.testing.assert_array_equal(shown, of_copy)
