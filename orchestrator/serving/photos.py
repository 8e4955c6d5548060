"""Photographs that strangers send, decoded as the members see them, within bounds of memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from members import files
from members.errors import BadInput, first_line
from members.limits import MIB
from members.pixels.decode import reason
from members.pixels.memory import BUDGET
from members.pixels.open import bytes_needed, open_photo
from orchestrator.inference.parts import Seen
from orchestrator.inference.pixels import see
from orchestrator.limits import REQUEST_FILE, REQUEST_PIXELS
from orchestrator.serving.body import PhotoFile
from orchestrator.serving.refusals import Refused


def seen_by(
    photos: Sequence[PhotoFile], ways: Sequence[Seen], bits: int | None = None
) -> dict[Seen, np.ndarray]:
    """What each of `ways` shows of them, (N, h, w, 3) uint8 in their order.

    All can be read, or none is answered: raises Refused that names every one which cannot, 413 where
    they are only too large, else 400.
    """
    found = list(files.in_threads(lambda photo: _one(photo, ways, bits), photos))
    wrong = [
        (photo.name, own) for photo, own in zip(photos, found, strict=True) if isinstance(own, str)
    ]
    if wrong:
        too_large = all(isinstance(own, _TooLarge) for _, own in wrong)
        some = f"{len(wrong)} of {len(photos)} photographs cannot be read"
        detail = f"{some}, so none is answered. {wrong[0][0]}: {wrong[0][1]}"
        raise Refused(413 if too_large else 400, detail, wrong)
    pixels = [own for own in found if not isinstance(own, str)]
    return {way: np.stack([own[i] for own in pixels]) for i, way in enumerate(ways)}


class _TooLarge(str):
    """A problem that is one of size alone."""


def _one(photo: PhotoFile, ways: Sequence[Seen], bits: int | None) -> list[np.ndarray] | str:
    if len(photo) > REQUEST_FILE.value * MIB:
        return _TooLarge(
            f"has {len(photo) / MIB:.1f} MiB, and at most {REQUEST_FILE.value} MiB are taken."
        )
    try:
        with open_photo(photo) as header:
            megapixels = header.width * header.height / 1e6
            needed = bytes_needed(header)
    except Exception as error:  # Pillow raises what it likes
        return reason(error)
    if megapixels > REQUEST_PIXELS.value:
        return _TooLarge(
            f"has {megapixels:.1f} megapixels, and at most {REQUEST_PIXELS.value} are taken. Shrink it."
        )
    try:
        with BUDGET.taken(needed):
            return see(photo, ways, bits)
    except BadInput as error:
        return first_line(error)
