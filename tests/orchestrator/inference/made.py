"""An ensemble made up for tests: networks as they are drawn, any rule over them, nothing trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensembles.files.table import OofTable
from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker
from ensembles.second_level.stack import FittedStack, fit_stack
from ensembles.voting.record import VoteRecord
from ensembles.voting.stored import STACKERS, of_rule, stackers_of
from members.data.codec import Codec
from members.networks import saving
from members.networks.models import build_model
from members.pixels.augment import crop_of
from members.recipe.recipe import Recipe
from orchestrator.inference.parts import Network, Part, Seen, Trained

CODEC = Codec({"kind": ("cat", "dog"), "age": ("young", "old", "very old")})
K = len(CODEC.classes)
VOTERS = ("views", "joined", "second", "plain")
PRIOR = {
    "before": [0.3, 0.2, 0.2, 0.1, 0.2, 0.0],
    "after": [0.2, 0.3, 0.1, 0.2, 0.1, 0.1],
    "fitted": [], "standard_error": [], "temperature": 0.8,
}  # fmt: skip
ESTIMATE: dict[str, Any] = {
    "macro_f1": 0.71, "accuracy": 0.82, "log_loss": 0.43,
    "standard_error": {"macro_f1": 0.011, "accuracy": 0.012, "log_loss": 0.013},
}  # fmt: skip


def simplex(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.dirichlet(np.full(shape[-1], 0.4), shape[:-1]).astype(np.float32)


def rules() -> dict[str, AnyRule]:
    """One of every kind that a vote may be, of VOTERS."""
    rng, m = np.random.default_rng(3), len(VOTERS)
    weights = np.array([0.5, 0.2, 0.0, 0.3])
    offsets = rng.normal(size=K)
    log_linear = Rule(np.array([0.9, -0.2, 0.4, 0.1]), "log_linear", offsets, 1.3, 0.01, 1e-5)
    below = replace(log_linear, temperature=1.0)  # of a stacker's pool it is part of the weights
    members = Stacker(below, "members", rng.normal(size=(K, m * K + 1)) / 9, 1.2)
    pool = Stacker(below, "pool", rng.normal(size=(K, K + 1)) / 4, 0.9)
    found: dict[str, AnyRule] = {
        "hard": Rule(np.ones(m), "hard"),
        "hard, weighted": Rule(weights, "hard", None, 1.4, 0.02),
        "soft": Rule(np.ones(m) / m),
        "linear": Rule(weights, "linear", offsets, 0.8, 0.01),
        "log-linear": log_linear,
        "log-linear, one member": Rule(np.array([0.0, 0, 0, 1]), "log_linear"),
    }
    for name, stacker in {"mean": members, "mean, stacker on pools": pool}.items():
        parts = {"a": found["hard"], "b": found["linear"], "c": log_linear, "d": stacker}
        shares = np.array([0.1, 0.3, 0.2, 0.4])
        found[name] = MeanRule(parts, shares, 1.1, np.ones(m) / m)  # type: ignore[arg-type]
    return found


def record_of(rule: AnyRule, **more: Any) -> VoteRecord:
    stackers = stackers_of(rule)
    files = {STACKERS: hashlib.sha256(stackers).hexdigest()} if stackers else {}
    given = {"mode": "weighted", "rows": "test", "files": files, "estimate": ESTIMATE}
    return VoteRecord(**given | of_rule(rule, VOTERS) | more)


def second(of: Sequence[str], kind: str = "logistic") -> FittedStack:
    """A second level, fitted to tables that are drawn."""
    rng, n = np.random.default_rng(5), 240
    label = rng.integers(0, K, n).astype(np.int16)
    ids = np.array([f"p{i}" for i in range(n)], object)
    tables = {}
    for name in of:
        chances = simplex(rng, n, K) + 1.0 * (np.arange(K) == label[:, None])
        chances = (chances / chances.sum(1, keepdims=True)).astype(np.float32)
        fold = (np.arange(n) % 3).astype(np.int16)
        tables[name] = OofTable(ids, chances, fold, label, {"classes": list(CODEC.classes)})
    return fit_stack(tables, kind)


def part(
    folder: Path, name: str, n: int = 1, targets: Sequence[str] | None = None, **recipe
) -> Part:
    """A member whose n networks are drawn and kept as a run keeps them."""
    given = {"model": "base_cnn", "image_size": (20, 24), "augmentation": "flip", **recipe}
    own = Recipe(**given)
    codec = CODEC.subset(targets) if targets else CODEC
    networks = []
    for i in range(n):
        torch.manual_seed(hash((len(name), i)) % 1000)
        model = build_model(own, len(codec.classes))
        for weights in model.get_classifier().parameters():
            weights.data *= 20  # answers that differ from photograph to photograph
        content = saving.to_bytes(model)
        file = folder / f"units/{name}/fold-{i}/model.safetensors"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        networks.append(Network(str(file), hashlib.sha256(content).hexdigest(), own))
    seen = Seen(own.image_size, crop_of(own))
    return Part(name, seen, tuple(networks), tuple(targets) if targets else None, 1.5)


def made(folder: Path, rule: AnyRule, stack: str = "logistic", **record: Any) -> Trained:
    """Two networks of several views, one that sees another size, a join and a second level."""
    members = (
        part(folder, "views", 2, views=["plain", "flip", "crops"], crop=(0.8, 0.9)),
        part(folder, "plain", 1, image_size=(24, 18), normalize={"mean": [0.4] * 3, "std": [0.3] * 3}),
        part(folder, "ages", 1, ["age"]),
        part(folder, "kinds", 1, ["kind"]),
    )  # fmt: skip
    return of_parts(members, rule, {"second": second(("views", "plain"), stack)}, **record)


def of_parts(
    members: Sequence[Part], rule: AnyRule, stacks: Mapping[str, FittedStack], **record: Any
) -> Trained:
    return Trained(
        "made", "nowhere", CODEC, tuple(members), "weighted", record_of(rule, **record), rule, VOTERS,
        joins={"joined": ("ages", "kinds")}, stacks=stacks,
    )  # fmt: skip
