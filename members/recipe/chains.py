"""Named augmentation chains, as data: a name is checked without importing albumentations.

A chain's crop belongs to training and test alike and happens once, when photographs are decoded.
Its transforms run on each training photo of each epoch, then its policy; on a GPU the last of them may run
there (members/batches/device_steps.py). Its noise is added on the device after normalising. At test time none
of them is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from members.recipe.blocks import known

Transform = tuple[str, dict[str, Any]]  # name in albumentations, its arguments


@dataclass(frozen=True)
class Chain:
    """One way to vary photographs.

    crop: centre crop (height, width), fractions of the photo where <= 1, else pixels; None: all.
    transforms: on uint8 pixels, in order.
    policy, color_jitter: of timm, after them (members/batches/policies.py): a string as
        `auto_augment` takes it, and how far brightness, contrast and saturation change; None, 0: none.
    noise_std: standard deviation of Gaussian noise on the normalised input; 0: none.
    """

    crop: tuple[float, float] | None = None
    transforms: tuple[Transform, ...] = ()
    policy: str | None = None
    color_jitter: float = 0.0
    noise_std: float = 0.0


_FLIP: Transform = ("HorizontalFlip", {"p": 0.5})
# eight black squares of 8 x 8 out of 512 x 384
_HOLES = {
    "num_holes_range": (8, 8),
    "hole_height_range": (8 / 512, 8 / 512),
    "hole_width_range": (8 / 384, 8 / 384),
    "p": 0.3,
}
CHAINS: dict[str, Chain] = {
    # resize and normalise only
    "base": Chain(),
    # left and right swapped for every second photo
    "flip": Chain(transforms=(_FLIP,)),
    # a part of 8 to 100 % of the area, stretched by up to a third: timm's training has it so. With
    # `margin` nothing of it is enlarged beyond its copy
    "resized_crop": Chain(
        transforms=(
            (
                "RandomResizedCrop",
                {"scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3), "area_for_downscale": "image"},
            ),
            _FLIP,
        )
    ),
    # small changes of pose and light that leave most labels as they are
    "light": Chain(
        transforms=(
            _FLIP,
            (
                "Affine",
                {
                    "translate_percent": (-0.05, 0.05),
                    "scale": (0.9, 1.1),
                    "rotate": (-10, 10),
                    "border_mode": 1,  # cv2.BORDER_REPLICATE: no black wedges at the edges
                    "p": 0.5,
                },
            ),
            ("RandomBrightnessContrast", {"brightness_limit": 0.1, "contrast_limit": 0.1}),
        )
    ),
    # 320 x 256 out of 512 x 384, as fractions so that other sizes keep the same part of the picture
    "custom": Chain(
        crop=(320 / 512, 256 / 384),
        transforms=(
            (
                "ColorJitter",
                {
                    "brightness": (0.9, 1.1),
                    "contrast": (0.9, 1.1),
                    "saturation": (0.9, 1.1),
                    "hue": (-0.1, 0.1),
                    "p": 1.0,
                },
            ),
        ),
        noise_std=1.0,
    ),
    # moved by up to a tenth, scaled, turned and sheared; black where nothing was
    "affine": Chain(
        transforms=(
            (
                "Affine",
                {
                    "translate_percent": (-0.1, 0.1),
                    "scale": (0.9, 1.1),
                    "rotate": (-15, 15),
                    "shear": (-5, 5),
                    "p": 0.5,
                },
            ),
        )
    ),
    # DeiT III (Touvron et al. 2022, arXiv:2204.07118): grey, solarized or blurred, then other colours
    "3-augment": Chain(transforms=(_FLIP,), policy="3a", color_jitter=0.3),
    # Gaussian noise of a tenth of the pixels' standard deviation
    "gaussian": Chain(noise_std=0.1),
    # 448 x 336 out of 512 x 384, then a little of everything: the chain of three EfficientNet-b4
    "heads": Chain(
        crop=(448 / 512, 336 / 384),
        transforms=(
            _FLIP,
            (
                "Affine",
                {
                    "translate_percent": (-0.0625, 0.0625),
                    "scale": (0.9, 1.1),
                    "rotate": (-45, 45),
                    "border_mode": 4,  # cv2.BORDER_REFLECT_101
                    "p": 0.3,
                },
            ),
            # as its authors wrote it; the unit is a level of 0..255, so it changes next to nothing
            (
                "HueSaturationValue",
                {"hue_shift_limit": 0.2, "sat_shift_limit": 0.2, "val_shift_limit": 0.2, "p": 0.3},
            ),
            (
                "RandomBrightnessContrast",
                {"brightness_limit": 0.1, "contrast_limit": 0.1, "p": 0.3},
            ),
            ("CoarseDropout", _HOLES),
            # variance 10 to 50 of levels of 0..255
            ("GaussNoise", {"std_range": (10**0.5 / 255, 50**0.5 / 255), "p": 0.3}),
            ("CoarseDropout", _HOLES),  # cutout
        ),
    ),
}


# transforms of albumentations that cut a photo to a size
CROPS = ("RandomResizedCrop", "RandomCrop", "RandomSizedCrop", "CenterCrop", "Resize")


def read_chain(chain: Any) -> Any:
    """`augmentation` as a recipe has it: a name of CHAINS, or [{transform: arguments}, ...].

    Raises ValueError for another name, and what is neither.
    """
    if isinstance(chain, str):
        return known("augmentation", chain, CHAINS, also="or a list of transforms")
    if not isinstance(chain, list | tuple):
        raise ValueError(f"the name of a chain, or a list of transforms; got {chain!r}")
    steps = []
    for step in chain:
        step = {step: {}} if isinstance(step, str) else step
        if not isinstance(step, dict) or len(step) != 1:
            raise ValueError(
                "each transform is a name, or one name with its arguments: "
                f"{{GaussNoise: {{p: 0.3}}}}; got {step!r}"
            )
        steps.append({name: arguments or {} for name, arguments in step.items()})
    return steps
