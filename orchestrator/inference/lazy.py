"""Members asked one after the other, each only for the photographs that are not decided yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.parquet import table_place
from ensembles.lazy.order import order_of, order_on
from ensembles.lazy.refused import require_bounds
from ensembles.lazy.vote import LazyVote, lazy_vote
from ensembles.shift.options import Options
from orchestrator.inference.parts import Seen, Trained
from orchestrator.inference.vote import tables_of

Members = Mapping[str, Callable[[np.ndarray], np.ndarray]]


@dataclass
class Passes:
    """How many photographs each member was asked about, of how many."""

    asked: dict[str, int]
    photos: int = 0

    def line(self, milliseconds: Mapping[str, float | None]) -> str:
        """What was saved, in words. milliseconds: of each member, None where it is not known."""
        every = self.photos * len(self.asked)
        saved = every - sum(self.asked.values())
        text = (
            f"lazy: {saved} of {every} passes of a member over a photo saved "
            f"({saved / max(1, every):.0%}; asked: "
            + ", ".join(f"{name} {n}" for name, n in self.asked.items())
            + ")"
        )
        known = {name: cost for name, cost in milliseconds.items() if cost}
        if known.keys() == self.asked.keys() and self.photos:
            whole = sum(known.values())
            own = sum(cost * self.asked[name] for name, cost in known.items()) / self.photos
            text += f", {own:.1f} instead of {whole:.1f} ms a photo as they were measured"
        return text + "."


class LazyAsker:
    """Asks an ensemble lazily, a block of photographs at a time. Raises BadInput where a vote has no
    bounds: see `ensembles.lazy.refused`.

    oof: folder of the OOF tables that the vote was fitted to, by which the order is chosen; None: by
    weight and cost alone.
    """

    def __init__(self, trained: Trained, oof: str | None):
        record = trained.record
        require_bounds(
            trained.rule, Options(prior="test" if record.prior else None), record.candidates
        )
        self._trained = trained
        self.passes = Passes({part.name: 0 for part in trained.members})
        costs = _costs(trained)
        tables = _oof(trained, oof) if oof is not None else None
        self.order = (
            order_of(trained.rule, costs)
            if tables is None
            else order_on(trained.rule, costs, tables)
        )

    def vote(self, members: Members, pixels: Mapping[Seen, np.ndarray], n_rows: int) -> LazyVote:
        """The answers for a block. pixels: as each member sees it, (n_rows, h, w, 3)."""
        trained = self._trained
        known: dict[str, np.ndarray] = {}
        there = {part.name: np.zeros(n_rows, bool) for part in trained.members}
        parts = {part.name: part for part in trained.members}

        def member(name: str, rows: np.ndarray) -> np.ndarray:
            new = rows[~there[name][rows]]
            if len(new):
                said = members[name](pixels[parts[name].seen][new])
                known.setdefault(name, np.empty((n_rows, said.shape[1]), np.float32))[new] = said
                there[name][new] = True
                self.passes.asked[name] += len(new)
            return known[name][rows]

        def ask(voter: int, rows: np.ndarray) -> np.ndarray:
            name = trained.voters[voter]
            if name in parts:
                return member(name, rows)
            own = trained.of([name])
            found = {part.name: member(part.name, rows) for part in own.members}
            return tables_of(own, found)[name]

        self.passes.photos += n_rows
        return lazy_vote(trained.rule, ask, n_rows, len(trained.classes), self.order)


def _costs(trained: Trained) -> np.ndarray:
    """(M,) of each voter, as its members were measured; all alike where one was not."""
    known = {part.name: part.milliseconds for part in trained.members}
    costs = []
    for name in trained.voters:
        own = [known[part.name] for part in trained.of([name]).members]
        costs.append(sum(cost or 0.0 for cost in own) if all(own) and own else 0.0)
    found = np.array(costs)
    moving = np.array([name in trained.names for name in trained.voters])
    return np.where(moving, found, 1.0) if (found[moving] > 0).all() else np.ones(len(costs))


def _oof(trained: Trained, folder: str) -> np.ndarray | None:
    """(M, N, K) of the voters, of those without influence any; None where they cannot be had."""
    from ensembles.files.align import align
    from ensembles.files.parquet import read_members

    names = [name for name in trained.voters if name in trained.names]
    try:
        if not all(table_place(folder, name, "oof") for name in names):
            return None
        tables = align(read_members(folder, "oof", names), "oof")
    except BadInput:
        return None  # of other rows each: weights and costs make an order as well
    first = next(iter(tables.values())).probabilities
    absent = np.full_like(first, 1 / first.shape[1])
    return np.stack(
        [tables[name].probabilities if name in tables else absent for name in trained.voters]
    )
