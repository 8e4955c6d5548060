"""Does a stack's OOF table flatter the vote that it takes part in? Measured on labels that are noise.

    PYTHONPATH=. python benchmarks/second_level.py [--sets 300] [--rows 200] [--classes 4] [--kind logistic]
                                                  [--folds stratified | plain]

No row of a stack's OOF table is predicted by a stacker that saw it. Its rows in other folds are, though:
a vote's weights that are fitted without fold g are fitted to stack rows whose stackers saw g's labels.
Where labels are drawn independently of everything, the true expected score of any held-out prediction
q is known: log-loss -mean_k log q_k. What an estimate is better than that is the leak. Part of it is
that folds tell of each other's class shares; so it is given once more beside a score that knows the shares
of each fold, with what is left of it.

Beside it the same of a member that is no stack and learns the least that there is: the class shares
of the other folds. Where folds differ in their shares, it says of each fold what is rare there.
"""

from __future__ import annotations

import argparse

import numpy as np
from threadpoolctl import threadpool_limits

from ensembles import Table, stack_table
from ensembles.judging.estimate import apply_held_out, nested_rules
from ensembles.rules.pools import Rule
from ensembles.scores import scorers
from ensembles.second_level.cross_fit import KINDS
from ensembles.voting import gate
from ensembles.voting.kinds import LEAKING
from ensembles.weights.fit import fit_stack
from ensembles.weights.log_linear import log_linear_fit
from ensembles.weights.stack import Stack, stack_members

MEMBERS, FOLDS = 4, 5


def noise(seed: int, n_rows: int, n_classes: int, stratified: bool) -> dict[str, Table]:
    """Members that know nothing of the labels, each sure in another degree."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n_rows).astype(np.int16)
    folds = (np.arange(n_rows) % FOLDS).astype(np.int16)
    if stratified:
        folds[np.argsort(labels, kind="stable")] = folds.copy()
    ids = np.array([f"r{i}" for i in range(n_rows)], object)
    return {
        f"m{j}": Table(
            ids,
            rng.dirichlet(np.full(n_classes, 0.5 + j), n_rows).astype(np.float32),
            folds,
            labels,
        )
        for j in range(MEMBERS)
    }


def shares(folds: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """(N, K) of each row, the classes' shares in the folds that it is not in."""
    found = np.empty((len(labels), n_classes), np.float32)
    for fold in np.unique(folds):
        counts = np.bincount(labels[folds != fold], minlength=n_classes) + 1
        found[folds == fold] = counts / counts.sum()
    return found


def gains(held_out: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> tuple[float, ...]:
    """How much better than it can be: in log-loss, in log-loss given each fold's class shares (where
    labels only change places within their folds), and in accuracy given them.
    """
    n_classes = held_out.shape[1]
    logs = np.log(np.maximum(held_out, scorers.EPSILON))
    right = np.eye(n_classes)[held_out.argmax(axis=1)]
    within = np.empty_like(logs)
    for fold in np.unique(folds):
        own = labels[folds == fold]
        within[folds == fold] = np.bincount(own, minlength=n_classes) / len(own)
    loss = scorers.log_loss(labels, held_out)
    accuracy = scorers.accuracy(labels, held_out.argmax(axis=1))
    return (
        -logs.mean() - loss,  # over rows and classes: each class is true equally often
        -(within * logs).sum(axis=1).mean() - loss,
        accuracy - (within * right).sum(axis=1).mean(),
    )


def votes(stack: Stack, folds: np.ndarray) -> dict[str, np.ndarray]:
    """Held-out predictions of votes of several kinds."""

    def weights(objective: str) -> np.ndarray:
        rules = nested_rules(stack, folds, lambda part: Rule(fit_stack(part, objective).weights))
        return apply_held_out(stack, rules)

    def pool(part: Stack) -> Rule:
        return Rule(log_linear_fit(part.logs(), part.labels, negative=True).weights, "log_linear")

    return {
        "log-loss weights": weights("log_loss"),
        "macro-F1 weights": weights("macro_f1"),
        LEAKING: apply_held_out(stack, nested_rules(stack, folds, pool)),
        "ridge pool": gate.choose(stack, folds, choice="ridge pool").held_out,
        f"the mean without {LEAKING}": gate.choose(stack, folds, left_out=[LEAKING]).held_out,
        "the mean of all kinds": gate.choose(stack, folds).held_out,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--kind", choices=list(KINDS), default="logistic")
    parser.add_argument("--folds", choices=["stratified", "plain"], default="stratified")
    given = parser.parse_args()
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(given.sets):
        members = noise(seed, given.rows, given.classes, given.folds == "stratified")
        stacked = stack_table(members, kind=given.kind).oof
        first = members["m0"]
        assert first.fold is not None
        assert first.label is not None
        own = [table.probabilities for table in members.values()]
        found.setdefault("the stack alone", []).append(
            gains(stacked.probabilities, first.label, first.fold)
        )
        for what, tables in (
            ("without the stack", own),
            ("with the stack", [*own, stacked.probabilities]),
            ("with the shares", [*own, shares(first.fold, first.label, given.classes)]),
        ):
            stack = stack_members(np.stack(tables), first.label)
            for name, held_out in votes(stack, first.fold).items():
                found.setdefault(f"{name}, {what}", []).append(
                    gains(held_out, first.label, first.fold)
                )
    print(
        f"{given.sets} sets of {given.rows} rows, {given.classes} classes, {given.folds} folds, "
        f"a {given.kind} stack"
    )
    print(f"{'better than it can be by':54} {'log-loss':>18} {'given shares':>18} {'accuracy':>18}")
    for name, of in found.items():
        mean, error = np.mean(of, axis=0), np.std(of, axis=0, ddof=1) / np.sqrt(len(of))
        cells = [f"{m:+.4f} ± {e:.4f}" for m, e in zip(mean, error, strict=True)]
        print(f"{name:54} {cells[0]:>18} {cells[1]:>18} {cells[2]:>18}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
