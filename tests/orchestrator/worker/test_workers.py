"""Units that two processes train together: the tables of one, failures, and going on."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from torch import distributed

from members.samples.people import draw_people
from orchestrator.errors import WrongRequest
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.worker.inputs import Inputs
from tests.members.pair import meet, together
from tests.orchestrator.command_line import orchestrator
from tests.orchestrator.in_process import Work, carry_out, work

# nothing that each process draws or counts for itself: no dropout, no batch norm
SPEC = """\
name: e2e
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 32, model: test_vit, lr: 1e-3}
members:
  - name: plain
    augmentation: custom
    loss: f1
    mixing: {kind: mixup, probability: 0.5}
    sampling: {balance: age_group}
    views: [plain, flip]
  - {name: wild, optimizer: sgd, lr: 1.0e+30, schedule: constant}
  - {name: odd, loss: focal}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with photographs and a spec."""
    folder = tmp_path_factory.mktemp("workers")
    draw_people(folder / "photos", profiles=20, eval=21, size=(64, 48))
    (folder / "spec.yaml").write_text(SPEC)
    return folder


def run_of(folder: Path, name: str):
    """A run folder with its photographs written, and the units by member and fold."""
    spec = load(folder / "spec.yaml")
    store = Store(folder / name)
    photographs = prepare_photographs(spec).photographs
    write_photographs(photographs, store)
    return store, {
        (u.member.name, u.fold): u for m in spec.members for u in units.of_member(m, photographs)
    }


def train_together(ranks, plans: list[Work], folder: str) -> list:
    """Both ranks train; where that ends with an error, both start again, as under Ray."""
    reported, photos = [], Inputs.photos

    def fails_on_the_second(inputs, unit, part):
        if unit.member.name == "odd" and not ranks.first:
            raise OSError("this machine's disk is broken")
        return photos(inputs, unit, part)

    with mock.patch.object(Inputs, "photos", fails_on_the_second):
        for number, plan in enumerate(plans):
            reports: list[dict] = []
            try:
                carry_out(plan, reports.append, ranks)
                ended = ""
            except Exception as error:  # Ray ends the processes of a group of which one failed
                ended = type(error).__name__
                distributed.destroy_process_group()
                meet(ranks.rank, f"{folder}/meeting-{number}")
            seen = [f"{r['unit'].split('/')[1]} {r['event']} {r['message']}" for r in reports]
            reported.append({"reports": seen, "ended": ended})
    return reported


@pytest.fixture(scope="module")
def alone(here):
    """The run of one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr("torch.set_num_threads", lambda n: None)
        store, by = run_of(here, "alone")
        both = work(store, [by["plain", 0], by["plain", 1]], here / "cache")
        carry_out(both, lambda values: None)
    return store


@pytest.fixture(scope="module")
def trained(here):
    """(what each of two ranks reported, their run)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr("torch.set_num_threads", lambda n: None)
        store, by = run_of(here, "pair")

        def stop(values: dict) -> None:
            if values["event"] == "epoch":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):  # one process began the second fold
            carry_out(work(store, [by["plain", 1]], here / "cache"), stop)
        wanted = [by["plain", 0], by["wild", 0], by["odd", 0], by["plain", 1]]
        first = work(store, wanted, here / "cache", workers=2, attempt="first")
        second = work(store, [by["odd", 1]], here / "cache", workers=2, attempt="second")
        plans = [first, first, second]
        reported = together(train_together, here, plans, str(here))
    return reported, store


def test_two_processes_leave_the_tables_of_one(trained, alone):
    _, store = trained
    for record in sorted(Path(alone.root).glob("units/plain/*/*/unit.json")):
        path = str(record.parent.relative_to(alone.root))
        for kind in ("oof", "test"):
            ours, theirs = (
                pd.read_parquet(s.uri(f"{path}/{kind}.parquet")) for s in (store, alone)
            )
            assert list(ours["image_id"]) == list(theirs["image_id"])
            assert ours["image_id"].is_unique
            columns = [f"p{k}" for k in range(18)]
            np.testing.assert_allclose(ours[columns], theirs[columns], atol=1e-4)
        ours, theirs = (s.read_json(f"{path}/unit.json") for s in (store, alone))
        assert ours["metrics"]["loss"] == pytest.approx(theirs["metrics"]["loss"], abs=1e-4)
        assert (ours["workers"], theirs["workers"]) == (2, 1)
        assert ours["resumed_after_epoch"] == record.parent.name.endswith("1")
        assert {f.name for f in Path(store.uri(path)).iterdir()} == {
            "unit.json", "history.csv", "predictions.png", "model.safetensors", "oof.parquet", "test.parquet",
        }  # fmt: skip


def test_both_report_alike(trained):
    (first, second), _ = trained
    assert [t["reports"] for t in first] == [t["reports"] for t in second]


def test_a_loss_that_is_no_number_fails_its_unit_on_both_and_the_next_goes_on(trained):
    ((first, *_), _), _ = trained
    at = next(i for i, text in enumerate(first["reports"]) if text.startswith("wild failed"))
    assert "the loss became" in first["reports"][at]
    assert first["reports"][at + 1].startswith("odd started")


def test_a_unit_that_fails_on_one_rank_ends_both_and_is_passed_over_when_they_come_back(trained):
    reported, store = trained
    assert [rank[0]["ended"] for rank in reported] == ["LostContact", "OSError"]
    again = reported[0][1]
    assert again["ended"] == ""
    (failed,) = [text for text in again["reports"] if text.startswith("odd failed")]
    assert "this machine's disk is broken" in failed
    assert again["reports"][-1].startswith("plain done")
    (text,) = Path(store.root).glob("units/odd/*/fold-0/failed.txt")
    assert "OSError" in text.read_text()


def test_another_call_tries_it_again(trained):
    reported, _ = trained
    assert reported[1][2]["ended"] == "OSError"  # it failed again, not: it was passed over
    assert not any(text.startswith("odd failed") for text in reported[1][2]["reports"])


# -- asking for them ------------------------------------------------------------------------------


def test_workers_that_could_not_work_are_refused(here):
    with pytest.raises(WrongRequest) as raised:
        load(here / "spec.yaml", sets=["resources.workers=2", "members.odd.batch_size=1"])
    assert "divide the batches of odd" in str(raised.value)
    with pytest.raises(WrongRequest, match="2 workers cannot share a GPU"):
        load(here / "spec.yaml", sets=["resources.workers=2", "resources.gpus=0.5"])


@pytest.mark.ray
def test_with_a_real_ray_the_tables_are_those_of_one_process(alone, here, tmp_path):
    (tmp_path / "photos").symlink_to(here / "photos")
    (tmp_path / "spec.yaml").write_text(SPEC)
    command = ["train-members", "spec.yaml", "--only", "plain", "--set", "resources.workers=2"]
    done = orchestrator(*command, cwd=tmp_path)
    assert "2 processes each" in done.stdout
    ours = pd.read_parquet(tmp_path / "runs/e2e/tables/plain/oof.parquet")
    assert (
        list(ours["image_id"])
        == pd.read_parquet(tmp_path / "runs/e2e/images.parquet")["image_id"].tolist()
    )
    assert ours["image_id"].is_unique
    folds = sorted(Path(alone.root).glob("units/plain/*/*/oof.parquet"))
    theirs = pd.concat(map(pd.read_parquet, folds)).set_index("image_id")
    columns = [f"p{k}" for k in range(18)]
    np.testing.assert_allclose(ours[columns], theirs.loc[ours["image_id"], columns], atol=1e-4)
    for record in (tmp_path / "runs/e2e").glob("units/*/*/*/unit.json"):
        assert json.loads(record.read_text())["workers"] == 2
