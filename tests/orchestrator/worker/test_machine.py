"""What stands in the record of a unit that was trained on a GPU."""

import pytest
import torch

from members.recipe.recipe import Recipe
from orchestrator.units.record import GpuRecord
from orchestrator.worker.machine import gpu_record


@pytest.mark.parametrize(
    ("settings", "bf16", "precision", "fused", "augmented"),
    [
        ({}, True, "bfloat16", True, ()),
        (
            {"optimizer": "lamb", "augmentation": "custom"},
            False,
            "float16",
            False,
            ("ColorJitter",),
        ),
        (
            {
                "mixed_precision": "off",
                "optimizer_args": {"fused": True},
                "augmentation": "resized_crop",
            },
            True,
            "float32",
            True,
            ("HorizontalFlip",),
        ),
    ],
)
def test_precision_optimiser_and_augmentation_are_those_that_were_chosen(
    monkeypatch, settings, bf16, precision, fused, augmented
):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA T4")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    found = gpu_record(Recipe(model="test_vit", **settings), 0.25)
    assert found == GpuRecord(
        name="NVIDIA T4", share=0.25, precision=precision, fused=fused, augmented=augmented
    )


def test_a_record_of_before_says_nothing_of_augmentation():
    found = GpuRecord(name="NVIDIA T4", share=1, precision="bfloat16", fused=True)
    assert found.augmented == ()
