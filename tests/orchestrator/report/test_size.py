"""The page is at most 5 MB, whatever the run is."""

from __future__ import annotations

import pytest

from orchestrator.commands.pages.report import write_report
from orchestrator.report import page
from orchestrator.report.thumbnails import SIDE, thumbnail
from tests.orchestrator.report.made import Made, cast_into, run_of


@pytest.mark.slow
def test_of_25_members_and_18900_photographs(tmp_path):
    """Photographs are noise, which JPEG compresses worst; curves are of 5 folds and 300 epochs."""
    drawn = Made(
        members=tuple(f"a_member_with_a_long_name_{i}" for i in range(25)), rows=18_900, test=12_600,
        classes=tuple(f"a class with a long name {k}" for k in range(18)), targets=[], folds=5,
        epochs=300, side=160, id_of="000001_somebody_with_a_long_name_60/photograph-{}.jpg",
        test_labels=True,
    )  # fmt: skip
    run = drawn.write(tmp_path / "e")
    cast_into(run)
    found = write_report(run_of(run))
    assert found["photographs"] == 18_900
    assert len(found["members"]) == 25
    assert found["bytes"] < page.MOST_BYTES / 2, found["bytes"]
    text = (run / "report.html").read_text()
    assert text.count("data:image/jpeg") > 18


@pytest.mark.slow
def test_of_40_classes_80_members_and_300_epochs(tmp_path):
    """What grows with their product: matrices, curves, opinions."""
    drawn = Made(
        members=tuple(f"member{i}" for i in range(80)), rows=400, test=0, folds=5, epochs=300, photos=False,
        classes=tuple(f"class {k}" for k in range(40)), targets=[], search=False,
    )  # fmt: skip
    run = drawn.write(tmp_path / "e")
    assert write_report(run_of(run))["bytes"] < page.MOST_BYTES


def test_a_thumbnail_is_small_upright_and_rgb(tmp_path):
    from base64 import b64decode
    from io import BytesIO

    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (300, 600, 3), np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # shown turned by 90 degrees
    Image.fromarray(noise).save(tmp_path / "turned.jpg", exif=turned)
    Image.fromarray(noise[..., 0].astype(np.uint16) * 200).save(tmp_path / "deep.png")
    clear = np.dstack([noise, np.zeros(noise.shape[:2], np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    for name, size in (("turned.jpg", (48, 96)), ("deep.png", (96, 48)), ("clear.png", (96, 48))):
        own = thumbnail(str(tmp_path / name))
        assert (own.width, own.height) == size
        assert max(size) == SIDE
        content = b64decode(own.source.partition(",")[2])
        assert len(content) <= 6_000
        picture = Image.open(BytesIO(content))
        assert (picture.mode, picture.size) == ("RGB", size)
    assert np.asarray(picture).min() > 245  # nothing but white behind what is transparent


@pytest.mark.parametrize("path", [None, "s3://bucket/a.jpg", "/nowhere/a.jpg", "a\0b.jpg", ""])
def test_what_is_no_file_of_this_machine_has_no_thumbnail(path):
    own = thumbnail(path)
    assert own.source is None
    assert own.why
