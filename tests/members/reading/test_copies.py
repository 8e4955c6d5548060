import numpy as np
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels import cache
from members.reading import readers
from members.reading.copies import Copies
from members.reading.photo import copy_photo, read_photo
from members.reading.scan import scan
from tests.members.data_fixtures import write_photo

SIZES = [((12, 9), None), ((24, 18), (0.8, 0.8)), ((30, 40), None)]


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Of several sizes and formats, one of them twice."""
    shapes = [(40, 30), (24, 18), (9, 50), (70, 64)]
    written = [
        write_photo(tmp_path / f"{i}.{kind}", i, height=height, width=width)
        for i, (height, width) in enumerate(shapes)
        for kind in ("jpg", "png")
    ]
    return [str(path) for path in [*written, written[0]]]


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """Photos that are decoded, in order, whatever for."""
    found: list[str] = []

    def counting(work):
        return lambda asked, most=None, into=(): found.append(asked.path) or work(asked, most, into)

    for name, work in (("read", read_photo), ("copy", copy_photo)):
        monkeypatch.setitem(readers.WORK, name, counting(work))
    monkeypatch.setattr(cache, "decode", lambda path, *_: pytest.fail(f"decoded again: {path}"))
    return found


def expected(paths, folder, size, crop) -> np.ndarray:
    """As the cache makes it by itself."""
    digests = scan(paths)["digest"].tolist()
    return cache.pixels(paths, digests, size=size, crop=crop, folder=folder)[:]


def test_one_decoding_gives_all_sizes_bit_for_bit(paths, tmp_path, counted, monkeypatch):
    folder = tmp_path / "cache"
    with Copies(paths, SIZES, folder) as copies:
        scanned = scan(paths, None, None, copies)
        copies.finish(scanned["digest"].tolist(), SIZES)
    assert sorted(counted) == sorted({*paths})
    found = [
        cache.pixels(paths, scanned["digest"].tolist(), size=size, crop=crop, folder=folder)[:]
        for size, crop in SIZES
    ]
    assert not list(folder.glob(".*"))
    monkeypatch.undo()
    for pixels, (size, crop) in zip(found, SIZES, strict=True):
        assert (pixels == expected(paths, tmp_path / "other", size, crop)).all()


@pytest.mark.parametrize("known", [2, 6, 8])
def test_photos_that_were_read_before_are_decoded_once_more_for_all_sizes(
    paths, tmp_path, counted, known
):
    memo, folder = tmp_path / "memo.parquet", tmp_path / "cache"
    scan(paths[:known], memo)
    counted.clear()
    with Copies(paths, SIZES, folder) as copies:
        digests = scan(paths, memo, None, copies)["digest"].tolist()
        copies.finish(digests, SIZES)
    most = (
        1 if known < 5 else 2
    )  # where few are new, they are read first and copied with the others
    assert all(counted.count(path) <= most for path in paths)
    for size, crop in SIZES:
        assert len(cache.pixels(paths, digests, size=size, crop=crop, folder=folder)) == len(paths)


def test_what_is_there_is_not_made_again_and_what_nobody_needs_is_not_made(
    paths, tmp_path, counted
):
    folder = tmp_path / "cache"
    digests = scan(paths)["digest"].tolist()
    with Copies(paths, SIZES, folder) as copies:
        copies.finish(digests, SIZES[:2])
    assert len(list(folder.glob("*.npy"))) == 2
    counted.clear()
    with Copies(paths, SIZES, folder) as copies:
        copies.finish(digests, SIZES[:2])
    assert counted == []
    with Copies(paths, SIZES, folder) as copies:
        scan(paths, None, None, copies)
    assert len(list(folder.glob("*.npy"))) == 2
    assert not list(folder.glob(".*"))


def test_photos_of_16_bits_are_copied_once_their_range_is_known(tmp_path):
    deep = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    paths = [str(write_photo(tmp_path / "plain.png")), str(tmp_path / "deep.png")]
    with Copies(paths, SIZES[:1], tmp_path / "cache") as copies:
        scanned = scan(paths, None, None, copies)
        assert scanned["used_bits"].tolist() == [0, 10]
        digests = [scanned["digest"][0], f"{scanned['digest'][1]}-12"]
        copies.finish(digests, SIZES[:1])
    (made,) = (tmp_path / "cache").glob("*.npy")
    other = cache.pixels(paths, digests, size=(12, 9), crop=None, folder=tmp_path / "other")
    assert (np.load(made) == other[:]).all()


def test_a_photo_that_cannot_be_copied_is_refused_where_it_is_needed(tmp_path):
    paths = [str(write_photo(tmp_path / f"{i}.png", i, height=20 + i)) for i in range(3)]
    digests = scan(paths)["digest"].tolist()
    write_photo(tmp_path / "1.png", 99)
    for size in (((12, 9), None), ((12, 9), (21, 5))):
        with Copies(paths, [size], tmp_path / "cache") as copies:
            copies.finish(digests, [size])
        assert not list((tmp_path / "cache").glob("*.npy"))
        with pytest.raises(BadInput):
            cache.pixels(paths, digests, size=size[0], crop=size[1], folder=tmp_path / "cache")


def test_a_disk_without_room_is_left_alone(paths, tmp_path, monkeypatch):
    monkeypatch.setattr("members.reading.copies._SHARE_OF_DISK", 0)
    with Copies(paths, SIZES, tmp_path / "cache") as copies:
        copies.finish(scan(paths, None, None, copies)["digest"].tolist(), SIZES)
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "file").write_text("")
    with Copies(paths, SIZES, tmp_path / "file") as copies:
        copies.finish(scan(paths, None, None, copies)["digest"].tolist(), SIZES)
