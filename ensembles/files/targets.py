"""Which class of each target a joint class stands for, from a table's metadata."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np


def target_indices(meta: dict[str, Any], n_classes: int) -> dict[str, np.ndarray]:
    """Target -> (K,) int, the target's class that joint class k means; {} where meta has none.

    meta["targets"]: `[[name, [class, ...]], ...]`. The joint class is their mixed radix number, the
    last target running fastest.
    """
    targets = meta.get("targets") or []
    if not all(isinstance(t, list | tuple) and len(t) == 2 for t in targets):
        return {}
    if not all(
        isinstance(name, str) and isinstance(names, list | tuple) for name, names in targets
    ):
        return {}
    sizes = [len(names) for _, names in targets]
    if not targets or int(np.prod(sizes)) != n_classes:
        return {}
    digits = np.array(list(itertools.product(*map(range, sizes))))
    return {name: digits[:, position] for position, (name, _) in enumerate(targets)}
