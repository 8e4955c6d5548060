"""Networks in the formats of bundles: a member's written, and one of a bundle asked.

The networks of a member differ in their weights alone; so one of them is traced, and the others are the
same graph with other weights. Each is compared with torch before it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from members.errors import first_line
from members.networks import saving
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.inference.bundles import onnx_files, torch_files
from orchestrator.inference.bundles.graphs.network import (
    HalvedGraph,
    NetworkGraph,
    halved_names,
    is_halved,
    rounded,
)
from orchestrator.inference.bundles.record import SUFFIX, Kind
from orchestrator.inference.bundles.run_file import Ask, of_tensors
from orchestrator.inference.networks import load_network
from orchestrator.inference.parts import Network, Part

TOLERANCE = 1e-4  # of a probability, between a file and the network that it was made of
FOLDER = "networks"
_UNIT = re.compile(r"(fold-(?:\d+|all)(?:-seed-\d+)?)(?:/|$)")
_SOUP = re.compile(r"/((?:fold-\d+-)?soup)/[^/]+$")


@dataclass(frozen=True)
class Written:
    """A network's file: its content, and how far its probabilities are from the network's own on the
    pixels that it was asked about, the largest difference. from_half: how much of that is because of
    the 16 bits, 0 without `half`. said: (n, k) float32 of the network itself.
    """

    network: Network
    file: str
    content: bytes
    deviation: float
    from_half: float
    said: np.ndarray


def file_names(part: Part, kind: Kind) -> list[str]:
    """Where a member's networks go, named by member, fold and seed."""
    found: dict[str, None] = {}
    for i, network in enumerate(part.networks):
        unit = _SOUP.search(network.place) or _UNIT.search(network.place)
        name = f"{FOLDER}/{part.name}-{unit[1] if unit else i}{SUFFIX[kind]}"
        found.setdefault(name if name not in found else f"{FOLDER}/{part.name}-{i}{SUFFIX[kind]}")
    return list(found)


def written(part: Part, n_classes: int, kind: Kind, half: bool) -> Iterator[Written]:
    """A member's networks in the format `kind`, one after the other.

    half: weights in 16 bits. Raises WrongRequest for weights that are missing or damaged, RunFailed
    where torch cannot express a network in that format, or what it wrote answers otherwise.
    """
    pixels = example_pixels(part.seen.size)
    writers: dict[str, type[_OnnxWriter | _TorchWriter | _WeightsWriter]] = {
        "onnx": _OnnxWriter,
        "torch": _TorchWriter,
        "safetensors": _WeightsWriter,
    }
    write = writers[kind]()
    for network, file in zip(part.networks, file_names(part, kind), strict=True):
        model, recipe = load_network(network, n_classes, "cpu")
        graph = NetworkGraph(model, recipe)
        with torch.inference_mode():
            own = graph(torch.from_numpy(pixels)).numpy()
            expected = rounded(graph)(torch.from_numpy(pixels)).numpy() if half else own
        try:
            content, ask = write(graph, half, f"{part.name}: {file}", pixels)
        except (RunFailed, WrongRequest):
            raise
        except Exception as error:  # exporters raise what they like
            raise RunFailed(
                f"{part.name}: {recipe.model} cannot be written as {kind} ({first_line(error)}). "
                "Give another --format (safetensors takes every network), or a --vote without it."
            ) from error
        # of one row, and of another number of rows than it was traced with
        asked = np.concatenate([ask(pixels[:1]), ask(pixels[1:])])
        deviation = float(np.abs(asked - expected).max())
        if not deviation <= TOLERANCE:
            raise RunFailed(
                f"{part.name}: {recipe.model} written as {kind} answers otherwise than the network: by "
                f"{deviation:.1g} in probability, and at most {TOLERANCE:g} is allowed. Give another "
                "--format (safetensors takes every network), or a --vote without this member."
            )
        from_half = float(np.abs(asked - own).max()) if half else 0.0
        yield Written(network, file, content, deviation, from_half, own)


def example_pixels(size: tuple[int, int], n: int = 6) -> np.ndarray:
    """(n, h, w, 3) uint8, always the same: half of them noise, half of them smooth."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (n // 2, *size, 3), dtype=np.uint8)
    coarse = torch.from_numpy(rng.random((n - n // 2, 3, 4, 4)) * 255)
    smooth = nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 255)
    return np.concatenate([noise, smooth.permute(0, 2, 3, 1).numpy().astype(np.uint8)])


def _example(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels[:3])


class _OnnxWriter:
    def __init__(self) -> None:
        self.model: Any = None

    def __call__(
        self, graph: NetworkGraph, half: bool, what: str, pixels: np.ndarray
    ) -> tuple[bytes, Ask]:
        if self.model is None:
            self.model = onnx_files.graph_of(graph, [_example(pixels)], ["pixels"])
        model = onnx_files.with_weights(self.model, graph.state_dict())
        content = onnx_files.to_bytes(
            onnx_files.halved(model, halved_names(graph)) if half else model, what
        )
        return content, onnx_files.Session(content).run


class _TorchWriter:
    def __init__(self) -> None:
        self.program: Any = None

    def __call__(
        self, graph: NetworkGraph, half: bool, what: str, pixels: np.ndarray
    ) -> tuple[bytes, Ask]:
        module = HalvedGraph(graph) if half else graph
        if self.program is None:
            self.program = torch_files.program_of(module, [_example(pixels)])
        else:
            torch_files.set_weights(self.program, module.state_dict())
        content = torch_files.to_bytes(self.program)
        return content, of_tensors(torch_files.loaded(content), "cpu")


class _WeightsWriter:
    def __call__(
        self, graph: NetworkGraph, half: bool, what: str, pixels: np.ndarray
    ) -> tuple[bytes, Ask]:
        state = graph.model.state_dict()
        if half:
            state = {name: v.half() if is_halved(v) else v for name, v in state.items()}
        content = saving.to_bytes(state)
        saving.load_bytes(graph.model, content, what, halved=True)

        def ask(own: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return graph(torch.from_numpy(own)).numpy()

        return content, ask
