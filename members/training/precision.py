"""The number format of a network's arithmetic."""

from __future__ import annotations

from contextlib import nullcontext

import torch

from members.errors import BadInput
from members.recipe.recipe import Recipe


def precision(recipe: Recipe, device: str) -> torch.dtype | None:
    """The number format for the network's arithmetic; None: plain float32. Raises BadInput."""
    on_gpu = torch.device(device).type == "cuda"
    choice = recipe.mixed_precision
    if choice == "off" or (choice == "auto" and not on_gpu):
        return None
    if choice == "fp16" and not on_gpu:
        raise BadInput(
            f"mixed_precision: fp16 needs a CUDA device, this unit runs on {device}; use auto, "
            "bf16 or off"
        )
    if choice == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    return torch.bfloat16 if choice == "bf16" else torch.float16


def autocast(recipe: Recipe, device: str):
    """Context in which the network runs in the format of `precision`."""
    dtype = precision(recipe, device)
    return nullcontext() if dtype is None else torch.autocast(torch.device(device).type, dtype)
