"""`partial/<member>/` of a run: tables of a member that has the rows of some folds.

The others are not trained, not yet or, with `folds` in the spec, never. They are not below `tables/`, whose
members all have every row. Nothing here imports pandas or torch.
"""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt

from ensembles.files.digests import SUMS, is_there, require_right
from orchestrator.errors import counted
from orchestrator.runs.damage import MADE_FROM, PARTIAL
from orchestrator.runs.recorded import Recorded, read_recorded
from orchestrator.runs.store import Store

FOLDS = "folds.json"


class FinishedFolds(Recorded):
    """`folds.json`: the folds that the tables are made from, of how many; their OOF rows, of how many.

    asked: those that the spec names for the member; None: all.
    """

    folds: list[NonNegativeInt]
    n_folds: PositiveInt
    rows: PositiveInt
    n_rows: PositiveInt
    asked: list[NonNegativeInt] | None = None

    @property
    def complete(self) -> bool:
        """Whether no more of the member is to be trained."""
        return self.asked == self.folds

    def line(self) -> str:
        """`2 of 3 folds (0, 2), 40 of 60 OOF rows`."""
        names = ", ".join(map(str, self.folds))
        return (
            f"{len(self.folds)} of {counted(self.n_folds, 'fold')} ({names}), "
            f"{self.rows} of {counted(self.n_rows, 'OOF row')}"
        )


def folder_of(member: str, store: Store) -> str:
    """Where a member's tables are: `tables/NAME`, or `partial/NAME` where it has only those."""
    return f"{PARTIAL if is_partial(member, store) else 'tables'}/{member}"


def is_partial(member: str, store: Store) -> bool:
    """Whether a member's tables are those of some folds, written to their end."""
    written = store.exists(f"{PARTIAL}/{member}/{MADE_FROM}")
    return written and not store.exists(f"tables/{member}")


def finished_folds(member: str, store: Store) -> FinishedFolds | None:
    """None where the member has no partial tables. Raises BadInput where their record is damaged."""
    path = f"{PARTIAL}/{member}/{FOLDS}"
    if not is_partial(member, store) or not is_there(store.uri(path)):
        return None
    require_right(store.uri(path))
    folder = store.uri(f"{PARTIAL}/{member}")
    return read_recorded(
        FinishedFolds, store, path, f"Delete {folder}: train-members makes it again."
    )


def discard(member: str, store: Store) -> None:
    """Remove a member's partial tables; nothing happens where there are none."""
    folder = f"{PARTIAL}/{member}"
    if store.exists(folder):
        store.delete(f"{folder}/{SUMS}")  # the first to go: what is half deleted is not damaged
        store.delete(folder)
