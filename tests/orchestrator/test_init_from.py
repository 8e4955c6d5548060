"""A member whose networks of other folds start from that of fold 0: from what, when, and what is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch

from ensembles import cast, read_members
from members.training import loop
from orchestrator.errors import WrongRequest
from orchestrator.running.queue import Queue
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit, of_member
from orchestrator.worker import loop as worker
from tests.faults.small_photographs import write_photographs
from tests.orchestrator import one_slot
from tests.orchestrator.spec.test_member_folds import photographs
from tests.orchestrator.unfinished.failed import fail, words

SPEC = """\
name: small
data: {layout: folders, train: photos/train, test: photos/test}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 8, model: test_resnet}
members:
  - {name: whole}
  - {name: begun, init_from: fold 0}
"""
SAID = "its networks started from that of fold 0, which learnt the rows that the others hold out"


def record(unit: Path) -> dict:
    return json.loads((unit / "unit.json").read_text())


def units(cwd: Path, member: str = "begun") -> dict[str, Path]:
    found = (cwd / "runs/small").glob(f"units/{member}/*/fold-*")
    return {folder.name: folder for folder in found}


@pytest.fixture
def starts(monkeypatch):
    """The weights that each training began with, and what it was given, in the order of their begins."""
    found = []
    start = loop.Training.start

    def noted(self, pretrained=True, first=None):
        start(self, pretrained, first)
        weights = {name: own.clone() for name, own in self.model.state_dict().items()}
        found.append((first is not None, weights))

    monkeypatch.setattr(loop.Training, "start", noted)
    return found


@pytest.fixture
def cwd(tmp_path):
    write_photographs(tmp_path)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def test_others_start_from_the_best_weights_of_fold_0_and_everything_says_so(cwd, starts):
    with one_slot.commands(cwd) as run:
        assert SAID in words(run("check", "spec.yaml"))
        printed = words(run("train-members", "spec.yaml", "--only", "begun"))
        assert SAID in printed
        found = units(cwd)
        source = safetensors.torch.load_file(found["fold-0"] / "model.safetensors")
        assert [given for given, _ in starts] == [False, True, True]
        for _, weights in starts[1:]:
            assert weights.keys() == source.keys()
            assert all(torch.equal(own, source[name]) for name, own in weights.items())
        began = {name: record(folder)["began"] for name, folder in found.items()}
        assert record(found["fold-0"])["ended"] <= min(began["fold-1"], began["fold-2"])
        assert "init_from" not in record(found["fold-0"])
        said = record(found["fold-2"])["init_from"]
        assert said["unit"].endswith("/fold-0")
        assert said["sha256"] == record(found["fold-0"])["digests"]["model.safetensors"]
        assert SAID in said["optimistic"]
        assert SAID in words(run("status", "runs/small"))

        run("train-members", "spec.yaml")
        tables = read_members(cwd / "runs/small/tables", "oof")
        assert SAID in tables["begun"].meta["optimistic"]
        assert "optimistic" not in tables["whole"].meta
        assert "optimistic" not in read_members(cwd / "runs/small/tables", "test")["begun"].meta
        alone = cast(tables, None, "soft")
        assert SAID in alone.record()["optimistic"]["begun"]
        assert sum(SAID in note for note in alone.notes) == 1

        printed = words(run("vote", "spec.yaml", "--mode", "soft"))
        assert printed.count(SAID) == 1
        assert "So are the estimates and weights of this vote." in printed
        vote = json.loads((cwd / "runs/small/votes/soft/vote.json").read_text())
        assert set(vote["optimistic"]) == {"begun"}
        printed = words(run("leaderboard", "spec.yaml", "--json", "found.json"))
        assert f"note: member begun: {SAID}" in printed
        assert f"note: vote soft: {SAID}" in printed
        run("report", "runs/small")
        assert SAID in words((cwd / "runs/small/report.html").read_text())
        assert "Nothing to do" in run("train-members", "spec.yaml")
        refused = words(run("train-members", "spec.yaml", "--refit", code=2))
        assert "begun: init_from: the networks of its folds start from that of fold 0" in refused


def test_a_unit_that_is_interrupted_goes_on_and_is_bit_for_bit_as_without(cwd, monkeypatch):
    (cwd / "spec.yaml").write_text(SPEC.replace("  - {name: whole}\n", ""))
    with one_slot.commands(cwd) as run:
        run("train-members", "spec.yaml")
        whole = {name: (f / "model.safetensors").read_bytes() for name, f in units(cwd).items()}
        shutil.rmtree(cwd / "runs")
        train_epoch, trained = loop.Training.train_epoch, []

        def interrupted(self, index):
            trained.append(index)
            if len(trained) == 4:  # the second epoch of fold 1
                raise KeyboardInterrupt
            return train_epoch(self, index)

        with monkeypatch.context() as patch:
            patch.setattr(loop.Training, "train_epoch", interrupted)
            run("train-members", "spec.yaml", code=130)
        assert (units(cwd)["fold-1"] / "state.pt").exists()
        run("train-members", "spec.yaml")
        assert {n: (f / "model.safetensors").read_bytes() for n, f in units(cwd).items()} == whole
        assert record(units(cwd)["fold-1"])["resumed_after_epoch"] == 1


def test_where_the_first_fails_the_others_are_not_trained_and_say_why(cwd, monkeypatch):
    fail(monkeypatch, ("begun fold 0",))
    with one_slot.commands(cwd) as run:
        printed = words(run("train-members", "spec.yaml", code=1))
    assert "begun fold 1: begun fold 0 failed, which it was to start from" in printed
    assert worker is not None
    assert not list((cwd / "runs/small").glob("units/begun/*/*/unit.json"))


def test_the_queue_gives_it_first_and_the_others_when_it_has_ended(tmp_path):
    member = Member(name="begun", init_from="fold 1", seeds=(1, 2), recipe={"model": "net"})
    every = of_member(member, photographs(3))
    sources = {own.path: own.source for own in every}
    assert {own.fold for own in every if own.source is None} == {1}
    for own in every:
        if own.source is not None:  # of the same seed
            assert own.source.endswith(f"fold-1-seed-{own.seed}")
    assert [Unit.from_config(own.to_config()) for own in every] == every
    queue = Queue(lambda member: 1.0)
    queue.add(every)
    first = [queue.pop(), queue.pop()]
    assert {own.fold for own in first} == {1}
    assert queue.pop() is None
    queue.end(first[0])
    after = [queue.pop(), queue.pop()]
    assert {sources[own.path] for own in after} == {first[0].path}
    assert queue.pop() is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("init_from: 0", "no fold, got 0. Write which one the others start from: init_from: fold 0"),
        ("init_from: fold x", "no fold, got 'fold x'"),
        ("init_from: fold 3", "fold 3 is not trained: there is no fold 3: the spec has 3 folds, 0 to 2"),
        ("init_from: fold 0, folds: [1, 2]", "fold 0 is not trained: it trains [1, 2]. Name one of 1, 2"),
        ("init_from: fold 0, folds: 1", "it trains no other fold, so that nothing would start from it"),
        ("init_from: fold 0, select: last, pseudo: {of: [whole]}", "learns from other members"),
    ],
)  # fmt: skip
def test_what_contradicts_it_is_refused(tmp_path, given, text):
    (tmp_path / "spec.yaml").write_text(
        SPEC.replace("init_from: fold 0", given).replace(
            "{name: whole}", "{name: whole, select: last}"
        )
    )
    with pytest.raises(WrongRequest) as caught:
        load(tmp_path / "spec.yaml")
    (problem,) = caught.value.problems
    assert "members.begun.init_from: " in problem
    assert text in problem


def test_nothing_is_fitted_to_its_rows_or_taught_by_them(tmp_path):
    text = SPEC.replace("select: best", "") + (
        "  - {name: second, stack: {of: [whole, begun]}}\n"
        "  - {name: pupil, teacher: {of: [begun], vote: soft}}\n"
    )
    text = text.replace("model: test_resnet", "model: test_resnet, select: last")
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(WrongRequest) as caught:
        load(tmp_path / "spec.yaml")
    found = "\n".join(caught.value.problems)
    assert "the stack second is made of OOF rows, and those of begun would be too good" in found
    assert "members.pupil.teacher.of: begun has init_from" in found


def test_it_decides_the_hash_and_its_absence_leaves_that_as_it_was():
    recipe = {"model": "net"}
    plain, begun = (
        Member(name="net", recipe=recipe),
        Member(name="net", init_from="fold 0", recipe=recipe),
    )
    table = photographs(3)
    (one, *_), (other, *_) = of_member(plain, table), of_member(begun, table)
    assert one.hash != other.hash
    assert {own.source for own in of_member(plain, table)} == {None}


def test_the_table_of_another_fold_alone_says_so_too(cwd):
    (cwd / "spec.yaml").write_text(SPEC.replace("fold 0}", "fold 0, folds: [0, 2]}"))
    with one_slot.commands(cwd) as run:
        run("train-members", "spec.yaml", "--only", "begun")
    found = units(cwd)
    assert sorted(found) == ["fold-0", "fold-2"]
    assert set(pd.read_parquet(cwd / "runs/small/partial/begun/oof.parquet")["fold"]) == {0, 2}
    partial = read_members(cwd / "runs/small/partial", "oof")
    assert SAID in partial["begun"].meta["optimistic"]
    assert Store(cwd / "runs/small").exists("partial/begun/folds.json")
