import multiprocessing

import numpy as np
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels import cache
from members.pixels.crop import crop_problems
from members.pixels.decode import decode
from members.reading.scan import scan
from tests.members.data_fixtures import RED, close, picture, write_photo


def cached(folder, paths, **named):
    digests = scan(paths)["digest"].tolist()
    request = {"size": (12, 9), "crop": None, "folder": folder} | named
    return cache.pixels(paths, digests, **request)[:]


def test_shrinking_averages_areas(tmp_path):
    path = write_photo(tmp_path / "a.png", 3, height=24, width=18)
    found = cached(tmp_path / "cache", [path])
    expected = picture(24, 18, 3).reshape(12, 2, 9, 2, 3).astype(float).mean(axis=(1, 3))
    assert found.dtype == np.uint8
    assert np.abs(found[0] - expected).max() <= 1


def test_photos_of_any_shape_come_out_in_one_and_in_order(tmp_path):
    shapes = [(24, 18), (100, 30), (5, 50), (12, 9), (4, 3)]
    paths = [
        write_photo(tmp_path / f"{i}.png", i, height=h, width=w) for i, (h, w) in enumerate(shapes)
    ]
    found = cached(tmp_path / "cache", paths)
    assert found.shape == (5, 12, 9, 3)
    for i, shape in enumerate(shapes):
        assert close(found[i].mean(axis=(0, 1)), picture(*shape, i).mean(axis=(0, 1)), by=4)


@pytest.mark.parametrize("crop", [(10, 20), (0.5, 0.5), (10, 0.5)])
def test_the_crop_is_taken_from_the_centre_in_pixels_or_fractions(tmp_path, crop):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[5:15, 10:30] = RED
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = cached(tmp_path / "cache", [tmp_path / "a.png"], size=(10, 20), crop=crop)
    assert (found[0] == RED).all()
    whole = cached(tmp_path / "cache", [tmp_path / "a.png"], size=(20, 40), crop=(1.0, 1))
    assert (whole[0] == pixels).all()


def test_a_crop_larger_than_a_photo_is_refused_with_examples(tmp_path):
    paths = [
        write_photo(tmp_path / f"{i}.png", i, height=h, width=18) for i, h in enumerate((24, 30))
    ]
    with pytest.raises(BadInput, match=r"28x10 .* larger than 1 photos: .*0.png is 24x18"):
        cached(tmp_path / "cache", paths, crop=(28, 10))
    assert not list((tmp_path / "cache").glob("*.npy"))
    assert not list((tmp_path / "cache").glob("*.part"))
    (text,) = crop_problems(scan(paths), (28, 10))
    assert "0.png is 24x18" in text
    assert crop_problems(scan(paths), (24, 0.5)) == []
    assert crop_problems(scan(paths), None) == []
    assert "above 0" in crop_problems(scan(paths), (0, 10))[0]


def test_unreadable_photos_leave_no_cache(tmp_path):
    good = write_photo(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(good.read_bytes()[:60])
    with pytest.raises(BadInput, match=r"bad\.png"):
        cached(tmp_path / "cache", [good, tmp_path / "bad.png"])
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_the_cache_is_opened_not_made_again_until_something_changes(tmp_path, monkeypatch):
    paths = [write_photo(tmp_path / f"{i}.png", i) for i in range(3)]
    first = np.array(cached(tmp_path / "cache", paths))
    decoded = []
    monkeypatch.setattr(
        cache, "decode", lambda path, *how: decoded.append(path) or decode(path, *how)
    )
    assert (cached(tmp_path / "cache", paths) == first).all()
    assert decoded == []
    assert (cached(tmp_path / "cache", paths[::-1]) == first[::-1]).all()
    cached(tmp_path / "cache", paths, size=(6, 6))
    cached(tmp_path / "cache", paths, crop=(0.5, 0.5))
    assert len(decoded) == 9
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 4


def test_an_interrupted_build_is_made_anew(tmp_path, monkeypatch):
    paths = [write_photo(tmp_path / f"{i}.png", i) for i in range(3)]

    def stop(path, *how):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cache, "decode", stop)
        with pytest.raises(KeyboardInterrupt):
            cached(tmp_path / "cache", paths)
    assert cached(tmp_path / "cache", paths)[2].any()


def test_too_little_disk_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    path = write_photo(tmp_path / "a.png")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(BadInput, match="GiB are free"):
        cached(tmp_path / "cache", [path])
    assert not list((tmp_path / "cache").glob("*.npy"))


def _open_at_once(start, folder, paths, digests, lines):
    start.wait()
    decoded = []
    cache.decode = lambda path, *how: decoded.append(path) or decode(path, *how)
    found = cache.pixels(paths, digests, size=(12, 9), crop=None, folder=folder)[:]
    lines.put((len(decoded), int(found.sum(dtype=np.int64))))


def test_processes_that_start_at_once_build_it_once(tmp_path):
    paths = [write_photo(tmp_path / f"{i}.png", i) for i in range(40)]
    digests = scan(paths)["digest"].tolist()
    context = multiprocessing.get_context("fork")
    start, lines = context.Barrier(3), context.Queue()
    work = (start, tmp_path / "cache", paths, digests, lines)
    processes = [context.Process(target=_open_at_once, args=work) for _ in range(3)]
    for process in processes:
        process.start()
    found = [lines.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(count for count, _ in found) == [0, 0, 40]
    assert len({total for _, total in found}) == 1


def test_wrong_requests_are_reported_at_once(tmp_path):
    with pytest.raises(BadInput) as caught:
        cache.pixels([], ["x"], size=(0, 9), crop=(1, 2, 3), folder=tmp_path)
    assert len(caught.value.problems) == 4
