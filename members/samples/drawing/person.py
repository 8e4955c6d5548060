"""A drawn person: what stays the same in all their photos.

Gender and age show in many signs that overlap between the classes (hair, brows, lips, shoulders;
grey, wrinkles, hairline, glasses, a collar), as they do in people. The room says nothing about
the class, but it stays with the person: a network that knows it from training recognises the
person, which is how a split by photo flatters a score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from members.samples.drawing.pen import Colour, hsv, mix

HAIR = ((28, 24, 24), (44, 32, 26), (74, 50, 36), (100, 64, 42), (128, 84, 50))
GREY = (222, 221, 219)


@dataclass(frozen=True)
class Person:
    """What all photos of somebody share. Lengths in sheet units, colours RGB 0..255."""

    skin: Colour
    hair: Colour
    wall: Colour
    accent: Colour
    cloth: Colour
    iris: Colour
    lips: Colour
    room: int
    collar: int
    width: float
    chin: float
    jaw: float
    eyes: float
    eye_size: tuple[float, float]
    brow: float
    nose: float
    mouth: float
    length: float
    fringe: int
    part: float
    hairline: float
    volume: float
    shoulders: float
    beard: float
    wrinkles: float
    glasses: int
    earrings: bool
    spots: tuple[tuple[float, float], ...]


def person(rng: np.random.Generator, female: bool, age: int) -> Person:
    """Somebody of that gender and age; the signs of both are noisy, so that classes overlap."""
    look = (1.1 if female else -1.1) + rng.normal(0, 0.3)
    years = age + (rng.normal(7, 3) if age >= 60 else rng.normal(0, 3))

    def cue(spread: float = 0.5) -> float:
        return look + rng.normal(0, spread)

    def old(start: float, span: float) -> float:
        return float(np.clip((years - start) / span + rng.normal(0, 0.1), 0, 1))

    grown = old(26, 18)
    grey = old(54, 10) * (0.5 if female and rng.random() < 0.2 else 1.0)
    hair = mix(HAIR[rng.choice(5, p=(0.36, 0.28, 0.18, 0.1, 0.08))], GREY, grey)
    if years < 31 and rng.random() < 0.3:
        hair = mix(hair, hsv(rng.choice((12, 345, 28, 280)), 0.5, 0.62), 0.6)
    skin = hsv(rng.uniform(16, 27), rng.uniform(0.26, 0.46) - 0.06 * grown, rng.uniform(0.82, 0.98))
    skin = mix(skin, (196, 172, 156), 0.5 * old(48, 18))
    hue = rng.uniform(0, 360)
    loud = hsv(hue, rng.uniform(0.45, 0.85), rng.uniform(0.7, 0.98))
    plain = hsv(hue, rng.uniform(0.05, 0.35), rng.uniform(0.2, 0.5))
    formal = rng.random() < 0.1 + 0.75 * grown
    cloth = mix(loud, plain, np.clip(0.15 + 0.6 * grown + rng.normal(0, 0.15), 0, 1))
    return Person(
        skin=skin,
        hair=hair,
        wall=hsv(rng.uniform(0, 360), rng.uniform(0.1, 0.32), rng.uniform(0.55, 0.8)),
        accent=hsv(rng.uniform(0, 360), rng.uniform(0.15, 0.45), rng.uniform(0.5, 0.8)),
        cloth=cloth,
        iris=HAIR[rng.integers(1, 4)],
        lips=mix(mix(skin, (170, 92, 88), 0.45), (196, 44, 62), np.clip(0.35 * cue(), 0, 0.8)),
        room=int(rng.integers(6)),
        collar=int(rng.choice(4, p=(0.1, 0.2, 0.7, 0.0) if formal else (0.45, 0.25, 0.0, 0.3))),
        width=80 - 3 * cue(1.0) + rng.normal(0, 3),
        chin=124 - 4 * cue(0.8) + rng.normal(0, 4),
        jaw=float(np.clip(0.78 + 0.1 * cue(0.8), 0.58, 1.05)),
        eyes=33 + rng.normal(0, 2.2),
        eye_size=(18 + rng.normal(0, 1.4), 8.5 + 1.0 * cue(1.0) - 2.2 * old(40, 25)),
        brow=float(np.clip(6.2 - 1.5 * cue(), 3, 10)),
        nose=11.5 - 1.2 * cue(1.0) + rng.normal(0, 1),
        mouth=25 + rng.normal(0, 2.5),
        length=float(np.clip(0.5 + 0.6 * cue(0.45) - 0.15 * old(50, 15), 0, 1.6)),
        fringe=int(rng.integers(3)),
        part=float(rng.uniform(-40, 40)),
        hairline=float(0 if female else 34 * old(34, 32) * (rng.random() < 0.75)),
        volume=float(np.clip(16 + rng.normal(0, 4) - 5 * old(50, 20), 6, 26)),
        shoulders=150 - 13 * cue() + rng.normal(0, 5),
        beard=0.0 if female else float(np.clip(rng.normal(0.15, 0.35), 0, 1)),
        wrinkles=old(38, 26),
        glasses=int(rng.random() < 0.18 + 0.3 * old(42, 20)) * int(rng.integers(1, 3)),
        earrings=bool(rng.random() < 0.06 + 0.34 * (look > 0)),
        spots=tuple(
            (rng.uniform(-60, 60), rng.uniform(-60, 90)) for _ in range(rng.integers(0, 3))
        ),
    )
