"""A training process: what it has for all the units that it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from members.training.ranks import Ranks
from orchestrator.photographs.table import codec_of
from orchestrator.runs.store import Store
from orchestrator.units.unit import Unit
from orchestrator.worker.inputs import Inputs
from orchestrator.worker.job import Setup
from orchestrator.worker.pulse import Pulse


@dataclass(frozen=True)
class Process:
    """What a training process has for all its units."""

    setup: Setup
    store: Store
    inputs: Inputs
    ranks: Ranks
    pulse: Pulse

    @property
    def device(self) -> str:
        import torch

        return "cuda" if torch.cuda.is_available() and self.setup.gpus else "cpu"

    def options(self) -> dict[str, Any]:
        """What fitting and predicting have in common."""
        return {
            "device": self.device,
            "loader_workers": self.setup.loader_workers,
            "on_step": self.pulse,
            "ranks": self.ranks,
        }

    def n_classes(self, unit: Unit) -> int:
        return len(codec_of(unit.member, self.inputs.photographs.codec).classes)
