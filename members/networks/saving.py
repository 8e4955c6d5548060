"""Trained weights to bytes and files, in the safetensors format, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from members import files
from members.errors import BadInput

Weights = Mapping[str, torch.Tensor]


def to_bytes(weights: nn.Module | Weights) -> bytes:
    """Weights in the safetensors format, every tensor contiguous."""
    return safetensors.torch.save(_plain(weights))


def save(weights: nn.Module | Weights, path: str | Path) -> None:
    """Write weights as safetensors; the file appears complete or not at all."""
    with files.replacing(path) as unfinished:
        safetensors.torch.save_file(_plain(weights), unfinished)


def _plain(weights: nn.Module | Weights) -> dict[str, torch.Tensor]:
    weights = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # own memory for each tensor: the format has no strides (channels last) and no sharing
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }


def load(model: nn.Module, path: str | Path) -> nn.Module:
    """Read what `save` wrote into `model`; raises as `load_bytes` does."""
    return load_bytes(model, Path(path).read_bytes(), described=str(path))


def load_bytes(
    model: nn.Module, content: bytes, described: str = "weights", *, halved: bool = False
) -> nn.Module:
    """Read what `to_bytes` made into `model`, and return it.

    described: of `content`, for the error. halved: what was kept in 16 bits is taken for 32. Raises
    BadInput where they cannot be read, or a tensor is missing, too many or of another shape or kind.
    """
    own = model.state_dict()
    try:
        given = safetensors.torch.load(content)
        for name, tensor in given.items():
            if (
                halved
                and tensor.dtype == torch.float16
                and own.get(name, tensor).dtype == torch.float32
            ):
                continue  # `load_state_dict` casts it
            if name in own and tensor.dtype != own[name].dtype:
                raise ValueError(f"{name} is {tensor.dtype} instead of {own[name].dtype}")
        model.load_state_dict(given)
    # safetensors raises KeyError for a dtype that torch has not
    except (RuntimeError, ValueError, TypeError, KeyError, safetensors.SafetensorError) as error:
        raise BadInput(f"{described} does not fit {type(model).__name__}: {error}") from error
    return model
