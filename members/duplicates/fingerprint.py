"""What a photo shows, in 350 bytes: the same for equal pixels, and nearly the same for a copy.

A copy is the photo saved again, made smaller or mirrored. `pixels` is a digest of the decoded
pixels; `phash` the perceptual hash of the package imagehash (64 bits, of which half are 1), computed here
in two fifths of its time; the thumbnail settles what a hash cannot in a data set whose photos all look alike.
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
_HASHED, _LOW = (
    32,
    8,
)  # pixels each way that are transformed, and frequencies that are kept, by imagehash

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
    from PIL import Image

    digest = hashlib.blake2b(f"{pixels.shape[0]} {pixels.shape[1]} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = (min(side, _MIDDLE) for side in grey.shape)
    # the area that a pixel covers, in fractions of those before: the same for a photo and its half
    middle = Image.fromarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))
    phash, mirrored = _phashes(middle)
    contrast, thumbnail = _thumbnail(middle)
    return {
        "pixels": digest.hexdigest(),
        "phash": phash,
        "phash_mirrored": mirrored,
        "contrast": contrast,
        "thumbnail": thumbnail,
    }


def _phashes(grey: Image) -> tuple[int, int]:
    """The bits of `imagehash.phash` of a grey photo and of its mirror image, which share most of the work.

    Mirrored first or made smaller first is the same, and mirrored columns have the same transform.
    """
    from PIL import Image
    from scipy import fftpack

    small = np.asarray(grey.resize((_HASHED, _HASHED), Image.Resampling.LANCZOS))
    rows = fftpack.dct(small, axis=0)[:_LOW]
    both = fftpack.dct(np.concatenate([rows, rows[:, ::-1]]), axis=1)[:, :_LOW]
    both = both.reshape(2, _LOW * _LOW)
    middle = _LOW * _LOW // 2
    ordered = np.sort(both)
    median = (ordered[:, middle - 1] + ordered[:, middle]) / 2
    own, mirrored = np.packbits(both > median[:, None], axis=1)
    return int.from_bytes(own.tobytes(), "big"), int.from_bytes(mirrored.tobytes(), "big")


def _thumbnail(grey: Image) -> tuple[float, bytes]:
    from PIL import Image

    # in floating point: a rounding to whole grey levels would be most of what two copies differ by
    small = grey.convert("F").resize((CELLS, CELLS), Image.Resampling.LANCZOS)
    levels = np.asarray(small, np.float64)
    levels = levels - levels.mean()
    largest = max(float(np.abs(levels).max()), 1e-6)
    return float(levels.std()), np.rint(levels * (127 / largest)).astype(np.int8).tobytes()


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
