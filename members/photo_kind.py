"""What kind of picture a file is, by its first bytes, whatever its ending says."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from pathlib import Path

HEAD = 512  # bytes that `photo_kind` looks at
HEIC = "HEIC"

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51\0": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"%PDF-": "PDF",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"8BPS": "Photoshop",
    b"FUJIFILMCCD-RAW": "camera RAW",
    b"IIRO": "camera RAW",
    b"IIRS": "camera RAW",
    b"MMOR": "camera RAW",
    b"IIU\0": "camera RAW",
    b"FOVb": "camera RAW",
    b"\0\0\1\0": "ICO",
    b"qoif": "QOI",
    b"\x01\xda": "SGI",
    b"\x59\xa6\x6a\x95": "Sun raster",
    b"DDS ": "DDS",
    b"v/1\1": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"SIMPLE  =": "FITS",
}
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"crx ": "camera RAW",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), HEIC),
}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0")
_SAVE = "save it as JPEG or PNG"
_UNREADABLE = {
    HEIC: "is HEIC, the format of recent phones: `pip install pillow-heif`, and it is read",
    **{
        kind: f"is {kind}, which is not read here: {_SAVE}"
        for kind in ("JPEG XL", "OpenEXR", "Radiance HDR", "FITS", "PFM", "DICOM")
    },
    "camera RAW": "is a camera's RAW file, which has no final colours: develop it to JPEG or TIFF",
    "PDF": f"is a PDF, a document: {_SAVE}",
    "PostScript": f"is PostScript, a drawing: {_SAVE}",
    "SVG": f"is SVG, a drawing without pixels: {_SAVE}",
}


def photo_kind(head: bytes) -> str | None:
    """The format's name, of a file's first `HEAD` bytes; None where they are no picture's.

    Readable or not: `unreadable` tells. TGA has no magic bytes; a plausible header is taken.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _container(head)
    if head[:4] in _TIFF or head[:8] in _TIFF:
        return "camera RAW" if head[8:10] == b"CR" else "TIFF"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return "BMP"
    if re.match(rb"P[1-7]\s+(\d|#|WIDTH)", head):
        return {b"1": "PBM", b"4": "PBM", b"2": "PGM", b"5": "PGM", b"7": "PAM"}.get(
            head[1:2], "PPM"
        )
    if re.match(rb"P[Ff]\s", head):
        return "PFM"
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[128:132] == b"DICM":
        return "DICOM"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in text:
        return "SVG"
    return "TGA" if _looks_like_tga(head) else None


def unreadable(kind: str | None) -> str:
    """Why pictures of this kind are not read here, and what to do; empty where they are."""
    if kind is None:
        return "is not an image"
    if kind == HEIC and importlib.util.find_spec("pillow_heif"):
        return ""
    return _UNREADABLE.get(kind, "")


def read_head(path: str | os.PathLike) -> bytes:
    """A file's first `HEAD` bytes. Raises ValueError for what is no file (a pipe would block)."""
    require_file(path)
    with Path(path).open("rb") as file:
        return file.read(HEAD)


def require_file(path: str | os.PathLike) -> os.stat_result:
    """What the system says of a file. Raises ValueError for a folder, pipe or device."""
    found = os.stat(path)  # noqa: PTH116 - a Path for each of 100,000 photos is slow
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise ValueError(f"is {what}, not a file.")
    return found


def _container(head: bytes) -> str | None:
    """Of an ISO media file: its brand, or those that it is compatible with."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, size, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def _looks_like_tga(head: bytes) -> bool:
    if len(head) < 18:
        return False
    has_map, kind, map_bits, depth = head[1], head[2], head[7], head[16]
    width, height = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    if not (width and height) or head[17] & 0xC0:
        return False
    if kind in (1, 9):
        return has_map == 1 and depth == 8 and map_bits in (15, 16, 24, 32)
    plain = head[3:8] == bytes(5)
    return plain and has_map == 0 and (kind, depth) in {
        *((k, d) for k in (2, 10) for d in (15, 16, 24, 32)),
        *((k, d) for k in (3, 11) for d in (8, 16)),
    }  # fmt: skip
