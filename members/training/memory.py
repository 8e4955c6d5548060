"""How much memory the training of a recipe takes, found out before it begins and without taking it.

    memory = memory_of(recipe, n_classes=18)
    memory.total        # bytes of the process that trains it on a CPU

A batch goes through the network and back on torch's meta device, where tensors have sizes and no
content; what lives at once is added up. What a process has before it trains was measured, as was
how much more an allocator holds than it has given out (`benchmarks/memory.py`).
"""

from __future__ import annotations

import functools
import math
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from members.batches.mixing import seen
from members.networks.checkpointing import checkpoint
from members.networks.freezing import train_mode
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.optim import create_optimizer

# of a process that has imported Ray, torch, timm and albumentations, shared libraries included
PROCESS = 570 << 20
# of a loader's process, beside what it shares with the one that started it
LOADER = 120 << 20
_PREFETCHED = 2  # batches that each loader's process has ready
_HELD = 1.2  # bytes that the allocator holds for each that lives at the peak
# of a recipe, what its memory depends on
_KEYS = {
    "model", "image_size", "batch_size", "validation_batch_size", "freeze", "dropout", "drop_path",
    "optimizer", "optimizer_args", "mixing", "grad_checkpointing",
}  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """Bytes on a CPU. process: before training. weights: of the network, gradients, optimiser,
    mean of the weights and best epoch. step: what a batch takes besides. saving: what writing the
    state after an epoch does, when no batch is under way. loading: of the processes that load
    photos."""

    process: int
    weights: int
    step: int
    saving: int
    loading: int

    @property
    def total(self) -> int:
        return self.process + self.weights + max(self.step, self.saving) + self.loading


def memory_of(recipe: Recipe, n_classes: int, ranks: int = 1, loader_workers: int = 0) -> Memory:
    """Of one of the `ranks` processes that divide each batch, with its loader's processes.

    Raises BadInput where the network cannot be built.
    """
    # at the largest size, as if it trained and predicted there
    largest = max((recipe.image_size, *recipe.sizes), key=math.prod)
    recipe = recipe.model_copy(update={"image_size": largest})
    relevant = recipe.model_dump_json(include=_KEYS)  # members often share a network
    averages = recipe.ema is not None or recipe.swa is not None
    return _memory_of(relevant, averages, recipe.margin, n_classes, ranks, loader_workers)


@functools.lru_cache(maxsize=256)
def _memory_of(
    relevant: str,
    averages: bool,
    margin: float | None,
    n_classes: int,
    ranks: int,
    loader_workers: int,
) -> Memory:
    recipe = Recipe.model_validate_json(relevant)
    model = build_model(recipe, n_classes, device="meta", pretrained=False)
    checkpoint(model, recipe)
    own = _bytes(model.state_dict().values())
    learning = _bytes(p for p in model.parameters() if p.requires_grad)
    optimizer = round(learning * _state_share(recipe))
    mean = own if averages else 0
    saved = 2 * own + optimizer + mean  # best weights, last weights, optimiser, mean
    # the epochs after `last_epoch` are of whole batches
    last = (recipe.mixing.last_epoch if recipe.mixing else None) or 0
    batch = -(-seen(recipe.mixing, last, recipe.batch_size) // ranks)
    pixels = 3 * recipe.image_size[0] * recipe.image_size[1]
    read = batch * pixels * (2 if recipe.mixing else 1)  # with partners
    copies = round(read * margin**2) if margin else 0  # what photos are cut from
    step = _peak(model, recipe, batch, learns=True) + 5 * read + copies  # as bytes, and as floats
    validated = recipe.validation_batch_size or 2 * recipe.batch_size
    look = 0
    # without gradients a layer's outputs live only until the next: twice the batch takes less
    # than training does, unless little of the network is trained
    if recipe.freeze is not None or validated > 2 * recipe.batch_size:
        look = _peak(model, recipe, -(-validated // ranks), learns=False)
    return Memory(
        process=PROCESS,
        weights=2 * own + learning + optimizer + mean,  # network, best weights, gradients
        step=round(_HELD * max(step, look)),
        saving=own + optimizer + mean + saved,  # copies, and the file in memory
        loading=loader_workers * (LOADER + _PREFETCHED * read + copies),
    )


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _state_share(recipe: Recipe) -> float:
    """Bytes that the optimiser keeps for each byte of weights: of one step with a small layer."""
    layer = nn.Linear(64, 64)
    optimizer = create_optimizer(layer, recipe.model_copy(update={"layer_decay": None}))
    layer(torch.zeros(2, 64)).sum().backward()
    optimizer.step()
    state = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    return _bytes(state) / _bytes(layer.parameters())


def _peak(model: nn.Module, recipe: Recipe, batch: int, *, learns: bool) -> int:
    """The most bytes that live at once in a pass with a batch, the weights apart."""
    train_mode(model) if learns else model.eval()
    model.zero_grad(set_to_none=True)
    alive = _Alive()
    try:
        # the default device too: some networks make their position tables in forward
        with torch.device("meta"), torch.set_grad_enabled(learns), alive:
            photos = torch.empty(batch, 3, *recipe.image_size)
            logits = model(photos)
            if logits.requires_grad:
                logits.sum().backward()
    except (RuntimeError, ValueError, AssertionError):
        pass  # `check` says what cannot be trained; what only the meta device cannot, is counted so far
    grown = _bytes(p.grad for p in model.parameters() if p.grad is not None)
    model.zero_grad(set_to_none=True)
    return max(alive.most - (grown if learns else 0), 0)


class _Alive(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, each storage once, and the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._known:
            self._known.add(key)
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, key, storage.nbytes())

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
