"""Photographs as small JPEG pictures inside the page, kept in the run folder for its next page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ensembles.files.digests import sealed, unsealed
from members.photo_kind import require_file
from orchestrator.errors import BAD_INPUT
from orchestrator.runs.store import Store

if TYPE_CHECKING:
    from PIL import Image

NAME = "thumbnails.json"
SIDE = 96  # pixels of the longer side
_QUALITY = 70
_MOST_PIXELS = 2**26  # of a photograph of which a small picture is worth the time
_MOST_BYTES = 6_000  # of one: noise compresses badly
_MOST_KEPT = 300  # those that pages showed last
_JPEG = "data:image/jpeg;base64,"


@dataclass(frozen=True)
class Thumbnail:
    """source: a `data:` address, None where the photograph cannot be shown, for the reason `why`."""

    source: str | None
    width: int = SIDE
    height: int = SIDE
    why: str = ""


# by the path, the state of the file and what is made of it
Kept = dict[str, Thumbnail]


def read_kept(store: Store) -> Kept:
    """What `write_kept` wrote; nothing where that cannot be read."""
    try:
        found = unsealed(store.read_json(NAME))["shown"]
        kept = {key: Thumbnail(*own) for key, own in found.items()}
    except (*BAD_INPUT, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return {key: own for key, own in kept.items() if str(own.source).startswith(_JPEG)}


def write_kept(store: Store, kept: Kept) -> None:
    last = list(kept.items())[-_MOST_KEPT:]
    shown = {key: [own.source, own.width, own.height] for key, own in last}
    store.write_json(NAME, sealed({"shown": shown}))


def thumbnail(path: str | None, kept: Kept | None = None) -> Thumbnail:
    """Of a photograph in a file of this machine: upright, RGB, its longer side SIDE pixels.

    JPEG files are decoded at a fraction of their size, so that large ones take milliseconds. kept: of
    files that did not change since, the last one shown at the end; new ones are added.
    """
    if not path or "://" in path:
        return Thumbnail(None, why="not on this machine")
    try:
        state = require_file(path)
        key = f"{path} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {SIDE} {_QUALITY}"
        found = kept.pop(key, None) if kept else None
        found = found or _made(path)
    except FileNotFoundError:
        return Thumbnail(None, why="moved")
    except (*BAD_INPUT, OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        gone = not Path(path).exists()
        return Thumbnail(None, why="moved" if gone else f"cannot be read ({type(error).__name__})")
    if kept is not None and found.source:
        kept[key] = found
    return found


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
    return Thumbnail(f"{_JPEG}{text}", small.width, small.height)


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
