"""A vote as one module: the networks' probabilities in, the ensemble's out.

It says in torch what `answer.tables_of` and `answer.vote_of` say in numpy, so that a graph of it needs
neither; a test and every export compare the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker
from ensembles.second_level.features import EPSILON
from ensembles.second_level.logistic import Logistic
from ensembles.second_level.stack import FittedStack
from ensembles.second_level.trees import Trees
from ensembles.shift.prior import power_of_ratios
from orchestrator.inference.bundles.graphs.trees import TreesGraph
from orchestrator.inference.parts import Trained

_TINY = float(np.finfo(np.float32).tiny)
_ALIKE = 1e-9  # of two counts of votes


class VoteGraph(nn.Module):
    """One argument a network, (N, k) float32, in the order of the members and their networks ->
    (N, K) float32. Sums are in float64, as numpy's are.
    """

    def __init__(self, trained: Trained):
        super().__init__()
        self.trained = trained
        self.trees = nn.ModuleDict()
        for name, stack in trained.stacks.items():
            for i, stacker in enumerate(stack.fit.stackers):
                if isinstance(stacker, Trees) and stacker.rounds:
                    self.trees[f"{name}.{i}".replace(".", "_")] = TreesGraph(
                        stacker.booster, stacker.rounds
                    )

    def forward(self, *said: Tensor) -> Tensor:
        trained, left, tables = self.trained, list(said), {}
        for part in trained.members:
            own = [left.pop(0).double() for _ in part.networks]
            tables[part.name] = (torch.stack(own).sum(0) / len(own)).float()
        codecs = {part.name: trained.codec_of(part) for part in trained.members}
        for name, of in trained.joins.items():
            tables[name] = _joint([(codecs[own].targets, tables[own]) for own in of], trained)
        for name, stack in trained.stacks.items():
            tables[name] = self._stack(name, stack, tables)
        n_classes = len(trained.classes)
        first = said[0]
        absent = torch.full_like(first[:, :1], 1 / n_classes).expand(-1, n_classes)
        voted = _apply(trained.rule, [tables.get(name, absent) for name in trained.voters])
        prior = trained.record.prior
        if not prior:
            return voted
        turned = voted.double() * _constant(power_of_ratios(prior))
        return (turned / turned.sum(1, keepdim=True)).float()

    def _stack(self, name: str, stack: FittedStack, tables: Mapping[str, Tensor]) -> Tensor:
        logs = []
        for own in stack.of:
            mixed = (1 - EPSILON) * tables[own].double() + EPSILON / tables[own].shape[1]
            found = mixed.log()
            logs.append(found - found.mean(1, keepdim=True))
        flat, each = torch.cat(logs, 1), []
        for i, stacker in enumerate(stack.fit.stackers):
            pool = stacker.pool if isinstance(stacker, Trees) else stacker
            assert isinstance(pool, Logistic)
            logits = sum(w * z for w, z in zip(pool.weights.tolist(), logs, strict=True))
            logits = logits + _constant(pool.offsets)
            if pool.confusions is not None:
                logits = logits + flat @ _constant(pool.confusions)
            if isinstance(stacker, Trees) and stacker.rounds:
                columns = torch.cat([flat, torch.stack(logs).sum(0) / len(logs)], 1)
                logits = logits + self.trees[f"{name}.{i}".replace(".", "_")](columns)
            each.append(logits.softmax(1))
        mean = torch.stack(each).sum(0) / len(each)
        return (mean / mean.sum(1, keepdim=True)).float()


def _constant(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float64))


def _joint(
    parts: Sequence[tuple[Mapping[str, tuple[str, ...]], Tensor]], trained: Trained
) -> Tensor:
    """As `units.joins.joint`."""
    product = None
    for targets, chances in parts:
        shape = [len(names) if t in targets else 1 for t, names in trained.codec.targets.items()]
        own = chances.double().reshape(-1, *shape)
        product = own if product is None else product * own
    assert product is not None
    joined = product.reshape(-1, len(trained.classes))
    return (joined / joined.sum(1, keepdim=True)).float()


def _apply(rule: AnyRule, tables: Sequence[Tensor]) -> Tensor:
    """As `rule.apply`. tables: (N, K) float32 of each voter."""
    if not isinstance(rule, MeanRule):
        return _said(rule, tables)
    total = torch.zeros_like(tables[0], dtype=torch.float64)
    for share, part in zip(rule.shares.tolist(), rule.parts.values(), strict=True):
        total = total + share * _said(part, tables).double()
    return _adjusted(total.float(), None, rule.temperature)


def _said(rule: Rule | Stacker, tables: Sequence[Tensor]) -> Tensor:
    if isinstance(rule, Rule):
        return _adjusted(_mixed(rule, tables), rule.offsets, rule.temperature)
    base = rule.base
    pooled = _said(base, tables)
    if rule.features == "pool":
        features = [_log(pooled, base.floor, 0.0)]
    else:
        features = [_log(own, base.floor, base.epsilon) for own in tables]
    centred = [own - own.mean(1, keepdim=True) for own in features]
    given = torch.cat([*centred, torch.ones_like(centred[0][:, :1])], 1).double()
    coefficients = rule.coefficients.astype(np.float32).astype(np.float64)
    logits = given @ _constant(coefficients.T) + pooled.clamp(min=_TINY).double().log()
    return _adjusted(logits.softmax(1).float(), None, rule.temperature)


def _mixed(rule: Rule, tables: Sequence[Tensor]) -> Tensor:
    if rule.pool == "log_linear":
        logits = torch.zeros_like(tables[0], dtype=torch.float64)
        for weight, own in zip(rule.weights.tolist(), tables, strict=True):
            if weight:
                logits = logits + _log(own, rule.floor, rule.epsilon).double() * weight
        return logits.softmax(1).float()
    pooled = _hard(rule.weights, tables) if rule.pool == "hard" else _linear(rule.weights, tables)
    return _smoothed(pooled, rule.epsilon)


def _linear(weights: np.ndarray, tables: Sequence[Tensor]) -> Tensor:
    mixed = torch.zeros_like(tables[0], dtype=torch.float64)
    for share, own in zip((weights / weights.sum()).tolist(), tables, strict=True):
        if share:
            mixed = mixed + own.double() * share
    return (mixed / mixed.sum(1, keepdim=True)).float()


def _hard(weights: np.ndarray, tables: Sequence[Tensor]) -> Tensor:
    """As `votes.hard` and `votes.vote_shares`."""
    shares = (weights * (len(tables) / weights.sum())).tolist()
    n_classes = tables[0].shape[1]
    every = torch.arange(n_classes)
    counts = support = torch.zeros_like(tables[0], dtype=torch.float64)
    choices = []
    for share, own in zip(shares, tables, strict=True):
        choices.append((own.argmax(1, keepdim=True) == every).double())
        if share:
            counts = counts + share * choices[-1]
            support = support + share * own.double()
    tied = counts >= counts.amax(1, keepdim=True) - _ALIKE
    support = torch.where(tied, support, torch.full_like(support, -1.0))
    tied = tied & (support == support.amax(1, keepdim=True))
    winner, open_ = torch.zeros_like(support), torch.ones_like(support[:, :1])
    for share, own in zip(shares, choices, strict=True):
        if share > 0:  # the earliest-listed member that voted for a tied class
            takes = open_ * (own * tied.double()).amax(1, keepdim=True)
            winner, open_ = winner + takes * own, open_ - takes
    return ((counts + winner) / (len(tables) + 1)).float()


def _log(chances: Tensor, floor: float, epsilon: float) -> Tensor:
    return _smoothed(chances, epsilon).clamp(min=float(np.float32(floor))).log()


def _smoothed(chances: Tensor, epsilon: float) -> Tensor:
    if not epsilon:
        return chances
    share = float(np.float32(1 - epsilon))
    return chances * share + float(np.float32(epsilon / chances.shape[-1]))


def _adjusted(mixed: Tensor, offsets: np.ndarray | None, temperature: float) -> Tensor:
    if offsets is None and temperature == 1:
        return mixed
    logits = mixed.clamp(min=_TINY).double().log()
    if offsets is not None:
        logits = logits + _constant(offsets)
    return (logits / temperature).softmax(1).float()
