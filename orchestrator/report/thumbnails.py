"""Photographs as small JPEG pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.photo_kind import require_file
from orchestrator.errors import BAD_INPUT

if TYPE_CHECKING:
    from PIL import Image

SIDE = 96  # pixels of the longer side
_QUALITY = 70
_MOST_PIXELS = 2**26  # of a photograph of which a small picture is worth the time
_MOST_BYTES = 6_000  # of one: noise compresses badly


@dataclass(frozen=True)
class Thumbnail:
    """source: a `data:` address, None where the photograph cannot be shown, for the reason `why`."""

    source: str | None
    width: int = SIDE
    height: int = SIDE
    why: str = ""


def thumbnail(path: str | None) -> Thumbnail:
    """Of a photograph in a file of this machine: upright, RGB, its longer side SIDE pixels.

    JPEG files are decoded at a fraction of their size, so that large ones take milliseconds.
    """
    if not path or "://" in path:
        return Thumbnail(None, why="not on this machine")
    try:
        require_file(path)
        return _made(path)
    except FileNotFoundError:
        return Thumbnail(None, why="moved")
    except (*BAD_INPUT, OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        gone = not Path(path).exists()
        return Thumbnail(None, why="moved" if gone else f"cannot be read ({type(error).__name__})")


def _made(path: str) -> Thumbnail:
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        if opened.width * opened.height > _MOST_PIXELS:
            return Thumbnail(None, why="too large to be shown")
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))
        upright = ImageOps.exif_transpose(opened)
        small = _rgb(upright)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    return _encoded(small)


def of_pixels(pixels: np.ndarray) -> Thumbnail:
    """Of (h, w, 3) uint8 RGB that is small already."""
    from PIL import Image

    return _encoded(Image.fromarray(pixels))


def _encoded(small: Image.Image) -> Thumbnail:
    for quality in (_QUALITY, 40, 15):
        content = io.BytesIO()
        small.save(content, "JPEG", quality=quality)
        if content.tell() <= _MOST_BYTES:
            break
    text = base64.b64encode(content.getvalue()).decode()
    return Thumbnail(f"data:image/jpeg;base64,{text}", small.width, small.height)


def _rgb(picture: Image.Image) -> Image.Image:
    """Transparency over white, 16 bits scaled to 8 by what the photograph uses."""
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float32)
        scale = 255.0 / (float(np.ptp(values)) or 1.0)
        return Image.fromarray(((values - values.min()) * scale).astype(np.uint8)).convert("RGB")
    if "A" in picture.mode or "transparency" in picture.info:
        over = picture.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, over).convert("RGB")
    return picture.convert("RGB")
