"""Networks for a first ensemble, in tiers from the smallest to the largest; of one tier, families differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# a side of fewer pixels leaves nothing to see after five halvings
LEAST_SIDE = 64


@dataclass(frozen=True)
class Network:
    """A timm model, by the tag of the weights that fine-tuning starts from.

    rate, tuned: learning rates from a random start and from published weights. multiple: what sides must
    be divisible by; fixed: the one side of its square pictures; None: any. more: keys of its recipe.
    needs_weights: learns too slowly from a random start.
    """

    name: str
    model: str
    family: str
    rate: float
    tuned: float
    multiple: int = 1
    fixed: int | None = None
    needs_weights: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def keys(self, from_weights: bool) -> dict[str, Any]:
        """Its model and rate as recipe keys; without weights the tag is of no use."""
        model = self.model if from_weights else self.model.partition(".")[0]
        return {"model": model, "lr": self.tuned if from_weights else self.rate, **self.more}


@dataclass(frozen=True)
class Tier:
    """side: pixels of the short side, or less where photographs are smaller."""

    name: str
    side: int
    networks: tuple[Network, ...]

    def usable(self, from_weights: bool) -> list[Network]:
        return [own for own in self.networks if from_weights or not own.needs_weights]


_SMOOTH = {"loss": "label_smoothing"}
TIERS = (
    Tier(
        "tiny", 72,
        (
            Network("effnet", "test_efficientnet.r160_in1k", "EfficientNet", 5e-3, 2e-3),
            Network("resnet", "test_resnet.r160_in1k", "ResNet", 1e-2, 2e-3, more=_SMOOTH),
            Network("byobnet", "test_byobnet.r160_in1k", "RegNet-like", 5e-3, 2e-3),
            Network("convnext", "test_convnext.r160_in1k", "ConvNeXt", 2e-3, 1e-3),
        ),
    ),
    Tier(
        "small", 96,
        (
            Network("mobilenet", "mobilenetv3_small_100.lamb_in1k", "MobileNet", 3e-3, 1e-3),
            Network("regnet", "regnetx_002.pycls_in1k", "RegNet", 3e-3, 1e-3, more=_SMOOTH),
            Network("resnet10", "resnet10t.c3_in1k", "ResNet", 3e-3, 5e-4),
            Network("convnext", "convnext_atto.d2_in1k", "ConvNeXt", 1e-3, 4e-4, needs_weights=True),
            Network("lcnet", "lcnet_100.ra2_in1k", "LCNet", 3e-3, 1e-3),
        ),
    ),
    Tier(
        "medium", 160,
        (
            Network("effnet", "efficientnet_lite0.ra_in1k", "EfficientNet", 2e-3, 5e-4),
            Network("resnet18", "resnet18.a1_in1k", "ResNet", 2e-3, 4e-4, more=_SMOOTH),
            Network("convnext", "convnext_femto.d1_in1k", "ConvNeXt", 1e-3, 3e-4, needs_weights=True),
            Network("vit", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", "ViT", 1e-3, 1e-4, 16,
                    needs_weights=True),
            Network("regnet", "regnety_004.tv2_in1k", "RegNet", 2e-3, 5e-4),
        ),
    ),
    Tier(
        "large", 224,
        (
            Network("effnet_b0", "efficientnet_b0.ra_in1k", "EfficientNet", 1e-3, 3e-4),
            Network("resnext50", "resnext50_32x4d.fb_swsl_ig1b_ft_in1k", "ResNeXt", 1e-3, 2e-4,
                    more=_SMOOTH),
            Network("convnext", "convnext_tiny.in12k_ft_in1k", "ConvNeXt", 5e-4, 1e-4, 1,
                    needs_weights=True),
            Network("swin", "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k", "Swin", 5e-4, 5e-5,
                    fixed=224, needs_weights=True),
            Network("vit", "vit_small_patch16_224.augreg_in21k_ft_in1k", "ViT", 5e-4, 5e-5, 16,
                    needs_weights=True, more={"layer_decay": 0.75}),
            Network("resnet34", "resnet34.a1_in1k", "ResNet", 1e-3, 3e-4),
        ),
    ),
    Tier(
        "very large", 320,
        (
            Network("effnet_b4", "efficientnet_b4.ra2_in1k", "EfficientNet", 1e-3, 2e-4),
            Network("resnext101", "resnext101_32x8d.fb_swsl_ig1b_ft_in1k", "ResNeXt", 1e-3, 1e-4,
                    more=_SMOOTH),
            Network("convnext", "convnext_base.fb_in22k_ft_in1k", "ConvNeXt", 5e-4, 5e-5,
                    needs_weights=True),
            Network("swin", "swin_base_patch4_window12_384.ms_in22k", "Swin", 5e-4, 2e-5, fixed=384,
                    needs_weights=True),
            Network("vit", "vit_base_patch16_224.augreg2_in21k_ft_in1k", "ViT", 5e-4, 5e-5, fixed=224,
                    needs_weights=True, more={"layer_decay": 0.75}),
            Network("resnet50", "resnet50.a1_in1k", "ResNet", 1e-3, 2e-4),
        ),
    ),
)  # fmt: skip
FEWEST, MOST = 3, 5  # members
EVERY: Sequence[Network] = [own for tier in TIERS for own in tier.networks]


def image_size(network: Network, side: int, photo: tuple[int, int]) -> tuple[int, int]:
    """(height, width) that a network sees of photographs mostly of the size `photo`.

    The short side has `side` pixels, or the photo's own where that is less, but never below
    `LEAST_SIDE`; the shape is kept up to two to one, in multiples that suit the network.
    """
    if network.fixed is not None:
        return network.fixed, network.fixed
    multiple = max(8, network.multiple)
    short = max(LEAST_SIDE, min(side, min(photo)))
    unit = short / min(photo)
    sides = [min(own * unit, 2 * short) for own in photo]
    height, width = (max(multiple, round(own / multiple) * multiple) for own in sides)
    return height, width
