"""The machine that a first spec is for: its cores, its memory, its GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.cluster import machine
from orchestrator.errors import WrongRequest, counted

Device = Literal["auto", "cpu", "cuda"]
_MOST_AT_ONCE = 16  # units on CPUs: a first ensemble has about as many
_LOADERS = 6  # processes that load photos for a GPU, at most


@dataclass(frozen=True)
class Machine:
    """memory, gpu_memory: bytes. gpus: how many are used. gpu: what the first is called."""

    cpus: int
    memory: int
    gpus: int = 0
    gpu: str = ""
    gpu_memory: int = 0
    without: bool = False  # whether GPUs that are there are not to be used

    @property
    def slots(self) -> int:
        """How many units are trained at once where memory allows it."""
        return self.gpus or min(self.cpus, _MOST_AT_ONCE)

    @property
    def cpus_each(self) -> int:
        return max(1, self.cpus // self.slots)

    @property
    def loaders(self) -> int:
        return min(_LOADERS, self.cpus_each - 1) if self.gpus else 0

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    def resources(self) -> dict[str, Any]:
        """`resources:` of a spec."""
        found: dict[str, Any] = {"cpus": self.cpus_each, "gpus": 0 if self.without else "auto"}
        if self.loaders:
            found["loader_workers"] = self.loaders
        return found

    def line(self) -> str:
        text = f"{counted(self.cpus, 'CPU core')}, {self.memory / 2**30:.0f} GiB of memory, "
        if self.gpus:
            text += f"{counted(self.gpus, 'GPU')} ({self.gpu}, {self.gpu_memory / 2**30:.0f} GiB)"
        else:
            text += "GPUs not used" if self.without else "no GPU"
        return f"{text}: {counted(self.slots, 'unit')} at once"


def look(device: Device) -> Machine:
    """This machine. Raises WrongRequest for a GPU that is asked for and not there. Imports torch,
    unless the device is the CPU."""
    found = Machine(machine.cpus(), machine.memory(), without=device == "cpu")
    if device == "cpu":
        return found
    import torch

    if not torch.cuda.is_available():
        if device == "cuda":
            raise WrongRequest(
                "--device cuda: torch sees no GPU here. Give --device cpu or auto, or install a build of "
                "torch for this GPU."
            )
        return found
    properties = torch.cuda.get_device_properties(0)
    return Machine(
        found.cpus,
        found.memory,
        torch.cuda.device_count(),
        properties.name,
        int(properties.total_memory),
    )
