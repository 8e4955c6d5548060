"""Modules as programs of torch.export (`.pt2`), which need torch alone: written and run."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from orchestrator.inference.bundles.onnx_files import free_rows

Run = Callable[..., Tensor]


def program_of(module: nn.Module, examples: Sequence[Tensor]) -> ExportedProgram:
    """The module for any number of rows. examples: of two rows or more. Raises what torch does."""
    with warnings.catch_warnings(action="ignore"):
        return torch.export.export(
            module,
            tuple(examples),
            dynamic_shapes=free_rows(len(examples), module),
            strict=False,
        )


def set_weights(program: ExportedProgram, state: Mapping[str, Tensor]) -> None:
    """Another network's weights, in place."""
    for name, own in program.state_dict.items():
        own.copy_(state[name])


def to_bytes(program: ExportedProgram) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.export.save(program, content)
    return content.getvalue()


def loaded(content: bytes, device: str = "cpu") -> Run:
    """What `to_bytes` made, as a function of tensors. Raises what torch does where it is another thing.

    A program is one: load only what comes from where you trust.
    """
    from torch.export.passes import move_to_device_pass

    with warnings.catch_warnings(action="ignore"):
        program = torch.export.load(io.BytesIO(content))
        if device != "cpu":
            program = move_to_device_pass(program, device)
        return program.module()
