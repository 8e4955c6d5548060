"""One photo of a person in one pose, light and mask: `photo(who, kind, rng, size)`.

Coordinates: x to the right, y down, origin between the eyes and the nose, on a sheet 384 wide and
512 high. A face is about 160 wide; its chin lies near y = 125. What lies behind is drawn first.
"""

from __future__ import annotations

import numpy as np

from members.samples.drawing.pen import SHEET, Colour, Pen, arc, mix, shade
from members.samples.drawing.person import Person
from members.samples.drawing.scene import expose, room

MASKS: tuple[Colour, ...] = (
    (243, 243, 240),
    (150, 188, 222),
    (42, 42, 46),
    (232, 186, 190),
    (128, 130, 134),
)


def photo(who: Person, kind: str, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """One photo, (h, w, 3) uint8 RGB. `kind`: mask1..mask5, incorrect_mask or normal."""
    sheet = np.empty((*SHEET, 3), np.uint8)
    turn = float(np.clip(rng.normal(0, 0.45), -1, 1))
    pen = Pen(sheet, rng)
    room(sheet, who, rng)
    smile = float(rng.uniform(-0.2, 1))
    _hair_behind(pen, who)
    _body(pen, who)
    _head(pen, who, turn)
    _eyes(pen, who, turn, blink=rng.random() < 0.04)
    _nose_and_mouth(pen, who, turn, smile)
    _age(pen, who, turn)
    _beard(pen, who, turn)
    _hair_front(pen, who, turn)
    if who.glasses:
        _glasses(pen, who, turn)
    if kind != "normal":
        _mask(pen, who, turn, rng, kind)
    return expose(sheet, rng, size)


def face(who: Person, grow: float = 0.0) -> np.ndarray:
    """The outline of the face, (56, 2), from the right temple down around the chin and up."""
    angle = np.deg2rad(np.linspace(0, 180, 28))
    cos, sin = np.cos(angle), np.sin(angle)
    x = (who.width + grow) * np.sign(cos) * np.abs(cos) ** who.jaw
    lower = np.stack([x, (who.chin + grow) * sin], axis=1)
    upper = arc(0, 0, who.width + grow, 108 + grow, 180, 360)
    return np.concatenate([lower, upper])


def _hair_behind(pen: Pen, who: Person) -> None:
    if who.length < 0.35:
        return
    out = who.width + who.volume
    end = 40 + 170 * who.length
    side = [(out, 0), (out + 8, 70), (out + 2, end), (out - 40, end + 10)]
    left = [(-x, y) for x, y in reversed(side)]
    top = arc(0, -6, out, 108 + who.volume, 180, 360)
    pen.fill([*side, *left, *top], shade(who.hair, 0.78))


def _body(pen: Pen, who: Person) -> None:
    half = who.shoulders
    neck = who.width * 0.55
    pen.fill([(-neck, 60), (neck, 60), (neck + 8, 190), (-neck - 8, 190)], shade(who.skin, 0.8))
    top = [(-half, 232), (-neck - 16, 168), (0, 200), (neck + 16, 168), (half, 232)]
    pen.fill([*top, (half + 24, 420), (-half - 24, 420)], who.cloth)
    dark = shade(who.cloth, 0.72)
    if who.collar == 0:
        pen.line(arc(0, 160, neck + 15, 44, 0, 180), dark, 7)
    elif who.collar == 1:
        pen.fill([(-neck - 4, 166), (0, 250), (neck + 4, 166), (0, 190)], shade(who.skin, 0.9))
        pen.line([(-neck - 10, 166), (0, 254), (neck + 10, 166)], dark, 7)
    elif who.collar == 2:
        for side in (-1, 1):
            pen.fill(
                [(side * 3, 206), (side * (neck + 14), 156), (side * 62, 214), (side * 34, 246)],
                (240, 241, 244),
            )
        pen.line([(0, 210), (0, 420)], dark, 3)
    else:
        pen.fill(arc(0, 178, neck + 24, 42, 0, 360), dark)
        pen.fill(arc(0, 166, neck + 14, 32, 0, 360), shade(who.skin, 0.78))
        for side in (-1, 1):
            pen.line([(side * 22, 212), (side * 25, 290)], (238, 238, 238), 4)


def _head(pen: Pen, who: Person, turn: float) -> None:
    for side in (-1, 1):
        pen.oval(side * (who.width + 3 - 5 * side * turn), 8, 13, 25, shade(who.skin, 0.88))
        if who.earrings:
            pen.oval(side * (who.width + 5), 38, 5, 5, (236, 206, 112))
    pen.fill(face(who), who.skin)
    near = 1 if turn < 0 else -1
    outline = face(who)
    cheek = outline[(outline[:, 0] * near) > 0]
    inner = cheek * (0.8, 0.97)
    pen.fill([*cheek, *inner[::-1]], shade(who.skin, 0.8), 0.35)
    for side in (-1, 1):
        for radius in (24, 16):
            pen.oval(side * 44 + 12 * turn, 40, radius, radius * 0.75, (226, 116, 108), 0.09)
    for x, y in who.spots:
        pen.oval(x, y, 2.2, 2.2, shade(who.skin, 0.5), 0.8)


def _eyes(pen: Pen, who: Person, turn: float, blink: bool) -> None:
    wide, high = who.eye_size
    line = shade(who.iris, 0.35)
    for side in (-1, 1):
        x = side * who.eyes * (1 - 0.06 * side * turn) + 11 * turn
        brow = [(x - side * 17, -44), (x, -50 - 0.3 * who.brow), (x + side * 21, -42)]
        pen.line(brow, mix(shade(who.hair, 0.85), who.skin, 0.15), who.brow)
        if blink:
            pen.line(arc(x, -20, wide, 5, 10, 170), line, 3)
            continue
        pen.oval(x, -20, wide, high, (246, 244, 241))
        pen.oval(x + 4 * turn, -20, high * 0.98, high * 0.98, who.iris)
        pen.oval(x + 4 * turn, -20, high * 0.5, high * 0.5, (18, 14, 14))
        pen.oval(x + 4 * turn + 3, -23, 2.2, 2.2, (255, 255, 255))
        pen.line(arc(x, -20, wide, high, 185, 355), line, 2.2 + 0.35 * max(0.0, 9 - who.brow))


def _nose_and_mouth(pen: Pen, who: Person, turn: float, smile: float) -> None:
    x, dark = 17 * turn, shade(who.skin, 0.68)
    wide = who.nose
    pen.fill([(x * 0.5, -14), (x + wide, 40), (x - wide, 40)], shade(who.skin, 1.07), 0.5)
    pen.line([(x * 0.5 + 5, -8), (x + wide, 38), (x + wide - 4, 45)], dark, 2, 0.55)
    pen.line(arc(x, 40, wide, 8, 20, 160), dark, 3, 0.8)
    half, y = who.mouth + 5 * smile, 80
    x = 13 * turn
    bend = 9 * smile
    pen.fill(
        [
            (x - half, y - bend),
            (x - 7, y - 7),
            (x, y - 4),
            (x + 7, y - 7),
            (x + half, y - bend),
            *arc(x, y - bend, half * 0.72, 13 + bend, 0, 180),
        ],
        who.lips,
    )
    if smile > 0.65:
        pen.fill(arc(x, y - bend + 3, half * 0.6, 5 + bend * 0.6, 0, 180), (246, 244, 240))
    pen.line(
        [(x - half, y - bend), (x, y + 0.5 * bend), (x + half, y - bend)], shade(who.lips, 0.6), 2
    )


def _age(pen: Pen, who: Person, turn: float) -> None:
    """Lines on the forehead, at the eyes and beside the mouth, and bags under the eyes."""
    dark, alpha = shade(who.skin, 0.55), 0.75 * who.wrinkles
    if alpha < 0.08:
        return
    x = 11 * turn
    for row in range(3):
        pen.line(
            arc(x, -62 - 11 * row, 44 - 4 * row, 4, 200, 340), dark, 2.4, alpha * (1 - 0.2 * row)
        )
    for side in (-1, 1):
        eye = side * who.eyes + x
        pen.line(arc(eye, -13, 17, 10, 20, 160), dark, 2.6, alpha)
        fold = arc(x + 16, 66, 24, 34, 280, 390) - (x, 0)
        pen.line(fold * (side, 1) + (x, 0), dark, 3, alpha)
        for rise in (-7, 0, 7):
            start = eye + side * (who.eye_size[0] + 3)
            pen.line([(start, -20 + 0.4 * rise), (start + side * 13, -20 + rise)], dark, 2, alpha)


def _beard(pen: Pen, who: Person, turn: float) -> None:
    if who.beard < 0.1:
        return
    lower = face(who, -2)
    lower = lower[lower[:, 1] > 48]
    mouth = arc(13 * turn, 82, 36, 22, 180, 0)
    colour = shade(who.hair, 0.95)
    pen.fill(
        [*lower, (-who.width * 0.8, 55), *mouth[::1], (who.width * 0.8, 55)],
        colour,
        0.75 * who.beard,
    )
    if who.beard > 0.45:
        pen.fill(arc(13 * turn, 66, 27, 9, 180, 360), colour, 0.85)


def _hair_front(pen: Pen, who: Person, turn: float) -> None:
    out = who.width + who.volume * 0.55
    line = -66 - who.hairline
    crown = arc(0, -8, out, 104 + who.volume, 178, 362)
    if who.hairline > 27:  # a fringe of hair around a bald head
        for side in (-1, 1):
            pen.fill(
                [
                    (side * (out - 1), 4),
                    (side * (out + 2), -40),
                    (side * (out - 12), -80),
                    (side * (who.width - 13), -52),
                    (side * (who.width - 9), 2),
                ],
                who.hair,
            )
        pen.fill(arc(-22, -86, 24, 9, 0, 360), (255, 255, 255), 0.14)
        return
    part = who.part + 8 * turn
    if who.fringe == 0:
        edge = [
            (who.width - 8, -30),
            (who.width - 22, line),
            (part, line - 20),
            (-who.width + 22, line),
            (-who.width + 8, -30),
        ]
    elif who.fringe == 1:
        edge = [
            (who.width - 6, -26),
            (who.width - 16, line + 8),
            (40, line + 14),
            (0, line + 10),
            (-40, line + 14),
            (-who.width + 16, line + 8),
            (-who.width + 6, -26),
        ]
    else:
        side = 1 if part > 0 else -1
        edge = [
            (who.width - 8, -30),
            (who.width - 18, line + 4),
            (side * 34, line - 22),
            (-side * 20, line + 2),
            (-who.width + 16, line + 8),
            (-who.width + 8, -30),
        ]
        edge = edge if side > 0 else sorted(edge, key=lambda point: -point[0])
    pen.fill([*crown, *edge], who.hair)
    pen.line(
        arc(-14, -14, out - 26, 84 + who.volume * 0.5, 215, 280), shade(who.hair, 1.35), 5, 0.5
    )
    if who.length > 0.35:  # locks in front of the ears
        end = 20 + 120 * who.length
        for side in (-1, 1):
            inner = who.width - 10
            pen.fill(
                [
                    (side * (out + 1), -20),
                    (side * (out + 6), end),
                    (side * (out - 12), end + 14),
                    (side * inner, 20),
                    (side * inner, -36),
                ],
                who.hair,
            )


def _glasses(pen: Pen, who: Person, turn: float) -> None:
    frame = (30, 30, 34) if who.glasses == 1 else (150, 116, 70)
    for side in (-1, 1):
        x = side * who.eyes + 11 * turn
        pen.oval(x, -17, 25, 20, (255, 255, 255), 0.12)
        pen.line(arc(x, -17, 25, 20, 0, 360), frame, 3.5)
        pen.line([(x + side * 25, -19), (side * who.width, -12)], frame, 3)
    pen.line([(11 * turn - who.eyes + 25, -19), (11 * turn + who.eyes - 25, -19)], frame, 3)


def _mask(pen: Pen, who: Person, turn: float, rng: np.random.Generator, kind: str) -> None:
    """Over nose and chin; or, worn incorrectly, under the nose, on the chin or off one ear."""
    colour = MASKS[rng.choice(5, p=(0.5, 0.3, 0.1, 0.06, 0.04))]
    colour = shade(colour, rng.uniform(0.9, 1.04))
    top, bottom, lean = rng.uniform(0, 16), who.chin + rng.uniform(2, 12), 0.0
    if kind == "incorrect_mask":
        way = rng.choice(3, p=(0.42, 0.44, 0.14))
        top = (rng.uniform(54, 66), rng.uniform(98, 108), rng.uniform(46, 60))[way]
        bottom += (2, 16, 10)[way]
        lean = (0, 0, rng.choice((-26, 26)))[way]
    x, half = 14 * turn, who.width - 6
    middle = (top + bottom) / 2
    outline = [
        (-half, top + 22 + lean),
        (x * 0.8 - 24, top + 3),
        (x, top - 4),
        (x * 0.8 + 24, top + 3),
        (half, top + 22 - lean),
        (half * 0.93, middle + 16 - lean),
        (half * 0.56, bottom - 6),
        (x * 0.5, bottom + 2),
        (-half * 0.56, bottom - 6),
        (-half * 0.93, middle + 16 + lean),
    ]
    strap = mix(colour, (255, 255, 255), 0.3)
    for side in (-1, 1):
        if lean and side * lean > 0:
            continue
        pen.line([(side * half, top + 26 - side * lean), (side * (who.width + 6), 2)], strap, 2.5)
        pen.line([(side * half * 0.93, middle + 14), (side * (who.width + 5), 26)], strap, 2.5)
    pen.fill(outline, colour)
    fold = shade(colour, 0.84) if sum(colour) > 200 else shade(colour, 1.6)
    if rng.random() < 0.65:
        for share in (0.32, 0.5, 0.68):
            y = top + share * (bottom - top)
            bow = [(-half * 0.8, y + 8 + lean * 0.8), (x, y - 2), (half * 0.8, y + 8 - lean * 0.8)]
            pen.line(bow, fold, 2)
    else:
        pen.line([(x, top - 2), (x * 0.7, middle), (x * 0.5, bottom)], fold, 2.5)
    pen.line([*outline, outline[0]], fold, 1.5)
