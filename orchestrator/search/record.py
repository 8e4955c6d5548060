"""`search/<member>.json`: the candidates of a member's search and what became of them, read."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from orchestrator.errors import WrongRequest
from orchestrator.runs.recorded import Recorded, read_recorded, wrong_record
from orchestrator.runs.store import Store

_WAY_ON = "Delete it: train-members then begins this search anew; units that are trained stay."


class CandidateRecord(Recorded):
    """As `orchestrator.search.candidates.Candidate`."""

    number: int
    settings: dict[str, Any]
    hash: str
    state: Literal["running", "done", "stopped", "failed"] = "running"
    score: float | None = None
    reason: str = ""
    curve: tuple[float, ...] = ()


class SearchRecord(Recorded):
    """key: of the space, the member and the data. seconds: wall time so far. left_out: whether other
    members' candidates were better, so that none of this one's reached the end."""

    key: str
    seconds: float = 0.0
    exhausted: bool = False
    left_out: bool = False
    candidates: list[CandidateRecord]

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        if [row.number for row in self.candidates] != list(range(len(self.candidates))):
            raise ValueError("candidates are not numbered from 0")
        if not 0 <= self.seconds < float("inf"):
            raise ValueError(f"seconds: {self.seconds}")
        for row in self.candidates:
            if (row.score is not None) != bool(row.curve) or (
                row.curve and row.score not in row.curve and row.score == row.score
            ):
                raise ValueError(f"candidate {row.number}: its score is not of its curve")
        return self


def read_search(store: Store, member: str) -> SearchRecord:
    """Raises FileNotFoundError where no search was begun, `WrongRequest` for a damaged record."""
    return read_recorded(SearchRecord, store, f"search/{member}.json", _WAY_ON)


def damaged_search(store: Store, member: str, why: str) -> WrongRequest:
    return wrong_record(store, f"search/{member}.json", why, _WAY_ON)
