"""A member to search, and candidates fed with curves."""

from __future__ import annotations

from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.spec import Member

EPOCHS = 8
SEARCH = {
    "members": ["m"],
    "space": {"lr": {"log_uniform": [1e-4, 1e-2]}},
    "candidates": 6,
    "sampler": "random",
    "asha": {"grace_epochs": 2, "reduction_factor": 2},
}


def member(name: str) -> Member:
    return Member(name=name, recipe={"model": "test_resnet", "epochs": EPOCHS})


def run(search: MemberSearch, curves: list[list[float]]) -> None:
    """Feed candidates one after the other, each with its curve, as a worker would."""
    while proposed := search.ask():
        candidate, _ = proposed
        for epoch, score in enumerate(curves[candidate.number], start=1):
            if search.epoch(candidate.number, epoch, score):
                break
        search.ended(candidate.number, "done", "")
