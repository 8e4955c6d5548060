"""A vote's rule as its record has it, and back: all in JSON but the numbers of stackers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.rules.mean import AnyRule, MeanRule, OneRule
from ensembles.rules.pools import FLOOR, Rule
from ensembles.rules.stacker import Stacker
from ensembles.voting.record import VoteRecord

# Beside vote.json: (S, K, D) float64, the coefficients of a mean's stackers in their order.
STACKERS = "stackers.npy"


def of_rule(rule: AnyRule, names: Sequence[str]) -> dict[str, Any]:
    """The fields of a record that say what its rule is, by name; its weights sum to 1."""
    if not isinstance(rule, MeanRule):
        return _of_pool(rule.to_sum_1(), names)
    rules, n_stackers = [], 0
    for share, (name, part) in zip(rule.shares.tolist(), rule.parts.items(), strict=True):
        entry: dict[str, Any] = {"name": name, "share": share}
        if isinstance(part, Stacker):
            entry |= _of_pool(part.base, names) | {"pool": "stacker", "features": part.features}
            # that of the pool below it is part of its offsets and weights
            entry |= {"temperature": part.temperature, "coefficients": n_stackers}
            n_stackers += 1
        else:
            entry |= _of_pool(part.to_sum_1(), names)
        rules.append(entry)
    weights = dict(zip(names, rule.weights.tolist(), strict=True))
    return {"weights": weights, "pool": "mean", "temperature": rule.temperature, "rules": rules}


def _of_pool(rule: Rule, names: Sequence[str]) -> dict[str, Any]:
    return {
        "weights": dict(zip(names, rule.weights.tolist(), strict=True)),
        "pool": rule.pool,
        "offsets": None if rule.offsets is None else rule.offsets.tolist(),
        "temperature": rule.temperature,
        "epsilon": rule.epsilon or None,
        "floor": rule.floor if rule.floor != FLOOR else None,
        "gradient": rule.gradient,
    }


def stackers_of(rule: AnyRule) -> bytes | None:
    """What STACKERS holds; None for a rule without any."""
    parts = rule.parts.values() if isinstance(rule, MeanRule) else ()
    found = [part.coefficients for part in parts if isinstance(part, Stacker)]
    if not found:
        return None
    content = io.BytesIO()
    np.save(content, np.stack(found), allow_pickle=False)
    return content.getvalue()


def write_stackers(rule: AnyRule, folder: Place) -> dict[str, str]:
    """STACKERS in a folder, where the rule has any, and none where not; file name -> path."""
    path, content = places.join(folder, STACKERS), stackers_of(rule)
    if content is None:
        places.remove(path)
        return {}
    places.write_bytes(path, content)
    return {STACKERS: path}


def rule_of(record: VoteRecord, folder: Place) -> AnyRule:
    """The rule of a vote written to `folder`. Raises BadInput where the record or STACKERS is damaged."""
    if record.rules is None:
        return _pool_of(vars(record), list(record.weights))
    names, parts = list(record.weights), {}
    stacked = _read_stackers(record, folder)
    for entry in record.rules:
        base = _pool_of(entry, names)
        part: OneRule = base
        if entry["pool"] == "stacker":
            base.pool, base.temperature = "log_linear", 1.0
            part = Stacker(
                base, entry["features"], stacked[entry["coefficients"]], entry["temperature"]
            )
        parts[entry["name"]] = part
    shares = np.array([entry["share"] for entry in record.rules])
    weights = np.array(list(record.weights.values()))
    return MeanRule(parts, shares, record.temperature or 1.0, weights)


def _pool_of(entry: dict[str, Any], names: list[str]) -> Rule:
    offsets = entry["offsets"]
    return Rule(
        np.array([entry["weights"][name] for name in names]),
        entry["pool"] or "linear",
        None if offsets is None else np.array(offsets),
        entry["temperature"] or 1.0,
        entry.get("epsilon") or 0.0,
        entry.get("floor") or FLOOR,
        gradient=entry.get("gradient"),
    )


def _read_stackers(record: VoteRecord, folder: Place) -> np.ndarray:
    if not any(entry["pool"] == "stacker" for entry in record.rules or ()):
        return np.empty(0)
    path = places.join(folder, STACKERS)
    if places.file_digest(path) != record.files.get(STACKERS):
        raise BadInput(f"{path}: damaged, it is not what vote.json says. Cast the vote again.")
    return np.load(io.BytesIO(places.read_bytes(path)), allow_pickle=False)
