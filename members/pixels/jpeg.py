"""JPEG files whose data does not fit their size, which libjpeg fills with grey and says nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from members.pixels.open import open_photo

if TYPE_CHECKING:
    from PIL import Image

_PAD = b"\xff\x00" * 16  # for a decoder that reads ahead; few codes are made of its ones
_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # from a fixed byte on: 20 times as fast
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_RUN = 16  # zero bytes in a row: where zeros stand for coefficients, some 40 equal ones


class _Layout(NamedTuple):
    """Of a JPEG: its frame's marker, where the data of each scan lies, and what is not coded."""

    frame: int
    blocks: int  # of one scan, in units that restart markers count (MCU)
    interval: int  # of restart markers; 0: none
    scans: list[tuple[int, int]]
    missing: bool  # coefficients of some component are in no scan, or not to the last bit
    coded: list[bool]  # by scan: zero bits stand for coefficients, so that no run is natural


def load_jpeg(photo: Image.Image, data: bytes) -> tuple[Image.Image, str]:
    """Decode it; with it a text where its data ends early, goes on afterwards or is zeros."""
    layout = _layout(data)
    if layout is None:
        photo.load()
        return photo, ""
    warning = ""
    if layout.frame in (0xC0, 0xC1) and len(layout.scans) == 1 and not layout.missing:
        left = _load_counting(photo, data, *layout.scans[0])
        if left is None:
            photo = open_photo(data)
            photo.load()
            warning = "its data ends before its last rows, which may be grey"
        elif left:
            warning = f"{left} bytes of its data are left over after its last row"
        else:
            warning = _content_warning(data, layout)
    else:
        photo.load()
        if layout.missing:
            warning = "passes are missing, so that it has not its full detail"
        else:
            warning = _zeros_warning(data, layout)
    return photo, warning


def _load_counting(photo: Image.Image, data: bytes, start: int, end: int) -> int | None:
    """Decode without the marker that ends the picture: bytes left over, None where more is needed.

    How much of a piece the decoder has taken is not known, so the end of the data is given in small ones.
    All before it is one: with each the decoder lets other threads run, and then waits for them.
    """
    most = max(256, min(65536, (end - start) // 64)) + 64  # as many may be left over
    first = end - 2 * most
    left = _left_over(photo, data, first, most // 4, end)
    if left is not None and left >= end - first:  # it has not taken all of the first piece
        left = _left_over(open_photo(data), data, 0, most // 4, end)
    return left if left is None or left > most else 0


def _left_over(photo: Image.Image, data: bytes, first: int, piece: int, end: int) -> int | None:
    """As `_load_counting`. The decoder gets all before `first`, and then `piece` bytes at once."""
    at, padded = 0, False

    def read(size: int) -> bytes:
        nonlocal at, padded
        found = data[at : max(first, min(at + piece, end))]
        at += len(found)
        if not found and not padded:
            padded = True
            return _PAD
        return found

    photo.load_read = read  # type: ignore[attr-defined]
    try:
        photo.load()
    except OSError as error:
        if "truncated" in str(error):
            return None
        raise
    return end - at


def _content_warning(data: bytes, layout: _Layout) -> str:
    start, end = layout.scans[0]
    if layout.interval:
        found = [data[m.start() + 1] & 7 for m in _RESTART.finditer(data, start, end)]
        expected = (layout.blocks - 1) // layout.interval
        if found != [i % 8 for i in range(expected)]:
            return f"{len(found)} restart markers of {expected}, or in another order"
    return _zeros_warning(data, layout)


def _zeros_warning(data: bytes, layout: _Layout) -> str:
    for (start, end), coded in zip(layout.scans, layout.coded, strict=True):
        zeros = data.find(bytes(_RUN), start, end) if coded else -1
        if zeros >= 0:
            return f"from byte {zeros} its data is all zeros"
    return ""


def _layout(data: bytes) -> _Layout | None:
    """None where its segments cannot be followed, or the frame is none of the usual."""
    at, frame, blocks, interval = 2, 0, 0, 0
    components: list[int] = []
    whole: dict[int, int] = {}  # by component: a bit for each coefficient that is coded to the end
    tables: dict[int, int] = {}  # the symbol that zero bits stand for
    scans: list[tuple[int, int]] = []
    coded: list[bool] = []
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body, at = data[at + 4 : at + 2 + length], at + 2 + length
        if marker in _FRAMES and len(body) >= 9:
            frame, components = marker, [body[i] for i in range(6, len(body) - 2, 3)]
            blocks = _units(body)
        elif marker == 0xDD and len(body) >= 2:
            interval = int.from_bytes(body[:2], "big")
        elif marker == 0xC4:
            tables |= _zero_symbols(body)
        elif marker == 0xDA and body:
            named = [body[1 + 2 * i] for i in range(body[0])]
            first, last, bits = body[-3:]
            band = (2 << last) - (1 << first) if first <= last else 0
            for component in named:
                so_far = whole.get(component, 0)
                whole[component] = so_far & ~band if bits & 15 else so_far | band
            # of luminance, the first component; refinements are bits without codes
            symbol = tables.get(0x10 | (body[2] & 15), 0) if last and not bits >> 4 else 0
            coded.append(symbol & 15 != 0)
            found = _AFTER_SCAN.search(data, at)
            end = found.start() if found else len(data)
            while found and end > at and data[end - 1] == 0xFF:  # a marker may be filled up
                end -= 1
            scans.append((at, end))
            at = end
    if frame not in (0xC0, 0xC1, 0xC2) or not scans:
        return None
    every = (1 << 64) - 1
    missing = any(whole.get(component, 0) & every != every for component in components)
    return _Layout(frame, blocks, interval, scans, missing, coded)


def _units(frame: bytes) -> int:
    """MCUs of a scan of all components."""
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    sampling = [frame[i + 1] for i in range(6, len(frame) - 2, 3)]
    if len(sampling) == 1:
        sampling = [0x11]  # one component is not interleaved
    across, down = max(s >> 4 for s in sampling), max(s & 15 for s in sampling)
    return -(-width // (8 * across or 1)) * -(-height // (8 * down or 1))


def _zero_symbols(body: bytes) -> dict[int, int]:
    """Of Huffman tables: the first symbol, whose code is zeros, by table (0x10: AC, first)."""
    found, at = {}, 0
    while at + 17 < len(body):
        found[body[at]] = body[at + 17]
        at += 17 + sum(body[at + 1 : at + 17])
    return found
