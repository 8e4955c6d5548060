"""Pillow, opened with care: by content, without its warnings on the screen, within a bound of memory."""

from __future__ import annotations

import io
import logging
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING

from members import limits
from members.photo_kind import HEAD, HEIC, photo_kind, read_head, require_file, unreadable
from members.pixels.memory import BUDGET, GIB

if TYPE_CHECKING:
    from PIL import Image

# bytes a pixel that a decoder holds beside the picture that it hands over, measured
_DECODER = {"WEBP": 9, "AVIF": 9, "HEIF": 9, "JPEG2000": 16}
_SAMPLE_FORMAT, _DNG, _SUBFILE = 339, 50706, 254


def open_photo(data: bytes) -> Image.Image:
    """The photo, its pixels not yet decoded. Raises ValueError with the reason, or what PIL raises."""
    from PIL import Image, UnidentifiedImageError

    _prepare_pillow()
    if not data:
        raise ValueError("has zero bytes.")
    kind = photo_kind(data[:HEAD])
    if kind and (why := unreadable(kind)):
        raise ValueError(f"{why}.")
    if kind == HEIC:
        _register_heic()
    try:
        photo = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        if kind is None or kind == "TGA":
            raise
        raise ValueError(
            f"is {kind}, but damaged or of a layout that is not read; save it again as PNG, "
            "with 8 bits."
        ) from None
    if photo.format == "TIFF":
        _require_plain_tiff(photo)
    _require_bounded(photo, len(data))
    return photo


def _require_bounded(photo: Image.Image, size: int) -> None:
    """Raise ValueError for a photo that takes too much memory, or far more than its file has bytes."""
    needed = bytes_needed(photo) + size
    what = (
        f"has {photo.width * photo.height / 1e6:.0f} megapixels ({photo.width}x{photo.height}); "
        f"to decode it takes {needed / GIB:.1f} GiB, and at most"
    )
    if needed > BUDGET.total:
        raise ValueError(
            f"{what} {BUDGET.total / GIB:g} GiB may be used. Shrink it, or raise the limit: export "
            f"{limits.PHOTO.variable}=N"
        )
    if needed > max(limits.FLAT_PHOTO.value * limits.MIB, limits.RATIO_OF_PHOTOS * size):
        raise ValueError(
            f"{what} {limits.FLAT_PHOTO.value} MiB may be used by a file of {size:,} bytes, which is "
            f"of one colour or damaged. Shrink it, or raise the limit: export "
            f"{limits.FLAT_PHOTO.variable}=N"
        )


def bytes_needed(photo: Image.Image) -> int:
    """Memory to decode it, by its header: Pillow's picture, the decoder's own, RGB as an array."""
    picture = {"1": 1, "L": 1, "P": 1}.get(photo.mode, 2 if photo.mode.startswith("I;16") else 4)
    decoder = float(_DECODER.get(photo.format or "", 0))
    if photo.info.get("progressive"):  # its coefficients are held until the last pass
        decoder = 6
    elif photo.format == "TIFF" and getattr(photo, "tag_v2", {}).get(274, 1) != 1:
        decoder = picture  # turned by Pillow, in a second picture
    if ";16" in repr(photo.tile[:1]) and picture == 4:  # type: ignore[attr-defined]
        decoder += (
            12  # colours of 16 bits, which are read a second time where their range is not all
        )
    return int(photo.width * photo.height * (picture + decoder + 3))


def memory_needed(path: str | os.PathLike) -> int:
    """Bytes to read and decode the photo at `path`, by its header; as far as it can be read."""
    from PIL import Image

    _prepare_pillow()
    size = 0
    try:
        size = require_file(path).st_size
        if photo_kind(read_head(path)) == HEIC:
            _register_heic()
        with Image.open(path) as photo:
            return size + bytes_needed(photo)
    except Exception:  # what is wrong with it is found when it is decoded
        return size


@cache
def _prepare_pillow() -> None:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # `open_photo` has a bound of its own, in bytes
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def _register_heic() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()


def _require_plain_tiff(photo: Image.Image) -> None:
    tags = photo.tag_v2  # type: ignore[attr-defined]
    if _DNG in tags:
        raise ValueError(f"{unreadable('camera RAW')}.")
    if tags.get(_SUBFILE, 0) & 1:
        raise ValueError("is a TIFF whose first picture is a preview; save the picture alone.")
    if 2 in tags.get(_SAMPLE_FORMAT, (1,)):
        raise ValueError("has signed samples, whose range is unknown; save it with 8 bits.")
