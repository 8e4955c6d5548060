"""Photographs as the members of an ensemble see them, and what is wrong with those that they cannot."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, cast

import numpy as np

from ensembles.files import places
from members import files
from members.errors import BadInput, first_line
from members.photo_kind import require_file
from members.pixels import samples
from members.pixels.crop import crop_and_resize, fits
from members.pixels.decode import decode_bytes, reason
from members.pixels.memory import BUDGET
from members.pixels.open import memory_needed
from orchestrator.errors import BAD_INPUT
from orchestrator.inference.parts import Seen

if TYPE_CHECKING:
    from PIL import Image

# a path or an address, the bytes of a file, pixels, or a picture of Pillow
Given: TypeAlias = "str | os.PathLike[str] | bytes | np.ndarray | Image.Image"


def see(photo: Given, ways: Sequence[Seen], bits: int | None = None) -> list[np.ndarray]:
    """The photograph as each of `ways` shows it: (h, w, 3) uint8 RGB.

    photo: a path, an address, the bytes of a file, a picture of Pillow or (H, W, 3) or (H, W) uint8.
    bits: of 16-bit samples whose range the file does not say. Raises BadInput with what is wrong
    with the photograph, without its name.
    """
    whole = upright(photo, bits)
    shown = []
    cut: np.ndarray | None = None
    for way in ways:
        pixels = whole
        if way.cut_out:
            cut = _cut_out(whole, photo) if cut is None else cut
            pixels = cut
        if way.crop is not None and not fits(pixels.shape[:2], way.crop):
            height, width = pixels.shape[:2]
            raise BadInput(
                f"is {height}x{width} (height x width), smaller than the {way.crop[0]:g}x"
                f"{way.crop[1]:g} that are cropped from its centre."
            )
        shown.append(crop_and_resize(pixels, way.size, way.crop))
    return shown


def upright(photo: Given, bits: int | None = None) -> np.ndarray:
    """(H, W, 3) uint8: the whole photograph as it is meant to be seen. Raises as `see`."""
    if isinstance(photo, np.ndarray):
        return _of_array(photo)
    if is_picture(photo):  # read as files are: its orientation, transparency and palette
        return upright(_as_file(photo), bits)
    photo = cast("str | os.PathLike[str] | bytes", photo)
    try:
        if isinstance(photo, bytes):
            found = decode_bytes(photo, bits)
        elif "://" in os.fspath(photo):
            found = decode_bytes(places.read_bytes(os.fspath(photo)), bits)
        else:
            require_file(photo)
            with BUDGET.taken(memory_needed(photo)):
                found = decode_bytes(Path(photo).read_bytes(), bits)
        if bits is None and 0 < found.used_bits < samples.FULL:
            raise ValueError(
                f"has 16-bit samples that use {found.used_bits} bits, without saying so, and no photo "
                "that the ensemble was trained on had such; save it with 8 bits."
            )
    except BAD_INPUT as error:
        raise BadInput(first_line(error)) from error
    except Exception as error:  # Pillow raises what it likes
        raise BadInput(reason(error)) from error
    return found.pixels


def _as_file(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="PNG", exif=picture.getexif())
    return content.getvalue()


def is_picture(photo: object) -> TypeGuard[Image.Image]:
    """Whether it is one of Pillow's, without importing that."""
    return hasattr(photo, "getbands") and hasattr(photo, "save")


def _of_array(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise BadInput(
            f"is an array of {pixels.dtype} {pixels.shape}. Give uint8 RGB (H, W, 3), or grey (H, W)."
        )
    if not pixels.size:
        raise BadInput("is an array without pixels.")
    return np.ascontiguousarray(
        pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    )


def _cut_out(whole: np.ndarray, photo: Given) -> np.ndarray:
    """With its background black, as from a copy's file: those are mostly JPEG, which is not exact."""
    from PIL import Image

    from members.pixels.background import without_background
    from members.pixels.background_file import FORMATS

    cut, _ = without_background(whole)
    # bytes may have the `name` of their file
    name = os.fspath(photo) if isinstance(photo, str | os.PathLike) else getattr(photo, "name", "")
    suffix = Path(name.partition("?")[0]).suffix.lower()
    kind, how = FORMATS.get(suffix, FORMATS[".png"])
    content = io.BytesIO()
    Image.fromarray(cut).save(content, format=kind, **how)
    return decode_bytes(content.getvalue()).pixels


def see_all(
    photos: Sequence[Given],
    ways: Sequence[Seen],
    bits: int | None = None,
    jobs: int | None = None,
) -> tuple[dict[Seen, np.ndarray], list[str | None]]:
    """What each way shows of the photographs that can be read, (n, h, w, 3) uint8 in their order; and
    for each photograph what is wrong with it, or None. jobs: how many threads read; None: as many as help.
    """

    def one(photo: Given) -> list[np.ndarray] | str:
        try:
            return see(photo, ways, bits)
        except BadInput as error:
            return first_line(error)

    seen = list(files.in_threads(one, photos, jobs))
    good = [own for own in seen if not isinstance(own, str)]
    pixels = {
        way: np.stack([own[i] for own in good]) if good else np.empty((0, *way.size, 3), np.uint8)
        for i, way in enumerate(ways)
    }
    return pixels, [own if isinstance(own, str) else None for own in seen]
