import hashlib
import io

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from members.duplicates.fingerprint import CELLS, COLUMNS, Fingerprints, fingerprint
from members.reading.scan import scan


def photo(seed: int, height: int = 90, width: int = 120) -> Image.Image:
    """Blurred noise of many sizes: as much like a photograph as a few lines can draw."""
    rng = np.random.default_rng(seed)
    levels = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        levels += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 4
    return Image.fromarray(levels.astype(np.uint8))


def of(image: Image.Image) -> dict:
    return fingerprint(np.asarray(image))


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.frombuffer(of(image)["thumbnail"], np.int8).reshape(CELLS, CELLS)


def bits_apart(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def test_the_digest_is_of_the_pixels_not_of_the_file():
    pixels = np.asarray(photo(1))
    expected = hashlib.blake2b(b"90 120 " + pixels.tobytes(), digest_size=16).hexdigest()
    assert fingerprint(pixels)["pixels"] == expected
    assert fingerprint(pixels[:, ::-1])["pixels"] != expected
    other = pixels.copy()
    other[3, 4, 2] ^= 1
    assert fingerprint(other)["pixels"] != expected
    assert fingerprint(pixels.reshape(120, 90, 3))["pixels"] != expected


def greys(seed: int) -> dict[str, np.ndarray]:
    """Pictures of at most 64 pixels, which are not made smaller first, some with frequencies of nothing."""
    rng = np.random.default_rng(seed)
    height, width = map(int, rng.integers(1, 65, 2)) if seed else (64, 64)
    noise = rng.integers(0, 256, (height, width), np.uint8)
    return {
        "photo": np.asarray(photo(seed, height, width).convert("L")),
        "noise": noise,
        "one level": np.full_like(noise, seed),
        "stripes": np.repeat(noise[:, :1], width, axis=1),
        "columns": np.repeat(noise[:1], height, axis=0),
        "symmetric": noise // 2 + noise[:, ::-1] // 2,
        "spots": np.where(noise < 12, np.uint8(255), np.uint8(0)),
    }


@pytest.mark.parametrize("seed", range(40))
def test_the_hash_of_a_small_photo_is_the_one_of_imagehash(seed):
    for name, levels in greys(seed).items():
        small = Image.fromarray(levels)
        found = of(small.convert("RGB"))
        own, mirrored = imagehash.phash(small), imagehash.phash(ImageOps.mirror(small))
        assert found["phash"] == int(str(own), 16), name
        assert found["phash_mirrored"] == int(str(mirrored), 16), name


def test_mirrored_before_or_after_it_is_made_smaller_is_the_same():
    """What the two hashes share the work by; Pillow weighs each column of a row by itself."""
    for width in range(1, 65):
        column = Image.fromarray(np.eye(width, dtype=np.uint8) * 255)
        after = ImageOps.mirror(column.resize((32, 32), Image.Resampling.LANCZOS))
        before = ImageOps.mirror(column).resize((32, 32), Image.Resampling.LANCZOS)
        assert (np.asarray(before) == np.asarray(after)).all()


def test_the_hash_of_a_large_photo_is_nearly_the_one_of_imagehash():
    for seed in range(5):
        large = photo(seed, 300, 400)
        assert bits_apart(of(large)["phash"], int(str(imagehash.phash(large)), 16)) <= 4


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_has_nearly_the_same_hash_and_thumbnail(seed):
    original = photo(seed)
    content = io.BytesIO()
    original.save(content, "JPEG", quality=80)
    for copy in (Image.open(content), original.resize((60, 45)), original.convert("L")):
        found = of(copy.convert("RGB"))
        assert bits_apart(found["phash"], of(original)["phash"]) <= 6
        pair = thumbnail(copy.convert("RGB")).ravel(), thumbnail(original).ravel()
        assert np.corrcoef(*pair)[0, 1] > 0.999
    mirror = of(ImageOps.mirror(original))
    assert bits_apart(mirror["phash"], of(original)["phash_mirrored"]) <= 2
    assert bits_apart(mirror["phash"], of(original)["phash"]) > 7


def test_contrast_is_in_grey_levels():
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:32] = 100
    assert of(Image.fromarray(halves))["contrast"] == pytest.approx(50, rel=0.05)
    assert of(Image.new("RGB", (8, 8), (30, 60, 90)))["contrast"] == pytest.approx(0, abs=1e-6)


def test_a_photo_of_one_pixel_has_a_fingerprint():
    found = fingerprint(np.full((1, 1, 3), 7, np.uint8))
    assert len(found["thumbnail"]) == CELLS * CELLS
    assert found["contrast"] == 0


def test_a_memo_without_fingerprints_is_scanned_again_and_one_with_them_is_not(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        photo(i).save(path)
    memo, counted = tmp_path / "memo.parquet", []
    first = scan(paths, memo)
    pd.read_parquet(memo).drop(columns=list(COLUMNS)).to_parquet(memo)
    again = scan(paths, memo, lambda done, total: counted.append(total))
    assert counted == [3, 3, 3]
    pd.testing.assert_frame_equal(again, first)
    counted.clear()
    pd.testing.assert_frame_equal(scan(paths, memo, lambda done, _: counted.append(done)), first)
    assert counted == []
    fingerprints = Fingerprints.of(first)
    for i in range(3):
        assert fingerprints.phash[i] == of(photo(i))["phash"]
        assert (fingerprints.thumbnail[i] == thumbnail(photo(i))).all()
    assert fingerprints.side.tolist() == [90, 90, 90]


def test_dark_photos_of_16_bits_are_told_apart(tmp_path):
    """Of 10 bits in 16, the upper 8 have four levels."""
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for i, path in enumerate(paths):
        deep = np.asarray(photo(i).convert("L")).astype(np.uint16) * 4
        Image.fromarray(deep).save(path)
    found = scan(paths)
    assert found["problem"].tolist() == ["", ""]
    assert (found["used_bits"] == 10).all()
    for i in range(2):
        grey = photo(i).convert("L").convert("RGB")
        assert bits_apart(int(found["phash"][i]), of(grey)["phash"]) <= 2
        assert found["contrast"][i] == pytest.approx(of(grey)["contrast"], rel=0.02)
