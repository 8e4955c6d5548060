"""Lazy votes: how many members' passes they save on real tables, by kind of vote and by order.

    python benchmarks/lazy.py FOLDER                  # every .npz in it
    python benchmarks/lazy.py FOLDER --names LIST     # those that a text file names, one a line

FOLDER is what benchmarks/table_sets.py wrote. Every vote is fitted to the OOF rows, and the test rows
are asked for lazily; each answer is compared with that of the whole vote. Members' costs are drawn, 1
to 16 ms a photograph, uniform in their logs, from the set's name. Saved is the share of what asking all
members with weight takes, in passes and in milliseconds, a mean over sets in which every set counts
once. Deciding is the CPU time of the bounds.
"""

from __future__ import annotations

import os

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})

import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.sets.labelled import files_given, groups_in, set_of, tables_in
from ensembles.lazy.decided import needed
from ensembles.lazy.order import order_of, order_on
from ensembles.lazy.refused import problems
from ensembles.lazy.vote import lazy_vote
from ensembles.rules.mean import AnyRule
from ensembles.voting import gate
from ensembles.voting.fitting import fitter
from ensembles.voting.kinds import MEAN, STACKERS
from ensembles.voting.request import VoteRequest
from ensembles.weights.stack import Stack, stack_members

Order = Callable[[AnyRule, np.ndarray, np.ndarray], np.ndarray]
Fit = Callable[[Stack, np.ndarray, np.ndarray | None], AnyRule]
MOST_COST = 16


def by_request(request: VoteRequest) -> Fit:
    def fit(stack: Stack, folds: np.ndarray, groups: np.ndarray | None) -> AnyRule:
        return fitter(request, [f"m{j}" for j in range(stack.n_members)])(stack)

    return fit


def by_choice(choice: str, left_out: tuple[str, ...] = ()) -> Fit:
    def fit(stack: Stack, folds: np.ndarray, groups: np.ndarray | None) -> AnyRule:
        return gate.choose(stack, folds, groups, choice=choice, left_out=left_out).rule

    return fit


VOTES: dict[str, Fit] = {
    "hard": by_request(VoteRequest("hard")),
    "soft": by_request(VoteRequest("soft")),
    "log-loss weights": by_request(VoteRequest("weighted", "log_loss")),
    "macro-F1 weights, offsets": by_request(VoteRequest("weighted", "macro_f1", offsets=True)),
    "log-linear": by_request(VoteRequest("weighted", pool="log_linear")),
    "log-linear, any sign": by_request(VoteRequest("weighted", pool="log_linear", negative=True)),
    "ridge pool": by_choice("ridge pool"),
    "the default": by_choice(MEAN),
    "the default's mean without stackers": by_choice(MEAN, STACKERS),
}
ORDERS: dict[str, Order] = {
    "as given": lambda rule, costs, oof: np.flatnonzero(needed(rule)),
    "by weight": lambda rule, costs, oof: order_of(rule, np.ones(len(costs))),
    "by cost": lambda rule, costs, oof: _there(rule, np.argsort(costs, kind="stable")),
    "weight for cost": lambda rule, costs, oof: order_of(rule, costs),
    "on OOF tables": order_on,
}


def _there(rule: AnyRule, order: np.ndarray) -> np.ndarray:
    return order[needed(rule)[order]]


def saved_by(rule: AnyRule, tables: dict[str, np.ndarray], costs: np.ndarray) -> dict[str, float]:
    """Shares of passes and of milliseconds saved of the test rows, by order, and what deciding took."""
    test, found = tables["test"], {}
    whole = rule.apply(test).argmax(axis=1)
    for name, ordered in ORDERS.items():
        order = ordered(rule, costs, tables["oof"])
        started = time.process_time()
        vote = lazy_vote(rule, lambda j, rows: test[j, rows], *test.shape[1:], order)
        found[f"{name}, seconds"] = time.process_time() - started
        if (vote.classes != whole).any():
            raise SystemExit("a lazy vote's answer is not the whole vote's")
        asked = vote.asked[order].mean(axis=1)
        found[f"{name}, passes"] = 1 - asked.mean()
        found[f"{name}, milliseconds"] = 1 - asked @ costs[order] / costs[order].sum()
    return found | {"members": float(len(order)), "rows": float(len(whole))}


def show(vote: str, found: dict[str, list[dict[str, float]]]) -> None:
    """A line an order; every set counts once."""
    rows = [row for own in found.values() for row in own]
    if not rows:
        print(f"\n{vote}: no split has one that may be lazy")
        return

    def mean(name: str) -> float:
        return float(
            np.mean([np.mean([row[name] for row in own]) for own in found.values() if own])
        )

    n_sets = sum(bool(own) for own in found.values())
    n_rows = sum(row["rows"] for row in rows)
    print(f"\n{vote}: {len(rows)} splits of {n_sets} sets, {mean('members'):.1f} members with weight, "
          f"{n_rows:.0f} answers, all the whole vote's")  # fmt: skip
    for order in ORDERS:
        seconds = sum(row[f"{order}, seconds"] for row in rows)
        print(f"  {order:18s} passes {mean(f'{order}, passes'):6.1%}   milliseconds "
              f"{mean(f'{order}, milliseconds'):6.1%}   "
              f"deciding {1e6 * seconds / n_rows:.0f} us a row")  # fmt: skip


def main() -> None:
    files = files_given(__doc__ or "")
    for name, fit in VOTES.items():
        found: dict[str, list[dict[str, float]]] = {}
        refused = 0
        for file in files:
            tables = tables_in(file)
            stack = stack_members(tables["oof"], tables["labels"].astype(int))
            rule = fit(stack, tables["folds"], groups_in(tables))
            if problems(rule):
                refused += 1
                continue
            rng = np.random.default_rng(zlib.crc32(set_of(file).encode()))
            costs = MOST_COST ** rng.random(stack.n_members)
            found.setdefault(set_of(file), []).append(saved_by(rule, tables, costs))
        show(name, found)
        if refused:
            print(f"  refused: {refused} splits, whose stackers have half of the vote or more")


if __name__ == "__main__":
    main()
