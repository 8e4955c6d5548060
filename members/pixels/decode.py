"""One way to decode a photograph, for checking and training alike.

PIL decodes, because it raises where a file is cut short (OpenCV hands back half a picture). What
comes out is RGB, upright by its EXIF tag, grey and palette expanded, 16 bits scaled to 8, anything
transparent laid over white, and of several frames the first. Colour profiles are ignored.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from members.errors import BadInput
from members.photo_kind import require_file
from members.pixels import samples
from members.pixels.damage import band_warning, load, require_all_rows
from members.pixels.open import open_photo

if TYPE_CHECKING:
    from PIL import Image

FIX = "Replace the photo or take it out of the list."
_STRIP = 2**20  # pixels that are converted at once
_ORIENTATION = 274
# of EXIF: a view of the upright array, indexed as the file stores it
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a, -1),
}


class Decoded(NamedTuple):
    """A photo's pixels, and how its samples were read.

    pixels: (H, W, 3) uint8 RGB. used_bits: of unmarked 16-bit samples, the bits that their largest
    needs (8, 10, 12, 14 or 16); 0 of all other photos. read_bits: the range that was taken, where
    it or anything else is not what version 1 of the cache took for this file; else 0. warning: what
    looks like damage, or empty.
    """

    pixels: np.ndarray
    used_bits: int = 0
    read_bits: int = 0
    warning: str = ""


def decode(
    path: str | os.PathLike, bits: int | None = None, digest: str | None = None
) -> np.ndarray:
    """The photo's pixels, (H, W, 3) uint8 RGB. Raises BadInput if they cannot all be read.

    bits: how many of 16 are used, where the file does not say; None: all. digest: of the content
    that was scanned; BadInput where it is another by now.
    """
    try:
        require_file(path)
        data = Path(path).read_bytes()
        # of the very bytes that are decoded: the file may change at any moment
        if digest is None or samples.content_digest(data) == digest:
            return decode_bytes(data, bits).pixels
    except Exception as error:
        raise BadInput(f"{path}: {reason(error)} {FIX}") from error
    raise BadInput(
        f"{path}: has other content than when the photographs were read: it was changed since. "
        "Run the command again; should it stop here again, size and times are as they were: "
        "`check SPEC --deep` reads every photo anew."
    )


def decode_alone(path: str | os.PathLike) -> np.ndarray:
    """As `decode`, without a data set that tells the range of 16-bit samples.

    Raises BadInput where the file does not say it and not all of it is used.
    """
    try:
        require_file(path)
        found = decode_bytes(Path(path).read_bytes())
        if 0 < found.used_bits < samples.FULL:
            raise ValueError(
                f"has 16-bit samples that use {found.used_bits} bits, without saying so; "
                "save it with 8 bits."
            )
    except Exception as error:
        raise BadInput(f"{path}: {reason(error)} {FIX}") from error
    return found.pixels


def decode_bytes(data: bytes, bits: int | None = None) -> Decoded:
    """As `decode`, of a file's content. Raises what PIL raises, or ValueError."""
    return decode_opened(open_photo(data), data, bits)


def decode_opened(opened: Image.Image, data: bytes, bits: int | None = None) -> Decoded:
    """As `decode_bytes`, of what `open_photo` made of it, which is closed then."""
    from PIL import Image

    with opened as photo:
        depth = samples.depth(photo, data)
        planes = photo.format == "TIFF" and _read_planes(photo, depth)
        stored = _orientation(photo) if photo.format == "TIFF" else None  # PIL turns it upright
        if photo.format == "PNG":
            Image.open(io.BytesIO(data)).verify()  # load() does not look at checksums of the pixels
            require_all_rows(data)
        inverted = photo.format == "TIFF" and photo.tag_v2.get(262) == 0  # type: ignore[attr-defined]
        photo, warning = load(photo, data)
        turn = stored if stored is not None else _orientation(photo)
        if photo.mode.startswith("I;16") or (photo.mode == "I" and photo.format == "PPM"):
            found = _grey(photo, data, depth, bits, inverted)
        elif photo.mode in ("I", "F"):
            raise ValueError("has 32 bits a pixel, whose range is unknown; save it with 8 bits.")
        elif depth > 8:
            found = _deep(photo, data, depth, bits, planes, turn)
        else:
            key = _scaled_key(photo, data)
            if key is not None:
                photo.info["transparency"] = key
            found = Decoded(_rgb(photo), read_bits=0 if key is None else 8)
        warning = warning or band_warning(_stored(found.pixels, turn), photo.format or "")
    return found._replace(warning=warning)


def _grey(photo: Image.Image, data: bytes, depth: int, bits: int | None, inverted: bool) -> Decoded:
    peak, smallest = 0, 65535
    for _, strip in _strips(photo):
        values = np.asarray(strip)
        peak, smallest = max(peak, int(values.max())), min(smallest, int(values.min()))
    scaled = samples.is_scaled(photo, depth, data)
    stated = samples.FULL if scaled else samples.stated_bits(photo, data, peak)
    taken = stated or bits or samples.FULL
    _require_range(peak, taken)
    table = samples.to_8_bits(taken)
    key = photo.info.get("transparency") if photo.format == "PNG" else None
    if inverted:
        table = 255 - table
    if key is not None:
        table[key] = 255
    out = np.empty((*_upright_size(photo), 3), np.uint8)
    view = _stored(out, _orientation(photo))
    for rows, strip in _strips(photo):
        view[rows] = table[np.asarray(strip)][..., None]
    mended = inverted or key is not None or (0 < stated < samples.FULL)
    return Decoded(out, 0 if stated else samples.used_bits(peak), taken if mended else 0)


def _deep(
    photo: Image.Image,
    data: bytes,
    depth: int,
    bits: int | None,
    planes: bool,
    turn: int,
) -> Decoded:
    """Colours of more than 8 bits. Pillow keeps the upper 8, which are right for the full range."""
    used = peak = samples.FULL
    marked = samples.stated_bits(photo, data, 0)
    scaled = samples.is_scaled(photo, depth, data)
    key = photo.info.get("transparency") if photo.format == "PNG" else None
    overflows = photo.format == "JPEG2000"  # Pillow rounds its brightest colours up to 0
    pixels = None
    if not marked and key is None and not overflows:
        pixels = _rgb(photo)
        if scaled or photo.mode == "CMYK":
            return Decoded(pixels, read_bits=samples.FULL if planes else 0)
        used = samples.used_bits(_peak_of_upper(photo))
        if (bits or samples.FULL) == samples.FULL:
            return Decoded(pixels, used, samples.FULL if planes else 0)
    if planes or (photo.format == "TIFF" and turn != 1):  # OpenCV turns some of these itself
        raise ValueError(
            "has 16-bit samples whose upper bits are not used, in planes or turned; save it with "
            "8 bits."
        )
    photo.close()
    del pixels
    deep = samples.read_deep(data)
    peak = int(deep[..., :3].max())
    stated = samples.stated_bits(photo, data, peak)
    taken = stated or bits or samples.FULL
    _require_range(peak, taken)
    mended = overflows or key is not None or 0 < stated < samples.FULL
    return Decoded(
        _over_white(deep, taken, key, turn),
        0 if stated else samples.used_bits(peak),
        taken if mended else 0,
    )


def _over_white(
    deep: np.ndarray, bits: int, key: tuple[int, int, int] | None, turn: int
) -> np.ndarray:
    """Deep RGB(A), whose range is `bits`, as upright 8-bit RGB."""
    height, width = deep.shape[:2]
    out = np.empty((width, height, 3) if turn in (5, 6, 7, 8) else (height, width, 3), np.uint8)
    view = _stored(out, turn)
    table = samples.to_8_bits(bits)
    opaque = table if deep.max() < 1 << bits else samples.to_8_bits(samples.FULL)
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        rows = slice(top, top + step)
        colours = table[deep[rows, :, :3]]
        if key is not None:
            colours[(deep[rows, :, :3] == key).all(axis=2)] = 255
        elif deep.shape[2] == 4:
            alpha = opaque[deep[rows, :, 3:]].astype(np.uint32)
            colours = ((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        view[rows] = colours
    return out


def _require_range(peak: int, bits: int) -> None:
    if peak >= 1 << bits:
        raise ValueError(
            f"has a sample of {peak}, but with {bits} bits the largest is {(1 << bits) - 1}; "
            f"give data.bits: {samples.used_bits(peak)}."
        )


def _peak_of_upper(photo: Image.Image) -> int:
    """The largest sample, to within its lower 8 bits, of a photo of which Pillow kept the upper."""
    largest = max(
        cast(tuple[int, int], photo.getchannel(band).getextrema())[1]
        for band in photo.getbands()
        if band in "LRGB"
    )
    if photo.format == "PPM":  # rounded, not cut off
        return int(largest * 257) if largest not in (1, 4, 16, 64) else largest * 256 - 1
    return largest * 256 + 255 if largest else 255


def _rgb(photo: Image.Image) -> np.ndarray:
    from PIL import Image

    out = np.empty((*_upright_size(photo), 3), np.uint8)
    view = _stored(out, _orientation(photo))
    for rows, strip in _strips(photo):
        if strip.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in strip.info:
            strip = strip.convert("RGBA")
            white = Image.new("RGBA", strip.size, (255, 255, 255, 255))
            strip = Image.alpha_composite(white, strip)
        view[rows] = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
    return out


def _strips(photo: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows of the photo, as it is stored, a few at a time: a second whole one would take memory."""
    step = max(1, _STRIP // photo.width)
    if step >= photo.height:
        yield slice(0, photo.height), photo
        return
    for top in range(0, photo.height, step):
        bottom = min(top + step, photo.height)
        yield slice(top, bottom), photo.crop((0, top, photo.width, bottom))


def _orientation(photo: Image.Image) -> int:
    return photo.getexif().get(_ORIENTATION, 1)


def _upright_size(photo: Image.Image) -> tuple[int, int]:
    turned = _orientation(photo) in (5, 6, 7, 8)
    return (photo.width, photo.height) if turned else (photo.height, photo.width)


def _stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    return _AS_STORED.get(orientation, lambda a: a)(upright)


def _scaled_key(photo: Image.Image, data: bytes) -> int | None:
    """The transparent grey of a PNG of 2 or 4 bits, whose pixels Pillow scales and the key not."""
    key = photo.info.get("transparency")
    if photo.format != "PNG" or photo.mode != "L" or data[24] not in (2, 4) or key is None:
        return None
    return int(key) * 255 // ((1 << data[24]) - 1)


def _read_planes(photo: Image.Image, depth: int) -> bool:
    """Let libtiff read 16-bit planes, which Pillow alone takes for 8-bit ones; whether it has to."""
    from PIL import ImageFile

    tags = photo.tag_v2  # type: ignore[attr-defined]
    if depth <= 8 or tags.get(284, 1) != 2 or photo.use_load_libtiff:  # type: ignore[attr-defined]
        return False
    rawmode = f"{photo.mode};16N"
    whole = (0, 0, *getattr(photo, "_tile_size", photo.size))  # before it is turned
    photo.tile = [  # type: ignore[attr-defined]
        ImageFile._Tile("libtiff", whole, 0, (rawmode, False, tags.offset))
    ]
    photo.use_load_libtiff = True  # type: ignore[attr-defined]
    return True


def reason(error: Exception) -> str:
    """PIL's many exceptions in words."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file."
    if "truncated" in text or "Truncated" in text or isinstance(error, EOFError):
        return f"is cut short ({text})."
    if "cannot identify image file" in text:
        return "is not an image."
    if isinstance(error, ValueError) and text.endswith("."):
        return text
    return f"cannot be decoded ({text or type(error).__name__})."
