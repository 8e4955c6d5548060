"""A fitted second level as one file of arrays (safetensors), and back: the same bits."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

import numpy as np
import safetensors
import safetensors.numpy

from ensembles.second_level import trees
from ensembles.second_level.cross_fit import CrossFit, Stacker
from ensembles.second_level.logistic import Logistic
from ensembles.second_level.stack import INSTALL, FittedStack
from ensembles.second_level.trees import Trees
from orchestrator.errors import WrongRequest


def to_bytes(stack: FittedStack) -> bytes:
    """Of each stacker i: `weights.i` (M,), `offsets.i` (K,), `confusions.i` (M K, K) where it has
    any; of one of trees the same of the pool below it, `rounds.i` and LightGBM's own text,
    `booster.i`, as UTF-8.
    """
    arrays: dict[str, np.ndarray] = {}
    for i, stacker in enumerate(stack.fit.stackers):
        pool = stacker
        if isinstance(stacker, Trees):
            pool = stacker.pool
            arrays[f"rounds.{i}"] = np.array([stacker.rounds], np.int64)
            if stacker.rounds:
                text = stacker.booster.model_to_string(num_iteration=stacker.rounds)
                arrays[f"booster.{i}"] = np.frombuffer(text.encode(), np.uint8)
        assert isinstance(pool, Logistic)
        arrays[f"weights.{i}"], arrays[f"offsets.{i}"] = pool.weights, pool.offsets
        if pool.confusions is not None:
            arrays[f"confusions.{i}"] = np.ascontiguousarray(pool.confusions)
    return safetensors.numpy.save(arrays)


def from_bytes(of: Sequence[str], content: bytes, name: str) -> FittedStack:
    """of: the members below it. name: of the file, for messages. Raises WrongRequest where it is no
    second level, or needs LightGBM and that is not installed.
    """
    try:
        arrays = safetensors.numpy.load(content)
        n = sum(own.startswith("weights.") for own in arrays)
        stackers = [_stacker(arrays, i, name) for i in range(n)]
        n_classes = len(arrays["offsets.0"])
    except (KeyError, safetensors.SafetensorError, UnicodeDecodeError) as error:
        raise WrongRequest(
            f"{name}: no fitted second level ({error}). Export the bundle again."
        ) from None
    # what it was fitted to is no part of a bundle
    none = np.empty((0, n_classes))
    fit = CrossFit(np.empty(0, np.int64), none, stackers, [])
    return FittedStack(list(of), fit, none.astype(np.float32))


def _stacker(arrays: Mapping[str, np.ndarray], i: int, name: str) -> Stacker:
    weights, offsets = arrays[f"weights.{i}"], arrays[f"offsets.{i}"]
    pool = Logistic(weights, offsets, arrays.get(f"confusions.{i}"), 0.0)
    if f"rounds.{i}" not in arrays:
        return pool
    rounds, booster = int(arrays[f"rounds.{i}"][0]), None
    if rounds:
        if not trees.is_installed():
            raise WrongRequest(
                f"{name}: a second level of trees needs the package {trees.PACKAGE}, which is not "
                f"installed. Install it: {INSTALL}"
            )
        text = arrays[f"booster.{i}"].tobytes().decode()
        booster = importlib.import_module(trees.PACKAGE).Booster(model_str=text)
    return Trees(pool, booster, rounds)
