"""Colours, curves, and a pen that draws in a person's own coordinates."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import ArrayLike

SHEET = (512, 384)  # height, width
Colour = tuple[float, float, float]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Hue in degrees, the rest 0..1 -> RGB 0..255."""

    def part(n: int) -> float:
        return (n + hue / 60) % 6

    red, green, blue = (
        255 * value * (1 - saturation * max(0, min(part(n), 4 - part(n), 1))) for n in (5, 3, 1)
    )
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other`, the rest of `one`."""
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(one, other, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Every part times `factor`, at most 255."""
    red, green, blue = (min(255.0, part * factor) for part in colour)
    return red, green, blue


class Pen:
    """Draws on a sheet in the person's coordinates, under one pose of the head and camera."""

    def __init__(self, sheet: np.ndarray, rng: np.random.Generator):
        self.sheet = sheet
        angle = np.deg2rad(rng.normal(0, 2.5))
        scale = rng.uniform(1.18, 1.36)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        self.turn = np.array([[cos, -sin], [sin, cos]])
        self.place = np.array([192 + rng.normal(0, 7), 236 + rng.normal(0, 8)])
        self.scale = scale

    def fill(self, points: ArrayLike, colour: Colour, alpha: float = 1.0) -> None:
        """Fill the polygon of points (N, 2), x and y; alpha 1 covers what is below, 0 nothing."""
        self._draw(cv2.fillPoly, points, colour, alpha)

    def line(self, points: ArrayLike, colour: Colour, width: float, alpha: float = 1.0) -> None:
        """A line through points (N, 2), `width` sheet units wide."""
        thick = max(1, round(width * self.scale))

        def draw(sheet, at, colour, kind, bits):
            cv2.polylines(sheet, at, False, colour, thick, kind, bits)

        self._draw(draw, points, colour, alpha, margin=thick)

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1.0
    ) -> None:
        """Fill the ellipse around (x, y) with radii rx and ry."""
        self.fill(arc(x, y, rx, ry, 0, 360), colour, alpha)

    def _draw(self, draw, points, colour, alpha, margin=1) -> None:
        at = np.asarray(points, dtype=np.float64) @ self.turn.T + self.place
        if alpha >= 1:
            draw(self.sheet, [np.rint(at * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)
            return
        height, width = self.sheet.shape[:2]
        left, top = (max(0, int(low) - margin) for low in at.min(axis=0))
        right, bottom = (int(high) + margin + 2 for high in at.max(axis=0))
        area = self.sheet[top : min(bottom, height), left : min(right, width)]
        if not area.size:
            return
        drawn = area.copy()
        draw(drawn, [np.rint((at - (left, top)) * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)
        cv2.addWeighted(drawn, alpha, area, 1 - alpha, 0, dst=drawn)
        area[:] = drawn


def arc(x: float, y: float, rx: float, ry: float, start: float, stop: float) -> np.ndarray:
    """Points (28, 2) along an ellipse, degrees clockwise from the right."""
    return _unit_arc(start, stop) * (rx, ry) + (x, y)


@functools.cache
def _unit_arc(start: float, stop: float) -> np.ndarray:
    angle = np.deg2rad(np.linspace(start, stop, 28))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
