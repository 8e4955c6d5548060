"""What lies around a person in a photo: the room behind, and the camera's light and grain."""

from __future__ import annotations

import cv2
import numpy as np

from members.samples.drawing.pen import SHEET, mix, shade
from members.samples.drawing.person import Person


def room(sheet: np.ndarray, who: Person, rng: np.random.Generator) -> None:
    """Draw the person's wall and furniture over the whole sheet (512, 384, 3) uint8, in place."""
    height, width = SHEET
    light = np.linspace(1.06, 0.86, height)[:, None]
    column = np.clip(np.array(who.wall) * light, 0, 255).astype(np.uint8)[:, None]
    cv2.resize(column, (width, height), dst=sheet, interpolation=cv2.INTER_NEAREST)
    dx, dy = (int(d) for d in rng.normal(0, 14, 2))
    box = lambda x0, y0, x1, y1, c: cv2.rectangle(  # noqa: E731
        sheet, (x0 + dx, y0 + dy), (x1 + dx, y1 + dy), tuple(map(float, c)), -1
    )
    if who.room == 1:  # a window
        box(14, 30, 130, 240, shade(who.wall, 0.75))
        box(22, 38, 122, 232, (212, 230, 244))
        box(68, 38, 76, 232, shade(who.wall, 0.75))
    elif who.room == 2:  # striped wallpaper
        for x in range(-60, width + 60, 56):
            box(x, -80, x + 26, height + 80, mix(who.wall, who.accent, 0.35))
    elif who.room == 3:  # a bookshelf
        for row in range(4):
            box(250, 70 + 90 * row, 440, 78 + 90 * row, shade(who.accent, 0.7))
            for book in range(6):
                tone = shade(who.accent, 0.6 + 0.13 * ((book * 3 + row) % 5))
                box(258 + 22 * book, 20 + 90 * row, 274 + 22 * book, 69 + 90 * row, tone)
    elif who.room == 4:  # a dado and a picture
        box(-60, 330, width + 60, height + 60, mix(who.wall, who.accent, 0.6))
        box(30, 60, 120, 170, shade(who.accent, 0.6))
        box(40, 70, 110, 160, mix(who.accent, (255, 255, 255), 0.5))
    elif who.room == 5:  # a door
        box(270, 40, 420, height + 60, shade(who.accent, 0.9))
        box(280, 50, 420, height + 60, who.accent)
        cv2.circle(sheet, (295 + dx, 290 + dy), 7, (222, 196, 120), -1, cv2.LINE_AA)


def expose(sheet: np.ndarray, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Light from one side, white balance, softness and noise of a camera: (h, w, 3) uint8.

    sheet: (512, 384, 3) uint8. size: (h, w) in pixels.
    """
    height, width = size
    small = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.5, 1.1) * width / 192)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    way, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.14)
    light = 1 + float(slope * np.cos(way)) * x + float(slope * np.sin(way)) * y
    light *= rng.uniform(0.86, 1.1)
    grain = rng.standard_normal((height, width), dtype=np.float32) * rng.uniform(1.5, 5)
    balance = 1 + rng.normal(0, 0.02, 3)
    channels = [
        cv2.multiply(channel, light * float(part), dtype=cv2.CV_32F) + grain
        for channel, part in zip(cv2.split(small), balance, strict=True)
    ]
    return cv2.merge([np.clip(channel, 0, 255).astype(np.uint8) for channel in channels])
