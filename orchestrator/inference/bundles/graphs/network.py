"""A network with all that stands around it, as one module: pixels as they are in, probabilities out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call

from members.networks.models import statistics_of
from members.recipe.recipe import Recipe
from members.training.predict import looks

LARGEST_HALF = 65504.0


class NetworkGraph(nn.Module):
    """pixels (N, h, w, 3) uint8 -> (N, k) float32 probabilities, the mean over the recipe's views.

    Normalisation, views and softmax are part of it; it is what `predict` does, in float32.
    """

    normalise_mean: Tensor
    normalise_std: Tensor

    def __init__(self, model: nn.Module, recipe: Recipe):
        super().__init__()
        self.model = model
        statistics = statistics_of(recipe)
        for name in ("mean", "std"):
            values = torch.tensor(getattr(statistics, name)).view(1, 3, 1, 1) * 255
            self.register_buffer(f"normalise_{name}", values)
        self.looks = looks(recipe.views)
        self.requires_grad_(False).eval()

    def forward(self, pixels: Tensor) -> Tensor:
        x = (
            pixels.permute(0, 3, 1, 2).to(torch.float32) - self.normalise_mean
        ) / self.normalise_std
        # one batch of all pictures: the network stands in the graph once
        seen = torch.cat([look(x) for look in self.looks])
        chances = self.model(seen).softmax(-1)
        return chances.reshape(len(self.looks), -1, chances.shape[-1]).mean(0)


def is_halved(tensor: Tensor) -> bool:
    """Whether --half stores it in 16 bits: numbers that fit there."""
    return tensor.dtype == torch.float32 and bool((tensor.abs() <= LARGEST_HALF).all())


def halved_names(graph: NetworkGraph) -> set[str]:
    """The weights of the network that --half stores in 16 bits; what stands above it is six numbers."""
    state = graph.state_dict()
    return {name for name in state if name.startswith("model.") and is_halved(state[name])}


def rounded(graph: NetworkGraph) -> NetworkGraph:
    """The graph with weights as they are when 16 bits of each are kept."""
    other, names = copy.deepcopy(graph), halved_names(graph)
    state = {n: v.half().float() if n in names else v for n, v in other.state_dict().items()}
    other.load_state_dict(state)
    return other


class HalvedGraph(nn.Module):
    """As the graph it is given, whose weights it keeps in 16 bits and computes with in 32."""

    def __init__(self, graph: NetworkGraph):
        super().__init__()
        self._graph = [graph]  # no part of this module: its weights would be kept too
        self._kept, halves = {}, halved_names(graph)
        for i, (name, value) in enumerate(graph.state_dict().items()):
            self.register_buffer(f"tensor_{i}", value.half() if name in halves else value.clone())
            self._kept[name] = (f"tensor_{i}", value.dtype)

    def forward(self, pixels: Tensor) -> Tensor:
        state = {name: getattr(self, own).to(dtype) for name, (own, dtype) in self._kept.items()}
        return functional_call(self._graph[0], state, (pixels,))
