"""An ensemble of two untrained networks and a few drawn photographs, two of which are broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ensembles.rules.pools import Rule
from ensembles.voting.record import VoteRecord
from members import files
from members.data.codec import Codec
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from orchestrator.inference.parts import Network, Part, Seen, Trained
from orchestrator.inference.photos import Photo

CODEC = Codec({"label": ("cat", "dog", "fox")})
SIZES = {"small": (32, 32), "large": (40, 32)}


def ensemble(folder: Path, seed: int = 0) -> Trained:
    """Two members that see photographs in two sizes, the first with two networks."""
    torch.manual_seed(seed)
    parts = []
    for name, size in SIZES.items():
        recipe = Recipe(model="test_resnet", image_size=size, pretrained=False, batch_size=4)
        networks = []
        for number in range(2 if name == "small" else 1):
            place = folder / f"{name}-{seed}-{number}.safetensors"
            saving.save(build_model(recipe, 3, pretrained=False), place)
            networks.append(Network(str(place), None, recipe))
        parts.append(Part(name, Seen(size), tuple(networks), milliseconds=1.0))
    weights = {"small": 0.25, "large": 0.75}
    return Trained(
        name="drawn",
        place=str(folder),
        codec=CODEC,
        members=tuple(parts),
        vote="weighted",
        record=VoteRecord(mode="weighted", weights=weights, rows="test"),
        rule=Rule(np.array(list(weights.values()))),
        voters=tuple(weights),
    )


def photos(folder: Path, n: int, broken: tuple[int, ...] = ()) -> list[Photo]:
    """Pictures of noise. Those that are `broken` are text."""
    rng = np.random.default_rng(0)
    listed = []
    for number in range(n):
        path = folder / f"{number:02}.png"
        pixels = rng.integers(0, 256, (48, 40, 3), np.uint8)
        if number in broken:
            files.write_bytes(path, b"no photograph")
        else:
            Image.fromarray(pixels).save(path)
        listed.append(Photo(path.name, str(path)))
    return listed
