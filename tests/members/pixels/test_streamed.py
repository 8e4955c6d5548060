"""Photographs that are decoded whenever they are read: the pixels of the cache, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from members.batches.loader import Loader, in_batches
from members.batches.photos import Photos, joined
from members.errors import BadInput
from members.pixels import cache
from members.pixels.cache import NoRoom, Wanted, pixels
from members.pixels.streamed import StreamedPixels
from members.reading.scan import scan
from tests.members.data_fixtures import picture, write_photo


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Of several sizes and kinds: a turned JPEG, a grey one, a palette with transparency, 16 bits."""
    found = [
        tmp_path / f"{i}.{kind}" for i, kind in enumerate(("jpg", "png", "bmp", "webp", "tif"))
    ]
    for i, path in enumerate(found):
        Image.fromarray(picture(40 + 7 * i, 64 - 5 * i, seed=i)).save(path)
    turned = Image.Exif()
    turned[274] = 6
    with Image.open(found[0]) as photo:
        photo.save(tmp_path / "turned.jpg", exif=turned)
        photo.convert("L").save(tmp_path / "grey.jpg")
        photo.convert("P").save(tmp_path / "palette.png", transparency=3)
        photo.resize((640, 480)).save(tmp_path / "large.jpg", progressive=True)
    deep = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) * 30
    Image.fromarray(deep).save(tmp_path / "deep.png")
    more = ("turned.jpg", "grey.jpg", "palette.png", "large.jpg", "deep.png")
    return [*map(str, found), *(str(tmp_path / name) for name in more)]


def both(paths, folder, size=(24, 20), crop=None):
    digests = scan(paths)["digest"].tolist()
    copied = pixels(paths, digests, size=size, crop=crop, folder=folder)
    return copied, StreamedPixels(Wanted(paths, digests, size, crop))


@pytest.mark.parametrize("size", [(24, 20), (100, 90)])
@pytest.mark.parametrize("crop", [None, (0.7, 0.5), (30, 31)])
def test_the_pixels_are_those_of_the_copies_of_every_kind_of_file(paths, tmp_path, size, crop):
    copied, streamed = both(paths, tmp_path / "cache", size, crop)
    assert streamed.shape == copied.shape
    assert streamed.dtype == copied.dtype
    assert len(streamed) == len(copied) == len(paths)
    assert (np.asarray(streamed) == np.asarray(copied)).all()
    for rows in (3, slice(1, 4), np.array([4, 0, 4]), np.arange(len(paths)) % 2 == 0):
        assert (streamed[rows] == copied[rows]).all()


def test_nothing_is_kept(paths, tmp_path):
    _, streamed = both(paths, tmp_path / "cache")
    before = sorted(tmp_path.rglob("*"))
    streamed[:]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_same_batches_from_both(paths, tmp_path, workers):
    labels = np.arange(len(paths))
    batches = in_batches(np.random.default_rng(0).permutation(len(paths)), 4)
    copied, streamed = (
        [
            [part.numpy() for part in batch]
            for batch in Loader(Photos(own, labels), workers=workers).batches(batches)
        ]
        for own in both(paths, tmp_path / "cache")
    )
    for one, other in zip(copied, streamed, strict=True):
        assert (one[0] == other[0]).all()
        assert (one[1] == other[1]).all()


def test_streamed_and_copied_photographs_are_joined(paths, tmp_path):
    copied, streamed = both(paths, tmp_path / "cache")
    labels = np.zeros(len(paths), np.int64)
    found = joined(Photos(copied, labels), Photos(streamed, labels))
    assert (found.read(np.arange(2 * len(paths))) == np.concatenate([copied[:], copied[:]])).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_photo_that_changed_or_is_gone_is_named_as_the_cache_names_it(paths, tmp_path, workers):
    digests = scan(paths)["digest"].tolist()
    streamed = StreamedPixels(Wanted(paths, digests, (24, 20), None))
    write_photo(tmp_path / "1.png", 99)
    (tmp_path / "3.webp").unlink()
    loader = Loader(Photos(streamed), workers=workers)
    (whole,) = loader.batches([np.array([0, 2])])
    assert (whole[0].numpy() == streamed[[0, 2]]).all()
    with pytest.raises(BadInput) as caught:
        list(loader.batches([np.arange(len(paths))]))
    with pytest.raises(BadInput) as of_cache:
        pixels(paths, digests, size=(24, 20), crop=None, folder=tmp_path / "cache")
    assert caught.value.problems == of_cache.value.problems
    assert [f"{name}: " in text for name, text in zip(
        ("1.png", "3.webp"), caught.value.problems, strict=True)] == [True, True]  # fmt: skip


def test_signs_of_life_come_from_the_process_that_trains_alone(paths):
    told: list[tuple[int, int]] = []
    digests = scan(paths)["digest"].tolist()
    wanted = Wanted(paths, digests, (24, 20), None)
    streamed = StreamedPixels(wanted, lambda *done: told.append(done))
    streamed[[0, 1, 2]]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_disk_that_fills_up_while_copies_are_written_has_no_room(paths, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    digests = scan(paths)["digest"].tolist()
    monkeypatch.setattr(cache.checked_array.os, "posix_fallocate", full)
    with pytest.raises(NoRoom, match="are needed for 10 photos of 24x20"):
        pixels(paths, digests, size=(24, 20), crop=None, folder=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy"))
    assert not list((tmp_path / "cache").glob(".*"))
