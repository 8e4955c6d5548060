"""What is opened and how: by content, within a bound of memory, without raw warnings."""

import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from members.errors import BadInput
from members.pixels.decode import decode, decode_bytes
from members.pixels.memory import BUDGET, GIB, Budget
from members.pixels.open import bytes_needed, memory_needed, open_photo
from members.reading.scan import scan
from tests.members.data_fixtures import halves, picture, write_photo
from tests.members.pixels.photo_files import saved


def test_an_ending_that_lies_does_not_matter(tmp_path):
    write_photo(tmp_path / "a.png", 1).rename(tmp_path / "a.jpg")
    assert (decode(tmp_path / "a.jpg") == picture(seed=1)).all()


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "TGA", "PPM", "JPEG2000", "WEBP", "AVIF"])
def test_kinds_without_a_usual_ending_are_read(tmp_path, kind):
    (tmp_path / "photo.dat").write_bytes(saved(halves(), kind))
    assert decode(tmp_path / "photo.dat").shape == (20, 40, 3)


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    found = scan([tmp_path / "pipe.jpg", tmp_path / "folder.jpg", "/dev/zero"])["problem"]
    assert found.tolist() == [
        "is a pipe, socket or device, not a file.",
        "is a folder, not a file.",
        "is a pipe, socket or device, not a file.",
    ]
    with pytest.raises(BadInput, match="is a pipe"):
        decode(tmp_path / "pipe.jpg")


def test_heic_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"is HEIC.*pip install pillow-heif"):
        decode_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))


def test_heic_is_read_once_its_package_is_there():
    heif = pytest.importorskip("pillow_heif")
    photo = halves().resize((128, 64))
    content = io.BytesIO()
    heif.from_pillow(photo).save(content, quality=95)
    found = decode_bytes(content.getvalue()).pixels.astype(int)
    assert np.abs(found - np.asarray(photo)).mean() < 3


def test_a_preview_of_a_raw_file_is_not_taken_for_the_photo():
    tags = {50706: b"\1\4\0\0"}
    data = saved(halves(), "TIFF", tiffinfo=tags)
    with pytest.raises(ValueError, match=r"RAW file.*develop it"):
        decode_bytes(data)
    with pytest.raises(ValueError, match="first picture is a preview"):
        decode_bytes(saved(halves(), "TIFF", tiffinfo={254: 1}))


def test_a_photo_that_takes_more_than_the_budget_is_refused_by_its_header(tmp_path):
    content = bytearray(saved(halves(), "BMP"))
    content[18:26] = (20000).to_bytes(4, "little") + (10000).to_bytes(4, "little")
    (tmp_path / "huge.bmp").write_bytes(content)
    problem = scan([tmp_path / "huge.bmp"])["problem"][0]
    assert "has 200 megapixels (20000x10000)" in problem
    assert "takes 1.3 GiB, and at most 1 GiB may be used" in problem
    assert memory_needed(tmp_path / "huge.bmp") > GIB


def test_a_photo_over_pillow_s_own_limit_is_read_where_it_fits(tmp_path):
    large = Image.new("L", (13500, 13500), 7)  # 182 megapixels of grey
    large.save(tmp_path / "large.png", compress_level=1)
    with open_photo((tmp_path / "large.png").read_bytes()) as photo:
        assert bytes_needed(photo) < BUDGET.total


def test_threads_share_the_budget_and_one_too_large_goes_alone():
    budget, lock, most, now = Budget(10), threading.Lock(), 0, 0

    def work(needed: int) -> None:
        nonlocal most, now
        with budget.taken(needed):
            with lock:
                now += min(needed, 10)
                most = max(most, now)
            threading.Event().wait(0.002)
            with lock:
                now -= min(needed, 10)

    threads = [threading.Thread(target=work, args=(n,)) for n in [3, 4, 99, 5, 1, 10, 2] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 5 <= most <= 10


def test_no_raw_warning_reaches_the_screen(tmp_path):
    palette = halves().convert("P")
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 128] * 100))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\x12\x01\x03\0\xff\xff\0\0\0\0\0\0" * 2
    halves().save(tmp_path / "exif.jpg", exif=exif)
    Image.new("L", (10000, 9000)).save(tmp_path / "large.png", compress_level=1)
    code = (
        "import sys; from members.reading.scan import scan; print(*scan(sys.argv[1:])['problem'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, *map(str, tmp_path.iterdir())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("", "")
