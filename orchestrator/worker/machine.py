"""What a unit was trained with, for its record: versions of libraries, and what was chosen on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.units.record import GpuRecord

if TYPE_CHECKING:
    from members.recipe.recipe import Recipe


def versions() -> dict[str, str]:
    """Name -> version of the libraries that decide a result."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "timm", "albumentations", "numpy")}


def gpu_record(recipe: Recipe, share: float) -> GpuRecord:
    """share: of the GPU, 0 to 1."""
    import torch

    from members.batches.device_steps import steps_on
    from members.pixels.augment import chain_of
    from members.training.optim import takes_fused
    from members.training.precision import precision

    dtype = precision(recipe, "cuda") or torch.float32
    return GpuRecord(
        name=torch.cuda.get_device_name(),
        share=share,
        precision=str(dtype).removeprefix("torch."),
        fused=takes_fused(recipe) or bool(recipe.optimizer_args.get("fused")),
        augmented=steps_on("cuda", chain_of(recipe)),
    )
