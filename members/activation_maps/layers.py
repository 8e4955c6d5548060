"""The layers of a network that class-activation maps are read from, found by a look at one forward pass.

Wanted are the deepest outputs that still say where something is: all that the class depends on goes
through each, its cells are at most 16 pixels apart, and the class depends on its cells. Of each size of
cells there is one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from members.errors import BadInput

STRIDE = 16  # pixels of the network's input from one cell to the next, at most
FINEST = 4  # at least, where there is a coarser one: what is before it knows edges and colours
Kind = Literal["channels first", "channels last", "tokens"]
_UNEVEN = 1.5  # how far the strides of height and width may be from each other


@dataclass(frozen=True)
class Layer:
    """An output of a module. name: as of `named_modules`. grid: (rows, columns) of its cells.

    kind: (B, C, rows, columns), (B, rows, columns, C), or (B, prefix + rows * columns, C). prefix: how
    many tokens stand for no place (class and register tokens). size: (h, w) of the network's input.
    """

    name: str
    kind: Kind
    grid: tuple[int, int]
    prefix: int
    size: tuple[int, int]

    @property
    def stride(self) -> float:
        """Pixels from one cell to the next, of height or width the larger."""
        return max(side / cells for side, cells in zip(self.size, self.grid, strict=True))

    def to_map(self, output: Tensor) -> Tensor:
        """The module's output, or the gradient by it, as (B, C, rows, columns)."""
        if self.kind == "channels last":
            return output.permute(0, 3, 1, 2)
        if self.kind == "tokens":
            cells = output[:, self.prefix :].transpose(1, 2)
            return cells.reshape(len(output), -1, *self.grid)
        return output


@dataclass
class _Seen:
    """What a module gave in the pass. node: the step of the graph that its output is of."""

    layer: Layer
    output: Tensor
    node: Any


def find_layers(model: nn.Module, size: tuple[int, int]) -> list[Layer]:
    """The layers for maps of a network that sees photographs of `size` (h, w), the deepest first.

    model: as it predicts, in eval mode; (B, 3, h, w) -> (B, K). On the meta device nothing is computed,
    so whether the class depends on the cells is not looked at (of a network that reads its class from a
    class token, the last block's are not). Raises BadInput where there is no such layer.
    """
    device = next(model.parameters()).device
    noise = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    x = noise.to(device).requires_grad_(True)
    with torch.enable_grad():
        logits, seen = _pass(model, x)
        if logits.ndim != 2:
            raise BadInput(
                f"{type(model).__name__} gives {tuple(logits.shape)} for a photograph, where a "
                "class-activation map wants one figure a class"
            )
        score = logits.square().sum()
        found: list[Layer] = []
        deepest: list[Layer] = []  # for a head of zeros, whose maps are all empty
        for own in seen:
            if not _wanted(own.layer, found) or not _all_goes_through(own.node, logits, x):
                continue
            if device.type != "meta":
                deepest = deepest or [own.layer]
                (slope,) = torch.autograd.grad(score, own.output, retain_graph=True)
                if not bool(own.layer.to_map(slope).any()):
                    continue
            found.append(own.layer)
    if not found and not deepest:
        raise BadInput(_none(model, size))
    return found or deepest


def _wanted(layer: Layer, found: list[Layer]) -> bool:
    """Whether its cells are of another size than those before, and large enough or the first ones."""
    if any(layer.grid == other.grid for other in found):
        return False
    most = [math.ceil(side / FINEST) for side in layer.size]
    return not found or all(cells <= own for cells, own in zip(layer.grid, most, strict=True))


def _none(model: nn.Module, size: tuple[int, int]) -> str:
    return (
        f"{type(model).__name__} at {size[0]}x{size[1]} has no layer for class-activation maps: wanted is "
        f"an output that everything goes through, with cells at most {STRIDE} pixels apart. Ask "
        "for maps of other members, or give this one a larger image_size"
    )


def _pass(model: nn.Module, x: Tensor) -> tuple[Tensor, list[_Seen]]:
    """What the model says of `x`, and its outputs that have cells, the deepest first; of a block and
    what is inside it that end alike, the block.
    """
    found: dict[str, _Seen] = {}
    calls: Counter[str] = Counter()
    size = (int(x.shape[2]), int(x.shape[3]))

    def keep(name: str, output: object) -> None:
        calls[name] += 1
        if isinstance(output, Tensor) and output.grad_fn is not None:
            layer = _as_layer(name, output, size, model)
            if layer is not None:
                found[name] = _Seen(layer, output, output.grad_fn)

    handles = [
        module.register_forward_hook(lambda _m, _x, output, name=name: keep(name, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
    once = [own for name, own in found.items() if calls[name] == 1]
    return logits, once[::-1]


def _as_layer(name: str, output: Tensor, size: tuple[int, int], model: nn.Module) -> Layer | None:
    shape = tuple(output.shape)
    if len(shape) == 3:
        return _of_tokens(name, shape[1], size, model)
    if len(shape) != 4:
        return None
    last_first = getattr(model, "output_fmt", None) == "NHWC"  # where both would do
    ways: list[tuple[Kind, tuple[int, int]]] = [
        ("channels first", (shape[2], shape[3])),
        ("channels last", (shape[1], shape[2])),
    ]
    ways = [(kind, grid) for kind, grid in ways if _covers(grid, size)]
    if last_first:
        ways.reverse()
    if not ways:
        return None
    kind, grid = min(ways, key=lambda way: _unevenness(way[1], size))
    return Layer(name, kind, grid, 0, size)


def _of_tokens(name: str, count: int, size: tuple[int, int], model: nn.Module) -> Layer | None:
    told = int(getattr(model, "num_prefix_tokens", 0))
    for prefix in dict.fromkeys((told, 0, 1, 2)):
        for grid in _grids(count - prefix, size):
            if _covers(grid, size):
                return Layer(name, "tokens", grid, prefix, size)
    return None


def _grids(cells: int, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Grids of so many square cells that a picture of `size` can be cut into."""
    for stride in range(1, STRIDE + 1):
        for rows in {size[0] // stride, math.ceil(size[0] / stride)}:
            for columns in {size[1] // stride, math.ceil(size[1] / stride)}:
                if rows * columns == cells:
                    yield rows, columns


def _covers(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether it can be a map of a picture of `size`: fine enough, and alike both ways."""
    fine = all(side // STRIDE <= cells <= side for side, cells in zip(size, grid, strict=True))
    return fine and max(grid) > 1 and _unevenness(grid, size) < math.log(_UNEVEN)


def _unevenness(grid: tuple[int, int], size: tuple[int, int]) -> float:
    return abs(math.log((size[0] / max(1, grid[0])) / (size[1] / max(1, grid[1]))))


def _all_goes_through(node: Any, logits: Tensor, x: Tensor) -> bool:
    """Whether no way leads from the logits back to `x` but through `node`, a step of the graph."""
    start = x.view_as(x).grad_fn
    assert start is not None
    end = start.next_functions[0][0]
    seen, left = {node}, [logits.grad_fn]
    while left:
        step = left.pop()
        if step is None or step in seen:
            continue
        if step is end:
            return False
        seen.add(step)
        left += [before for before, _ in step.next_functions]
    return True
