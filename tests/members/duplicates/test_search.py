import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageOps

from members.duplicates import search
from members.duplicates.fingerprint import CELLS, Fingerprints, fingerprint
from members.duplicates.search import MOST_BITS, equal_pixels, look_alike, plain
from tests.members.duplicates.test_fingerprint import photo


def fingerprints_of(images) -> Fingerprints:
    rows = [fingerprint(np.asarray(image.convert("RGB"))) for image in images]
    thumbnails = [np.frombuffer(row["thumbnail"], np.int8) for row in rows]
    return Fingerprints(
        np.array([row["pixels"] for row in rows], object),
        np.array([row["phash"] for row in rows], np.uint64),
        np.array([row["phash_mirrored"] for row in rows], np.uint64),
        np.array([row["contrast"] for row in rows], np.float32),
        np.stack(thumbnails).reshape(-1, CELLS, CELLS),
        np.array([min(image.size) for image in images], np.int32),
    )


def made_up(n: int, seed: int = 0) -> Fingerprints:
    """Hashes that are near to one another, in clusters, with thumbnails that agree by pairs."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**63, 12, dtype=np.uint64)

    def hashes() -> np.ndarray:
        found = centres[rng.integers(0, len(centres), n)]
        for _ in range(6):
            found = found ^ (np.uint64(1) << rng.integers(0, 64, n).astype(np.uint64))
        return found

    shapes = rng.integers(-127, 128, (4, CELLS, CELLS)).astype(np.int8)
    thumbnails = shapes[rng.integers(0, 4, n)]
    turned = rng.random(n) < 0.3
    thumbnails[turned] = thumbnails[turned][:, :, ::-1]
    names = np.array([f"picture {i}" for i in range(n)], object)
    contrast = rng.uniform(10, 40, n).astype(np.float32)
    return Fingerprints(names, hashes(), hashes(), contrast, thumbnails, np.full(n, 200, np.int32))


def all_pairs(prints: Fingerprints, groups: np.ndarray) -> set[tuple[int, int]]:
    """Every pair, one after the other."""

    def alike(a: int, b: int, mirrored: bool) -> bool:
        asked = prints.phash_mirrored if mirrored else prints.phash
        bits = min((int(asked[x]) ^ int(prints.phash[y])).bit_count() for x, y in ((a, b), (b, a)))
        one, other = prints.thumbnail[a], prints.thumbnail[b]
        other = other[:, ::-1] if mirrored else other
        return bits <= MOST_BITS and np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999

    return {
        (a, b)
        for a, b in itertools.combinations(range(len(prints)), 2)
        if groups[a] != groups[b] and (alike(a, b, False) or alike(a, b, True))
    }


@pytest.mark.parametrize("block", [None, 50])
def test_the_search_finds_what_comparing_all_pairs_finds(block, monkeypatch):
    if block:  # candidates and comparisons in parts
        monkeypatch.setattr(search, "_BLOCK", block)
        monkeypatch.setattr(search, "_COMPARED", 7)
    prints = made_up(300)
    groups = np.random.default_rng(1).integers(0, 40, 300)
    expected = all_pairs(prints, groups)
    assert len(expected) > 30
    assert {(int(a), int(b)) for a, b in look_alike(prints, groups)} == expected


def copies(image: Image.Image) -> list[Image.Image]:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=80)
    half = image.resize((image.width // 2, image.height // 2))
    return [Image.open(content).convert("RGB"), half, ImageOps.mirror(image)]


@pytest.mark.parametrize("size", [(120, 90), (300, 300), (48, 40)])
def test_copies_are_found_and_nothing_else(size):
    width, height = size
    originals = [photo(seed, height, width) for seed in range(40)]
    copied = [copies(image) for image in originals]
    for kind in range(3):
        images = originals + [of_photo[kind] for of_photo in copied]
        found = {tuple(pair) for pair in look_alike(fingerprints_of(images), np.arange(80))}
        expected = {(i, i + 40) for i in range(40)}
        assert len(found & expected) >= 38
        assert found <= expected


def test_pairs_within_a_group_and_equal_pixels_are_no_pairs():
    image = photo(0)
    images = [image, *copies(image), image.copy()]
    assert len(look_alike(fingerprints_of(images), [0] * 5)) == 0
    assert equal_pixels(fingerprints_of(images).pixels) == [[0, 4]]
    same = fingerprints_of([image, image.copy(), image.copy()])
    assert len(look_alike(same, [0, 1, 2])) == 0
    assert equal_pixels(same.pixels) == [[0, 1, 2]]


def test_a_copy_of_a_picture_that_stands_in_many_groups_is_one_pair():
    image = photo(0)
    (copy, *_) = copies(image)
    pairs = look_alike(fingerprints_of([image, image, image, copy]), [0, 1, 2, 0])
    assert [tuple(pair) for pair in pairs] == [(1, 3)]


def test_photos_of_one_colour_are_compared_by_pixels_only():
    shades = [Image.new("RGB", (40, 40), (level, 90, 90)) for level in (80, 81, 82, 80)]
    prints = fingerprints_of([*shades, photo(1)])
    assert plain(prints).tolist() == [True] * 4 + [False]
    assert len(look_alike(prints, range(5))) == 0
    assert equal_pixels(prints.pixels) == [[0, 3]]


def test_nothing_and_one_photo_have_no_pairs():
    prints = fingerprints_of([photo(0)])
    assert look_alike(prints, [0]).shape == (0, 2)
    assert look_alike(prints.take(np.array([], int)), []).shape == (0, 2)


def test_progress_ends_with_all_parts():
    seen = []
    look_alike(made_up(50), range(50), lambda *done: seen.append(done))
    assert seen[-1] == (8, 8)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
