"""The person of a portrait kept, the rest black: OpenCV's GrabCut, which has no weights to fetch.

    picture, kept = without_background(photo)

GrabCut is begun from where a portrait has its person, as shares of the photo's sides: the middle
of the face and the column below it are person for sure, a strip along the top and the upper sides
is background for sure, and between them a tall ellipse with shoulders, wide enough for long hair,
is person unless its colours differ. Of rectangle and ellipses, of widths of the ellipse, of
heights from 96 to 384 pixels and of 1 to 8 rounds this did best on drawn people whose true outline
is known (intersection over union 0.99 on average, 0.86 from GrabCut's own rectangle; a taller
picture or more rounds gain nothing and take longer). Where the person stands far from the middle,
or wears the colours of the wall, GrabCut errs: look at the contact sheet.
"""

from __future__ import annotations

import numpy as np

from members.errors import BadInput

VERSION = 1  # raise it whenever the same photo would be cut out differently
LONG_SIDE = 256  # pixels of the picture that GrabCut works on
ROUNDS = 3
SMALLEST = 16  # pixels a side; below there is nothing to tell apart

# centre y, centre x, radius y, radius x, as shares of height and width
FACE = (0.45, 0.5, 0.22, 0.16)
HEAD = (0.56, 0.5, 0.46, 0.37)  # with hair down to the shoulders
BODY = (1.02, 0.5, 0.20, 0.52)
NECK = 0.12  # half the width of the column from the face down to the lower edge
TOP, SIDE, SHOULDERS = 0.03, 0.06, 0.72  # the strips of background: top, sides, how far down


def without_background(photo: np.ndarray) -> tuple[np.ndarray, float]:
    """The photo with its background black, and the share of it that was kept.

    photo: (H, W, 3) uint8 RGB; so is the result. Edges are soft. The result depends on the photo
    alone. Raises BadInput for a photo with a side below 16 pixels.
    """
    person = outline(photo)
    return np.rint(photo * person[..., None]).astype(np.uint8), float(person.mean())


def outline(photo: np.ndarray) -> np.ndarray:
    """Share of each pixel that is person: (H, W) float32 in 0..1, 0 or 1 away from the edges.

    photo: (H, W, 3) uint8 RGB. Raises BadInput for a photo with a side below 16 pixels.
    """
    import cv2

    height, width = photo.shape[:2]
    if min(height, width) < SMALLEST:
        raise BadInput(
            f"{height}x{width} pixels are too few to tell a person from what is behind; "
            f"each side needs {SMALLEST}."
        )
    scale = min(1.0, LONG_SIDE / max(height, width))
    small = photo
    if scale < 1:
        sides = (max(SMALLEST, round(width * scale)), max(SMALLEST, round(height * scale)))
        small = cv2.resize(photo, sides, interpolation=cv2.INTER_AREA)
    labels = _prior(small.shape[:2])
    sure = labels == cv2.GC_FGD
    cv2.setRNGSeed(0)  # of this thread: its colour clusters begin at random
    behind, front = np.zeros((1, 65)), np.zeros((1, 65))  # colours; GrabCut fills them
    no_rectangle = (0, 0, 0, 0)  # it begins from the labels
    picture, mode = np.ascontiguousarray(small), cv2.GC_INIT_WITH_MASK
    cv2.grabCut(picture, labels, no_rectangle, behind, front, ROUNDS, mode)
    person = _one_piece((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), sure)
    soft = cv2.GaussianBlur(person.astype(np.float32), (5, 5), 1.0)
    return np.clip(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)


def _prior(shape: tuple[int, int]) -> np.ndarray:
    """GrabCut's labels to begin with: (h, w) uint8."""
    import cv2

    y = ((np.arange(shape[0]) + 0.5) / shape[0])[:, None]
    x = ((np.arange(shape[1]) + 0.5) / shape[1])[None, :]

    def inside(ellipse: tuple[float, float, float, float]) -> np.ndarray:
        centre_y, centre_x, radius_y, radius_x = ellipse
        return ((y - centre_y) / radius_y) ** 2 + ((x - centre_x) / radius_x) ** 2 <= 1

    off_middle = np.abs(x - 0.5)
    labels = np.full(shape, cv2.GC_PR_BGD, np.uint8)
    labels[inside(HEAD) | inside(BODY)] = cv2.GC_PR_FGD
    labels[(y < TOP) | ((off_middle > 0.5 - SIDE) & (y < SHOULDERS))] = cv2.GC_BGD
    labels[inside(FACE) | ((off_middle < NECK) & (y > FACE[0]))] = cv2.GC_FGD
    return labels


def _one_piece(person: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Only what hangs together with the `sure` part, and without holes: (h, w) bool.

    A hole is background that touches neither the top nor the sides: a white mask before a white
    wall, say. What reaches the lower edge alone lies between body and body.
    """
    import cv2

    dot = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(person.astype(np.uint8), cv2.MORPH_OPEN, dot).astype(bool) | sure
    _, piece = cv2.connectedComponents(opened.astype(np.uint8))
    kept = np.isin(piece, np.unique(piece[sure]))
    _, gap = cv2.connectedComponents((~kept).astype(np.uint8), connectivity=4)
    around = np.unique(np.concatenate([gap[0], gap[:, 0], gap[:, -1]]))
    return kept | ~np.isin(gap, around)
