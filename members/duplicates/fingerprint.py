"""What a photo shows, in 350 bytes: the same for equal pixels, and nearly the same for a copy.

A copy is the photo saved again, made smaller or mirrored. `pixels` is a digest of the decoded
pixels; `phash` the perceptual hash of `imagehash` (64 bits, of which half are 1); the thumbnail
settles what a hash cannot in a data set whose photos all look alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

CELLS = 16  # of a thumbnail, each way
_MIDDLE = 64  # pixels each way that hash and thumbnail are computed from

# Columns of a scan. Whoever computes one of them differently gives it another name, so that no
# memo of an earlier version is misread.
COLUMNS = {
    "pixels": "str",
    "phash": "uint64",
    "phash_mirrored": "uint64",
    "contrast": "float32",
    "thumbnail": "object",
}
UNREADABLE = {"pixels": "", "phash": 0, "phash_mirrored": 0, "contrast": 0.0, "thumbnail": b""}


def fingerprint(pixels: np.ndarray) -> dict[str, Any]:
    """The COLUMNS of one photo. pixels: (H, W, 3) uint8 RGB.

    pixels: BLAKE2b-128 of height, width and the bytes, in hex. phash, phash_mirrored: of the photo
    and of its mirror image, uint64. contrast: standard deviation of the grey thumbnail, in levels
    of 0 to 255. thumbnail: CELLS * CELLS int8 as bytes, the grey levels without their mean, scaled
    so that the largest is 127.
    """
    import cv2
    import imagehash
    from PIL import Image

    digest = hashlib.blake2b(f"{pixels.shape[0]} {pixels.shape[1]} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = (min(side, _MIDDLE) for side in grey.shape)
    # the area that a pixel covers, in fractions of those before: the same for a photo and its half
    middle = Image.fromarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))
    mirrored = middle.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    contrast, thumbnail = _thumbnail(middle)
    return {
        "pixels": digest.hexdigest(),
        "phash": _bits(imagehash.phash(middle)),
        "phash_mirrored": _bits(imagehash.phash(mirrored)),
        "contrast": contrast,
        "thumbnail": thumbnail,
    }


def _thumbnail(grey: Image) -> tuple[float, bytes]:
    from PIL import Image

    # in floating point: a rounding to whole grey levels would be most of what two copies differ by
    small = grey.convert("F").resize((CELLS, CELLS), Image.Resampling.LANCZOS)
    levels = np.asarray(small, np.float64)
    levels = levels - levels.mean()
    largest = max(float(np.abs(levels).max()), 1e-6)
    return float(levels.std()), np.rint(levels * (127 / largest)).astype(np.int8).tobytes()


def _bits(found: Any) -> int:
    """An `imagehash.ImageHash` of 64 bits as one number."""
    return int.from_bytes(np.packbits(found.hash).tobytes(), "big")


@dataclass(frozen=True)
class Fingerprints:
    """Of N photos. thumbnail: (N, CELLS, CELLS) int8; side: pixels of the shorter side; see above."""

    pixels: np.ndarray  # (N,) object: str
    phash: np.ndarray  # (N,) uint64
    phash_mirrored: np.ndarray  # (N,) uint64
    contrast: np.ndarray  # (N,) float32
    thumbnail: np.ndarray
    side: np.ndarray  # (N,) int32

    @classmethod
    def of(cls, scanned: pd.DataFrame) -> Fingerprints:
        """Of the rows of a scan (members/reading/scan.py), all readable."""
        thumbnails = np.frombuffer(b"".join(scanned["thumbnail"]), np.int8)
        return cls(
            scanned["pixels"].to_numpy(object),
            scanned["phash"].to_numpy(np.uint64),
            scanned["phash_mirrored"].to_numpy(np.uint64),
            scanned["contrast"].to_numpy(np.float32),
            thumbnails.reshape(len(scanned), CELLS, CELLS),
            scanned[["height", "width"]].min(axis=1).to_numpy(np.int32),
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: np.ndarray) -> Fingerprints:
        """Those of some rows (M,) int."""
        return Fingerprints(
            self.pixels[rows],
            self.phash[rows],
            self.phash_mirrored[rows],
            self.contrast[rows],
            self.thumbnail[rows],
            self.side[rows],
        )
