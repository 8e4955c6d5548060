import re

import numpy as np
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels.decode import decode
from members.reading.scan import scan
from tests.members.data_fixtures import BLUE, RED, broken_files, close, halves, picture, write_photo


def test_a_png_is_decoded_exactly_and_a_jpeg_nearly(tmp_path):
    assert (decode(write_photo(tmp_path / "a.png", 1)) == picture(seed=1)).all()
    found = decode(write_photo(tmp_path / "a.jpg", 1, height=48, width=32))
    assert found.shape == (48, 32, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - picture(48, 32, 1)).mean() < 4


def test_grey_photos_have_three_equal_channels(tmp_path):
    grey = picture()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (decode(tmp_path / "grey.png") == grey[..., None]).all()
    Image.fromarray(grey).save(tmp_path / "grey.jpg")
    assert decode(tmp_path / "grey.jpg").shape == (24, 18, 3)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    wide = np.array([[0, 257, 32768, 65535]], dtype=np.uint16).repeat(3, axis=0)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert decode(tmp_path / "wide.png")[0, :, 0].tolist() == [0, 1, 128, 255]


def test_transparent_pixels_are_laid_over_white(tmp_path):
    alpha = np.full((1, 3), 255, np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 128
    rgb = np.array([[RED, RED, RED]], dtype=np.uint8)
    Image.fromarray(np.dstack([rgb, alpha])).save(tmp_path / "alpha.png")
    clear, half, solid = decode(tmp_path / "alpha.png")[0]
    assert clear.tolist() == [255, 255, 255]
    assert close(half, (np.array(RED) + 255) / 2, by=2)
    assert solid.tolist() == list(RED)


def test_palette_photos_with_and_without_transparency(tmp_path):
    palette = halves().quantize(4)
    palette.save(tmp_path / "palette.png")
    found = decode(tmp_path / "palette.png")
    assert close(found[5, 5], RED, 3)
    assert close(found[5, 35], BLUE, 3)
    red = palette.getpixel((5, 5))
    palette.save(tmp_path / "clear.png", transparency=red)
    found = decode(tmp_path / "clear.png")
    assert found[5, 5].tolist() == [255, 255, 255]
    assert close(found[5, 35], BLUE, 3)


def test_cmyk_and_one_bit_photos_become_rgb(tmp_path):
    halves().convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert close(decode(tmp_path / "print.jpg")[5, 5], RED, 30)
    halves().convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(decode(tmp_path / "bits.png"))) <= {0, 255}


@pytest.mark.parametrize(
    ("tag", "turn"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (6, lambda p: np.rot90(p, -1)),
        (8, lambda p: np.rot90(p, 1)),
    ],
)
def test_exif_rotation_is_undone(tmp_path, tag, turn):
    exif = Image.Exif()
    exif[0x0112] = tag
    halves().save(tmp_path / "turned.png", exif=exif)
    assert (decode(tmp_path / "turned.png") == turn(np.asarray(halves()))).all()
    halves().save(tmp_path / "turned.jpg", exif=exif)
    row = scan([tmp_path / "turned.jpg"]).iloc[0]
    assert (row["height"], row["width"]) == ((40, 20) if tag in (6, 8) else (20, 40))


def test_broken_photos_raise_with_their_path_and_reason(tmp_path):
    for name, message in broken_files(tmp_path).items():
        with pytest.raises(BadInput, match=re.escape(name) + ".*" + message):
            decode(tmp_path / name)
