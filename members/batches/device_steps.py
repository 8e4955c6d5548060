"""What a chain does to photographs, done to whole batches on their device.

The steps at the end of a chain that have a counterpart here move to a GPU; those before one that has none
stay with it in the loader's processes, which draw the numbers of all steps as if they carried all of them
out. So a photo is varied alike on either: what albumentations makes of it and what is made of it here differ
by one level of 255 at most, step by step, and only where colours are computed in floats.

A batch is (B, h, w, 3) uint8, before normalising, and so is what comes out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from members.recipe.chains import Chain


class Step(NamedTuple):
    """A transform of albumentations for batches.

    numbers: name of what it draws for a photo -> how many numbers that is. vary: (photos (b, h, w, 3) uint8,
    their numbers (b, n) float64 on the CPU) -> as the photos. can: whether it does what the transform does
    with its arguments.
    """

    numbers: Mapping[str, int]
    vary: Callable[[Tensor, Tensor], Tensor]
    can: Callable[[Mapping[str, Any]], bool] = lambda arguments: True

    @property
    def width(self) -> int:
        """Of its numbers in a row, the first of which says whether the photo is varied."""
        return 1 + sum(self.numbers.values())


def steps_on(device: str, chain: Chain) -> tuple[str, ...]:
    """Names of the chain's steps that are carried out on `device`: none on a CPU, where photos are varied as
    they are read."""
    return last_steps(chain) if torch.device(device).type == "cuda" else ()


def last_steps(chain: Chain) -> tuple[str, ...]:
    """Names of the steps at the end of the chain that can be carried out on batches; () where its last
    cannot, or a policy follows."""
    found: list[str] = []
    for name, arguments in reversed(chain.transforms if chain.policy is None else ()):
        if name not in STEPS or not STEPS[name].can(arguments):
            break
        found.insert(0, name)
    return tuple(found)


def vary_batch(photos: Tensor, names: Sequence[str], drawn: Tensor) -> Tensor:
    """The photos (B, h, w, 3) uint8, on any device, varied by each of the steps in turn; changed in place.

    drawn: (B, the steps' widths) float64 on the CPU, a row a photo, as its loader drew them.
    """
    for name, numbers in zip(names, drawn.split([STEPS[n].width for n in names], 1), strict=True):
        # chosen on the CPU: nobody waits for the device
        chosen = numbers[:, 0].nonzero()[:, 0]
        if len(chosen):
            rows = _to(chosen, photos)
            photos[rows] = STEPS[name].vary(photos[rows], numbers[chosen, 1:])
    return photos


def _to(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, non_blocking=True)


# -- levels: as a table of 256 for each photo would be, cut off like one -------------------------------


def _scaled(photos: Tensor, factor: Tensor, more: Tensor | None = None) -> Tensor:
    """`factor` times each level plus `more`, (b,) each, in float32; cut off at 0 and 255, to whole levels."""
    levels = photos.float().mul_(_column(factor.float(), photos))
    if more is not None:
        levels.add_(_column(more.float(), photos))
    return levels.clamp_(0, 255).byte()


def _column(values: Tensor, photos: Tensor) -> Tensor:
    """(b, 1, 1, 1), where the photos are."""
    return _to(values, photos).view(-1, 1, 1, 1)


def _brightness_contrast(photos: Tensor, numbers: Tensor) -> Tensor:
    return _scaled(photos, numbers[:, 0], numbers[:, 1])


def _solarized(photos: Tensor, numbers: Tensor) -> Tensor:
    above = photos.double() >= _column(numbers[:, 0] * 255, photos)
    return torch.where(above, 255 - photos, photos)


# -- colours, as OpenCV computes them ------------------------------------------------------------------


def _gray(photos: Tensor) -> Tensor:
    """(b, h, w, 1) int32: .299 red + .587 green + .114 blue, in whole numbers."""
    red, green, blue = photos.int().split(1, 3)
    return (red * 9798 + green * 19235 + blue * 3735 + (1 << 14)) >> 15


def _of_gray(photos: Tensor, numbers: Tensor) -> Tensor:
    return _gray(photos).byte().expand(-1, -1, -1, 3)


def _brightness(photos: Tensor, factor: Tensor) -> Tensor:
    return _scaled(photos, factor)


def _contrast(photos: Tensor, factor: Tensor) -> Tensor:
    mean = _gray(photos).double().mean((1, 2, 3))
    return _scaled(photos, factor, mean * _to(1 - factor, photos))


def _saturation(photos: Tensor, factor: Tensor) -> Tensor:
    own, other = _column(factor.float(), photos), _column((1 - factor).float(), photos)
    of_gray = _gray(photos).float().mul_(other)
    # multiplied and added with one rounding, as OpenCV's vector instructions do
    own = photos.double().mul_(own).add_(of_gray).float()
    return own.round_().clamp_(0, 255).byte()


def _hue(photos: Tensor, factor: Tensor) -> Tensor:
    hue, saturation, value = _to_hsv(photos)
    turned = _turned(hue, 180 * factor)
    changed = _to_rgb(turned, saturation, value)
    return torch.where(_column(factor == 0, photos), photos, changed)


_JITTER = (_brightness, _contrast, _saturation, _hue)


def _jittered(photos: Tensor, numbers: Tensor) -> Tensor:
    """Each photo's four changes in its own order."""
    factors, order = numbers[:, :4], numbers[:, 4:]
    for place in order.unbind(1):
        for kind, change in enumerate(_JITTER):
            chosen = (place == kind).nonzero()[:, 0]
            if len(chosen):
                rows = _to(chosen, photos)
                photos[rows] = change(photos[rows], factors[chosen, kind])
    return photos


def _shifted(photos: Tensor, numbers: Tensor) -> Tensor:
    hue, saturation, value = _to_hsv(photos)
    by_hue, by_saturation, by_value = numbers.unbind(1)
    more = torch.where(saturation > 0, _added(saturation, by_saturation), saturation)
    changed = _to_rgb(_turned(hue, by_hue), more, _added(value, by_value))
    return torch.where(_column((numbers == 0).all(1), photos), photos, changed)


def _added(levels: Tensor, more: Tensor) -> Tensor:
    """levels: (b, h, w) int32; more: (b,), cut to whole ones."""
    return (levels + _to(more.int(), levels).view(-1, 1, 1)).clamp_(0, 255)


def _turned(hue: Tensor, degrees: Tensor) -> Tensor:
    """(b, h, w) int32: half degrees, 0 to 179, and `degrees` (b,) of them further."""
    return torch.remainder(hue.double() + _to(degrees, hue).view(-1, 1, 1), 180).int()


def _to_hsv(photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(b, h, w) int32 each: half degrees, 0 to 179; saturation and value, 0 to 255."""
    levels = photos.int()
    red, green, blue = levels.unbind(3)
    value = levels.amax(3)
    spread = value - levels.amin(3)
    own = torch.arange(256, device=photos.device, dtype=torch.float64)
    own[0] = torch.inf  # black has no saturation, and grey no hue
    by_value = ((255 << 12) / own).round().int()
    by_spread = ((180 << 12) / (6 * own)).round().int()
    saturation = (spread * by_value[value] + (1 << 11)) >> 12
    of_sector = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = (of_sector * by_spread[spread] + (1 << 11)) >> 12
    return torch.where(hue < 0, hue + 180, hue), saturation, value


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """(b, h, w, 3) uint8 of what `_to_hsv` makes."""
    sixths = hue.float() * (6 / 180)
    sector = sixths.floor()
    part = sixths - sector
    s, v = saturation.float() * (1 / 255), value.float() * (1 / 255)
    # multiplied and added with one rounding, as its vector instructions do
    fine, share = s.double(), part.double()
    low, falling = v * (1 - s), v * (1 - fine * share).float()
    rising = v * (1 - fine * (1 - part).double()).float()
    shades = torch.stack([v, low, falling, rising], 0)
    # of red, green and blue in each sixth of the circle: which of the four shades
    which = torch.tensor(
        [[0, 3, 1], [2, 0, 1], [1, 0, 3], [1, 2, 0], [3, 1, 0], [0, 1, 2]], device=hue.device
    )
    levels = shades.gather(0, which[sector.long() % 6].movedim(3, 0)).mul_(255)
    rounded = _to(_is_rounded(hue.shape[1], hue.shape[2]), hue)
    levels = torch.where(rounded, levels.round(), levels.trunc())
    return levels.clamp_(0, 255).byte().movedim(0, 3)


@functools.cache
def _is_rounded(height: int, width: int) -> Tensor:
    """(h, w) bool: where OpenCV rounds what it makes of hue, saturation and value; elsewhere it cuts off. It
    does the latter where its vector instructions reach, which differ between processors."""
    import cv2

    photo = np.full((height, width, 3), (4, 41, 239), np.uint8)  # of 205.7 of green, say
    return torch.from_numpy(cv2.cvtColor(photo, cv2.COLOR_HSV2RGB)[..., 1] == 206)


STEPS: dict[str, Step] = {
    "HorizontalFlip": Step({}, lambda photos, numbers: photos.flip(2)),
    "VerticalFlip": Step({}, lambda photos, numbers: photos.flip(1)),
    "RandomBrightnessContrast": Step(
        {"alpha": 1, "beta": 1},
        _brightness_contrast,
        # else it is drawn by the photo's mean
        can=lambda arguments: arguments.get("brightness_by_max", True),
    ),
    "ColorJitter": Step(
        {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 1, "order": 4}, _jittered
    ),
    "HueSaturationValue": Step({"hue_shift": 1, "sat_shift": 1, "val_shift": 1}, _shifted),
    "ToGray": Step(
        {},
        _of_gray,
        can=lambda arguments: arguments.get("method", "weighted_average") == "weighted_average",
    ),
    "InvertImg": Step({}, lambda photos, numbers: 255 - photos),
    "Solarize": Step({"threshold": 1}, _solarized),
}
