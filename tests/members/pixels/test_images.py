import hashlib
import multiprocessing
import os
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels import cache
from members.pixels.crop import crop_problems
from members.pixels.decode import decode
from members.pixels.scan import COLUMNS, _inspect, scan, unreadable_problems
from tests.members.data_fixtures import picture, write_photo

RED, BLUE = (200, 30, 20), (10, 40, 220)


def halves(height: int = 20, width: int = 40) -> Image.Image:
    """Left half red, right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return Image.fromarray(pixels)


def close(pixel, colour, by: int = 12) -> bool:
    return bool(np.abs(np.asarray(pixel, int) - colour).max() <= by)


# ---------------------------------------------------------------- decode


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


def broken_files(folder):
    """Name -> what its problem says."""
    whole = write_photo(folder / "whole.jpg", height=200, width=200).read_bytes()
    png = write_photo(folder / "whole.png", height=200, width=200).read_bytes()
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "short.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "short.png").write_bytes(png[: len(png) // 2])
    (folder / "text.jpg").write_text("this is no photo")
    (folder / "head.jpg").write_bytes(whole[:30])
    damaged = bytearray(png)
    damaged[len(png) // 2] ^= 0xFF
    (folder / "damaged.png").write_bytes(bytes(damaged))
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "float.tiff")
    return {
        "zero.jpg": "zero bytes",
        "short.jpg": "cut short",
        "short.png": "cut short",
        "text.jpg": "is not an image",
        "head.jpg": "",
        "damaged.png": "",
        "float.tiff": "32 bits",
        "none.jpg": "no such file",
    }


def test_broken_photos_raise_with_their_path_and_reason(tmp_path):
    for name, message in broken_files(tmp_path).items():
        with pytest.raises(BadInput, match=re.escape(name) + ".*" + message):
            decode(tmp_path / name)


# ---------------------------------------------------------------- scan


def test_a_scan_says_what_every_file_is(tmp_path):
    good = write_photo(tmp_path / "good.jpg", height=30, width=20)
    broken = broken_files(tmp_path)
    paths = [good, *(tmp_path / name for name in broken), good]
    found = scan(paths)
    assert found["path"].tolist() == [str(path) for path in paths]
    assert (found.iloc[0] == found.iloc[-1]).all()
    first = found.iloc[0]
    assert first["problem"] == ""
    assert (first["height"], first["width"], first["size"]) == (30, 20, good.stat().st_size)
    digest = hashlib.blake2b(good.read_bytes(), digest_size=16).hexdigest()
    assert first["digest"] == digest
    for message, problem in zip(broken.values(), found["problem"][1:-1], strict=True):
        assert problem
        assert message in problem


def test_unreadable_photos_are_one_problem_with_three_examples(tmp_path):
    good = write_photo(tmp_path / "good.jpg")
    assert unreadable_problems(scan([good])) == []
    broken = [tmp_path / name for name in broken_files(tmp_path)]
    (text,) = unreadable_problems(scan([good, *broken]))
    assert "8 of 9 photos cannot be read" in text
    assert "zero.jpg: has zero bytes" in text
    assert "and 5 more" in text


def test_a_memo_spares_the_second_scan_and_notices_changes(tmp_path, monkeypatch):
    paths = [write_photo(tmp_path / f"{i}.jpg", i) for i in range(5)]
    memo = tmp_path / "memo" / "scan.parquet"
    seen = []
    first = scan(paths, memo, lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]

    read = []
    monkeypatch.setattr(
        "members.pixels.scan._inspect", lambda path: read.append(path) or _inspect(path)
    )
    pd.testing.assert_frame_equal(scan(paths, memo), first)
    assert read == []

    write_photo(paths[2], 99)
    os.utime(paths[2], ns=(1, 1))
    again = scan(paths, memo)
    assert read == [str(paths[2])]
    assert (again["digest"] != first["digest"]).tolist() == [False, False, True, False, False]

    paths[3].unlink()
    assert "no such file" in scan(paths, memo)["problem"][3]
    assert [file.name for file in memo.parent.iterdir()] == ["scan.parquet"]


def test_a_memo_that_cannot_be_read_is_made_anew(tmp_path):
    path = write_photo(tmp_path / "a.jpg")
    memo = tmp_path / "scan.parquet"
    memo.write_text("not parquet")
    assert scan([path], memo)["problem"].tolist() == [""]
    assert len(pd.read_parquet(memo)) == 1


def test_an_empty_scan_has_its_columns():
    assert list(scan([]).columns) == list(COLUMNS)


# ---------------------------------------------------------------- pixels


def cached(folder, paths, **named):
    digests = scan(paths)["digest"].tolist()
    request = {"size": (12, 9), "crop": None, "folder": folder} | named
    return cache.pixels(paths, digests, **request)


def test_shrinking_averages_areas(tmp_path):
    path = write_photo(tmp_path / "a.png", 3, height=24, width=18)
    found = cached(tmp_path / "cache", [path])
    expected = picture(24, 18, 3).reshape(12, 2, 9, 2, 3).astype(float).mean(axis=(1, 3))
    assert isinstance(found, np.memmap)
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
    monkeypatch.setattr(cache, "decode", lambda path: decoded.append(path) or decode(path))
    assert (cached(tmp_path / "cache", paths) == first).all()
    assert decoded == []
    assert (cached(tmp_path / "cache", paths[::-1]) == first[::-1]).all()
    cached(tmp_path / "cache", paths, size=(6, 6))
    cached(tmp_path / "cache", paths, crop=(0.5, 0.5))
    assert len(decoded) == 9
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 4


def test_an_interrupted_build_is_made_anew(tmp_path, monkeypatch):
    paths = [write_photo(tmp_path / f"{i}.png", i) for i in range(3)]

    def stop(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cache, "decode", stop)
        with pytest.raises(KeyboardInterrupt):
            cached(tmp_path / "cache", paths)
    assert cached(tmp_path / "cache", paths)[2].any()


def test_too_little_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    path = write_photo(tmp_path / "a.png")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(BadInput, match="GiB are free"):
        cached(tmp_path / "cache", [path])
    assert not list((tmp_path / "cache").glob("*.npy"))


def _open_at_once(start, folder, paths, digests, lines):
    start.wait()
    decoded = []
    cache.decode = lambda path: decoded.append(path) or decode(path)
    found = cache.pixels(paths, digests, size=(12, 9), crop=None, folder=folder)
    lines.put((len(decoded), int(found.sum(dtype=np.int64))))


def test_processes_that_ask_at_once_build_it_once(tmp_path):
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


def test_wrong_requests_are_told_at_once(tmp_path):
    with pytest.raises(BadInput) as caught:
        cache.pixels([], ["x"], size=(0, 9), crop=(1, 2, 3), folder=tmp_path)
    assert len(caught.value.problems) == 4
