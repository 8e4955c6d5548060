"""What stands in the record of a unit that was trained on a GPU."""

import pytest
import torch

from members.recipe.recipe import Recipe
from orchestrator.units.record import GpuRecord
from orchestrator.worker.machine import gpu_record


@pytest.mark.parametrize(
    ("settings", "bf16", "precision", "fused"),
    [
        ({}, True, "bfloat16", True),
        ({"optimizer": "lamb"}, False, "float16", False),
        ({"mixed_precision": "off", "optimizer_args": {"fused": True}}, True, "float32", True),
    ],
)
def test_precision_and_optimiser_are_those_that_were_chosen(
    monkeypatch, settings, bf16, precision, fused
):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA T4")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    found = gpu_record(Recipe(model="test_vit", **settings), 0.25)
    assert found == GpuRecord(name="NVIDIA T4", share=0.25, precision=precision, fused=fused)
