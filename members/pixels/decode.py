"""One way to decode a photograph, for checking and training alike.

PIL decodes, because it raises where a file is cut short (OpenCV hands back half a picture). What
comes out is RGB, upright by its EXIF tag, grey and palette expanded, 16-bit grey scaled to 8,
anything transparent laid over white, and of several frames the first. Colour profiles are ignored.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.errors import BadInput

if TYPE_CHECKING:
    from PIL import Image

FIX = "Replace the photo or take it out of the list."


def decode(path: str | os.PathLike) -> np.ndarray:
    """The photo's pixels, (H, W, 3) uint8 RGB. Raises BadInput if they cannot all be read."""
    try:
        return decode_bytes(Path(path).read_bytes())
    except Exception as error:
        raise BadInput(f"{path}: {reason(error)} {FIX}") from error


def decode_bytes(data: bytes) -> np.ndarray:
    """As `decode`, of a file's content. Raises what PIL raises, or ValueError."""
    from PIL import Image, ImageOps

    if not data:
        raise ValueError("has zero bytes.")
    with Image.open(io.BytesIO(data)) as photo:
        if photo.format == "PNG":  # load() does not look at the checksums of the pixels
            Image.open(io.BytesIO(data)).verify()
        photo.load()
        return _rgb(ImageOps.exif_transpose(photo))


def _rgb(photo: Image.Image) -> np.ndarray:
    from PIL import Image

    if photo.mode.startswith("I;16"):
        grey = (np.asarray(photo).astype(np.uint32) * 255 + 32767) // 65535
        photo = Image.fromarray(grey.astype(np.uint8))
    elif photo.mode in ("I", "F"):
        raise ValueError("has 32 bits a pixel, whose range is unknown; save it with 8 bits.")
    if photo.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in photo.info:
        photo = photo.convert("RGBA")
        white = Image.new("RGBA", photo.size, (255, 255, 255, 255))
        photo = Image.alpha_composite(white, photo)
    return np.array(photo.convert("RGB"))


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
