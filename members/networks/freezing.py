"""Weights that stay fixed while the rest of a network is trained."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from members.errors import BadInput, nearest
from members.networks.pretrained import is_head


def freeze(model: nn.Module, upto: str | None) -> None:
    """Stop learning in the whole network but its head (`backbone`), or in all that comes first.

    upto: a block of `freezable_blocks`; with it everything that the network lists before it is frozen.
    Raises BadInput for an unknown block, or where nothing would be left to learn.
    """
    if upto is None:
        return
    names = [name for name, _ in model.named_parameters()]
    if upto == "backbone":
        frozen = [name for name in names if not is_head(model, name)]
    else:
        allowed = freezable_blocks(model)
        if upto not in allowed:
            raise BadInput(
                f"freeze: this network has no block {upto!r}."
                f"{nearest(upto, ['backbone', *allowed])} Allowed: backbone, {', '.join(allowed)}"
            )
        last = max(i for i, name in enumerate(names) if name.startswith(f"{upto}."))
        frozen = names[: last + 1]
    if len(frozen) == len(names):
        raise BadInput(f"freeze: {upto} is the whole network, so nothing would learn")
    learn(model, frozen, whether=False)


def body_of(model: nn.Module) -> list[str]:
    """Names of the weights that learn, those of the head left out.

    Raises BadInput where there are none, or none of a head: it could not be trained first.
    """
    learning = [name for name, weight in model.named_parameters() if weight.requires_grad]
    body = [name for name in learning if not is_head(model, name)]
    if not body:
        raise BadInput(
            "head_first has no effect: beside what `freeze` names, the head alone learns. Leave one "
            "of them out"
        )
    if len(body) == len(learning):
        raise BadInput("head_first: which layer is this network's head is not known; leave it out")
    return body


def clear_head(model: nn.Module) -> None:
    """Set the weights of the head to zero: all classes alike, whatever the features are.

    Raises BadInput where it is not known which layer that is.
    """
    head = [weight for name, weight in model.named_parameters() if is_head(model, name)]
    if not head:
        raise BadInput("zero_head: which layer is this network's head is not known; leave it out")
    for weight in head:
        nn.init.zeros_(weight)


def learn(model: nn.Module, names: Iterable[str], *, whether: bool) -> None:
    """Have the weights called `names` learn, or not."""
    for name in names:
        model.get_parameter(name).requires_grad_(whether)


def freezable_blocks(model: nn.Module) -> list[str]:
    """What `freeze` may name: modules with weights, one or two levels deep, the head left out."""
    return [
        name
        for name, module in model.named_modules()
        if name
        and name.count(".") <= 1
        and not is_head(model, f"{name}.")
        and next(module.parameters(), None) is not None
    ]


def train_mode(model: nn.Module) -> None:
    """`model.train()`, but what is frozen as a whole stays as at test time.

    Its batch norm keeps its statistics, its dropout is off.
    """
    model.train()
    for module in model.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()
