"""The mean of several networks' weights: a soup.

Wortsman, Ilharco, Gadre, Roelofs, Gontijo-Lopes, Morcos, Namkoong, Farhadi, Carmon, Kornblith, Schmidt
2022, Model soups, arXiv:2203.05482. Networks that were fine-tuned from the same weights often lie in one
basin of the loss, where their mean is as good as they are; those from random weights do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from members.errors import BadInput

Weights = Mapping[str, torch.Tensor]
_STATISTICS = (".running_mean", ".running_var")


def mean_weights(networks: Iterable[Weights]) -> dict[str, torch.Tensor]:
    """Tensors by name, each the mean over the networks, in its own dtype; counters are the first's.

    Sums are in float64, and one network at a time is looked at. Raises BadInput where there is no
    network, or tensors differ in name or shape.
    """
    first: dict[str, torch.Tensor] = {}
    sums: dict[str, torch.Tensor] = {}
    count = 0
    for count, weights in enumerate(networks, start=1):
        if count == 1:
            first = dict(weights)
            sums = {n: t.double() for n, t in first.items() if t.is_floating_point()}
            continue
        differ = [
            name
            for name in sorted({*first, *weights})
            if name not in first or name not in weights or first[name].shape != weights[name].shape
        ]
        if differ:
            raise BadInput(
                f"network {count} has other tensors than the first: {', '.join(differ[:3])}"
                f"{' ...' if len(differ) > 3 else ''}; networks of one architecture have a mean"
            )
        sums = {name: total + weights[name].double() for name, total in sums.items()}
    if not count:
        raise BadInput("no network was given, and the mean of none is nothing")
    return {n: (sums[n] / count).to(t.dtype) if n in sums else t for n, t in first.items()}


def norms_that_differ(networks: Iterable[Weights]) -> list[str]:
    """Names of the batch norms whose statistics are not the same in all networks: those that learned."""
    first: Weights = {}
    found: dict[str, None] = {}
    for number, weights in enumerate(networks):
        if not number:
            first = weights
        for name, tensor in weights.items():
            if name.endswith(_STATISTICS) and not torch.equal(tensor, first[name]):
                found.setdefault(name.rpartition(".")[0])
    return list(found)
