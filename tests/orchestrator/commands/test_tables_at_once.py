"""Tables of several members are made at once: the same files, the first error, and within the memory."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from members.samples.people import draw_people
from orchestrator.commands import tables
from orchestrator.commands.tables import make_tables
from orchestrator.errors import WrongRequest
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.photographs.table import codec_of, in_fold
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import predictions
from orchestrator.units.assemble import assemble
from orchestrator.units.files import files_of, write_history
from orchestrator.units.record import Rows, write_record
from orchestrator.units.unit import of_member
from tests.orchestrator.records import record

NAMES = [f"m{number}" for number in range(6)]
SPEC = """\
name: many
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 1, select: last}
members:
""" + "".join(f"  - {{name: {name}, lr: {number}.0e-4}}\n" for number, name in enumerate(NAMES, 1))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run whose units are done, with drawn predictions, and no tables of members."""
    folder = tmp_path_factory.mktemp("many")
    draw_people(folder / "photos", profiles=12, eval=8, size=(48, 36))
    (folder / "spec.yaml").write_text(SPEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ENSEMBLE_CACHE", str(folder / "cache"))
        spec = load("spec.yaml")
        photographs = prepare_photographs(spec).photographs
    store, rng = Store(folder / "run"), np.random.default_rng(0)
    for member in spec.members:
        for unit in of_member(member, photographs):
            train, held_out = in_fold(photographs.train, unit.fold)
            parts = {"oof": photographs.train.iloc[held_out], "test": photographs.test}
            for kind, frame in parts.items():
                part = predictions.PhotoPart(frame, None, unit.fold if kind == "oof" else None)
                classes = len(codec_of(member, photographs.codec).classes)
                drawn = rng.dirichlet(np.ones(classes), len(frame)).astype(np.float32)
                path = predictions.table_path(unit, kind)
                predictions.write_table(unit, store, photographs, part, drawn, path)
            store.write(predictions.weights_path(unit), b"weights")
            own = record(
                member=member.model_dump(mode="json", exclude={"teachers"}),
                fold=unit.fold,
                seed=None,
                hash=unit.hash,
                rows=Rows(train=len(train), validation=len(held_out)),
                data_hash=photographs.data_hash,
                folds_hash=photographs.folds_hash,
                test_hash=photographs.test_hash,
                digests={},
                sizes={},
            )
            write_history(unit, store, own.history)
            write_record(unit.path, own.model_copy(update=files_of(unit, own, store)), store)
    return spec, photographs, folder / "run"


@pytest.fixture
def run(finished, tmp_path):
    spec, photographs, folder = finished
    shutil.copytree(folder, tmp_path / "run")
    return spec, photographs, Store(tmp_path / "run")


def made(spec, photographs, store):
    return make_tables(spec, (), (), photographs, store, None)


def content(store: Store) -> dict[str, bytes]:
    root = Path(store.root, "tables")
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def test_they_are_those_of_one_member_after_the_other(run, tmp_path):
    spec, photographs, store = run
    alone = Store(shutil.copytree(store.root, tmp_path / "alone"))
    for member in spec.members:
        assert assemble(member, photographs, alone)
    assert made(*run).tables == NAMES
    assert content(store) == content(alone)
    assert len(content(store)) == len(NAMES) * 5


def test_members_wait_for_the_run_folder_side_by_side(run, monkeypatch):
    together = threading.Barrier(3, timeout=30)
    write = Store.write

    def slow(self, path, value):
        if path.startswith("tables/") and path.endswith("epochs.json"):
            together.wait()  # breaks where no two others come
        write(self, path, value)

    monkeypatch.setattr(Store, "write", slow)
    assert made(*run).tables == NAMES


def test_of_several_errors_the_first_members_is_raised(run, monkeypatch):
    later = threading.Event()

    def fails(member, *_):
        if member.name == "m1":
            assert later.wait(30)
            raise WrongRequest("m1 is wrong")
        if member.name == "m4":
            later.set()
            raise WrongRequest("m4 is wrong")
        return True

    monkeypatch.setattr(tables, "assemble", fails)
    with pytest.raises(WrongRequest, match="m1 is wrong"):
        made(*run)


@pytest.mark.parametrize(("members", "most"), [(1.9, 1), (2, 2)])
def test_they_share_the_memory_by_their_size(run, monkeypatch, members, most):
    """The rows are 12 profiles' 7 photos and 8 to predict, of 18 classes; each unit predicts the 8."""
    size = 4 * 18 * (5 * (12 * 7 + 8) + 2 * 8)
    monkeypatch.setattr(tables, "_MEMORY", int(members * size))
    running, seen, guard = 0, [], threading.Lock()

    def watched(*_):
        nonlocal running
        with guard:
            running += 1
            seen.append(running)
        time.sleep(0.05)
        with guard:
            running -= 1
        return True

    monkeypatch.setattr(tables, "assemble", watched)
    assert made(*run).tables == NAMES
    assert max(seen) == most
