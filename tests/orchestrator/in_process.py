"""Units trained in the test's own process, without Ray, and what they left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import safetensors.torch
import torch

import ensembles
from members.training.ranks import ALONE, Ranks
from orchestrator.commands.run import Run, ballot_of, members_of
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.worker import loop
from orchestrator.worker.job import Job, Setup


@dataclass(frozen=True)
class Work:
    """Units, and what a process that trains them is started with."""

    setup: Setup
    units: tuple[units.Unit, ...]


def work(store: Store, some: Sequence[units.Unit], cache: str | Path, **changes) -> Work:
    """For a process with one CPU."""
    values = {
        "run": store.root, "project": "test", "tracking": (), "cache": str(cache), "cpus": 1,
        "gpus": 0.0, "workers": 1, "loader_workers": 0,
    }  # fmt: skip
    return Work(Setup(**values | changes), tuple(some))


@dataclass
class Told:
    """A line to a function, which answers nothing."""

    send: Callable[[dict[str, Any]], None]

    def ask(self, report: dict[str, Any]) -> None:
        self.send(report)


def carry_out(work: Work, send: Callable[[dict[str, Any]], None], ranks: Ranks = ALONE) -> None:
    """Train the units as a process would; `send` gets its reports."""
    process = loop.open_process(work.setup, ranks)
    for unit in work.units:
        send(loop.run_job(Job(unit), process, Told(send)))


def runs(text: str, tmp_path: Path, photos: Path, monkeypatch):
    """A class of run folders below `tmp_path`, of the spec `text` and the photographs in `photos`."""
    monkeypatch.chdir(photos)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(photos / "cache"))
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    (tmp_path / "spec.yaml").write_text(text)
    spec = load(tmp_path / "spec.yaml")

    class Run:
        """A run folder with its photographs written, and a way to train units into it."""

        def __init__(self, name: str, tracking: tuple[str, ...] = ()):
            self.store = Store(tmp_path / name)
            self.spec, self.tracking = spec, tracking
            self.photographs = prepare_photographs(spec).photographs
            write_photographs(self.photographs, self.store)
            self.reports: list[dict] = []

        def units(self, member: str) -> list[units.Unit]:
            return units.of_member(spec.member(member), self.photographs)

        def train(self, some: list[units.Unit], stop_after: int | None = None) -> None:
            """As a training process would; one that dies while it reports epoch `stop_after`."""

            def report(values: dict) -> None:
                self.reports.append(values)
                if stop_after == values["epoch"] and values["event"] == "epoch":
                    raise KeyboardInterrupt

            cache = photos / "cache"
            mine = work(self.store, some, cache, project=spec.name, tracking=self.tracking)
            carry_out(mine, report)

        def result(self, unit: units.Unit) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
            return self.files(f"{unit.path}/model.safetensors", f"{unit.path}/")

        def of_epoch(self, unit: units.Unit, epoch: int):
            base = f"{unit.path}/epochs/{epoch}"
            return self.files(f"{base}.safetensors", f"{base}-")

        def files(self, weights: str, prefix: str) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
            tables = [
                pd.read_parquet(self.store.uri(f"{prefix}{n}.parquet")) for n in ("oof", "test")
            ]
            return safetensors.torch.load(self.store.read(weights)), *tables

    return Run


def assert_same(a, b) -> None:
    assert a[0].keys() == b[0].keys()
    for name in a[0]:
        assert torch.equal(a[0][name], b[0][name]), name
    for one, other in zip(a[1:], b[1:], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def vote_on(run: Run, mode: str) -> ensembles.Vote:
    """What `vote` casts over the members of a run."""
    members, notes = members_of(run)
    ballot = ballot_of(run, members)
    vote = ensembles.cast(ballot.oof, ballot.test, mode, None, ballot.groups)
    vote.notes += notes
    return vote
