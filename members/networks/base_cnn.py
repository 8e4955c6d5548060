"""The baseline's own network, known to timm by the name `base_cnn`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from members.networks.timm_import import timm

default_cfgs = timm.models.generate_default_cfgs(
    {
        "base_cnn": {
            "input_size": (3, 128, 96),
            "mean": (0.548, 0.504, 0.479),
            "std": (0.237, 0.247, 0.246),
            "first_conv": "conv1",
            "classifier": "fc",
        }
    }
)


class BaseCnn(nn.Module):
    """Three convolutions, a mean over the picture, one linear layer: 0.1 million weights.

    (B, 3, h, w) -> (B, num_classes), h and w at least 16.
    """

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, drop_rate: float = 0.25):
        super().__init__()
        self.num_classes, self.num_features = num_classes, 128
        self.conv1 = nn.Conv2d(in_chans, 32, kernel_size=7)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.conv3 = nn.Conv2d(64, 128, kernel_size=3)
        self.drop2, self.drop3 = nn.Dropout(drop_rate), nn.Dropout(drop_rate)
        self.fc = nn.Linear(128, num_classes)

    def get_classifier(self) -> nn.Module:
        """The last layer, under the name that timm calls it by."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))  # (B, 32, h - 6, w - 6)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = self.drop2(x)
        x = nn.functional.max_pool2d(torch.relu(self.conv3(x)), 2)
        x = self.drop3(x)
        return self.fc(x.mean((2, 3)))


@timm.models.register_model
def base_cnn(pretrained: bool = False, **kwargs) -> BaseCnn:
    """What timm calls for the name; `kwargs` go to BaseCnn."""
    return timm.models.build_model_with_cfg(BaseCnn, "base_cnn", pretrained, **kwargs)
