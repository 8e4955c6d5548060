"""Runs as they lie in a folder, written without training: tables, photographs, units, a search."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import ensembles
from ensembles.files.digests import sealed
from orchestrator.commands.run import Run
from orchestrator.runs.contents import groups_of, recorded_spec
from orchestrator.runs.store import Store
from orchestrator.units.record import UnitRecord, write_record
from tests.orchestrator.records import record

HASH = "0123456789abcdef"
TARGETS = [["mask", ["worn", "off"]], ["age", ["young", "old"]]]


@dataclass
class Made:
    """How a run is drawn. Classes are the products of `targets`, or of these names."""

    members: tuple[str, ...] = ("one", "two", "three")
    rows: int = 90
    test: int = 30
    targets: list = field(default_factory=lambda: TARGETS)
    classes: tuple[str, ...] = ("worn/young", "worn/old", "off/young", "off/old")
    folds: int = 3
    photos: bool = True
    search: bool = True
    units: bool = True
    epochs: int = 4
    side: int = 64
    id_of: str = "photo-{}"
    test_labels: bool = False
    shared: bool = False  # the rows of a group share a label, but row 4
    seed: int = 0

    def write(self, folder: Path) -> Path:
        rng = np.random.default_rng(self.seed)
        k, groups = len(self.classes), np.arange(self.rows) // 3
        labels = rng.permutation(np.arange(self.rows) % k).astype(np.int16)
        meta = {"classes": list(self.classes), "targets": self.targets}
        if self.shared:
            labels = (groups % k).astype(np.int16)
            labels[4] = (labels[4] + 1) % k
        shared = rng.normal(size=(self.rows, k))
        test_truth = (np.arange(self.test) % k).astype(np.int16)
        test_shared = rng.normal(size=(self.test, k))
        for m, name in enumerate(self.members):
            own = {**meta, "member": name, "milliseconds_per_photo": 1.0 + 3 * m}
            table = ensembles.Table(
                self.ids("photo"), _softmax(rng, shared, labels, 1 + m / len(self.members)),
                (groups % self.folds).astype(np.int16), labels, own,
            )  # fmt: skip
            place = folder / f"tables/{name}"
            ensembles.write_table(place / "oof.parquet", table)
            if self.test:
                truth = test_truth if self.test_labels else None
                answers = _softmax(rng, test_shared, test_truth, 1.5)
                ids = np.array([f"test-{i}" for i in range(self.test)], object)
                told = ensembles.Table(ids, answers, None, truth, own)
                ensembles.write_table(place / "test.parquet", told)
            (place / "made_from.txt").write_text(f"{HASH} none None")
            if self.units:
                self._write_units(folder, name, rng)
        self._write_photographs(folder, labels, groups)
        (folder / "spec.yaml").write_text(self.spec())
        if self.search:
            self._write_search(folder)
        return folder

    def ids(self, kind: str) -> np.ndarray:
        return np.array([self.id_of.format(i) for i in range(self.rows)], object)

    def spec(self) -> str:
        members = "".join(f"  - {{name: {n}, model: test_resnet}}\n" for n in self.members)
        text = f"name: e\ndata: {{layout: table, train: photos.csv}}\nmembers:\n{members}"
        text += "vote: {mode: soft}\n"
        if self.search:
            text += (
                f"search:\n  members: [{self.members[0]}]\n"
                "  space: {lr: {log_uniform: [0.001, 0.1]}, loss: {choice: [f1, focal]}}\n"
                "  candidates: 3\n  asha: {grace_epochs: 1, reduction_factor: 2}\n"
            )
        return text

    def _write_units(self, folder: Path, name: str, rng: np.random.Generator) -> None:
        for fold in range(self.folds):
            history = [
                {
                    "epoch": e + 1, "train_loss": 2 / (e + 1), "lr": 0.1, "loss": 2 / (e + 1) + rng.uniform(),
                    "macro_f1": 1 - 0.9 / (e + 1), "accuracy": 0.5, "seconds": 1.0,
                }
                for e in range(self.epochs)
            ]  # fmt: skip
            given: dict = {
                "fold": fold, "seed": None, "hash": HASH, "history": history, "best_epoch": self.epochs,
                "metrics": history[-1], "versions": {"torch": "9.9.9"},
            }  # fmt: skip
            unit: UnitRecord = record(**given)
            write_record(f"units/{name}/{HASH}/fold-{fold}", unit, Store(folder))

    def _write_photographs(self, folder: Path, labels: np.ndarray, groups: np.ndarray) -> None:
        ids = self.ids("photo").tolist()
        paths = [str(folder / "photos" / f"{i}.jpg") for i in range(self.rows)]
        if self.photos:
            (folder / "photos").mkdir(parents=True)
            noise = np.random.default_rng(7)
            for path in paths:
                pixels = noise.integers(0, 255, (self.side, self.side * 3 // 4, 3), np.uint8)
                content = io.BytesIO()
                Image.fromarray(pixels).save(content, "JPEG")
                Path(path).write_bytes(content.getvalue())
        table = pa.table(
            {
                "image_id": ids, "path": paths, "group": [f"group-{g}" for g in groups],
                "fold": pa.array(groups % self.folds, pa.int16()), "label": pa.array(labels, pa.int16()),
            }
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "images.parquet")

    def _write_search(self, folder: Path) -> None:
        candidates = [
            {"number": 0, "settings": {"lr": 0.05, "loss": "f1"}, "hash": HASH, "state": "done", "score": 0.7,
             "reason": "all epochs are done", "curve": [0.3, 0.5, 0.6, 0.7]},
            {"number": 1, "settings": {"lr": 0.002, "loss": "focal"}, "hash": "1" * 16, "state": "stopped",
             "score": 0.1, "reason": "ASHA, rung 1: 0.1 is behind the cut-off 0.3", "curve": [0.1]},
            {"number": 2, "settings": {"lr": 0.09, "loss": "f1"}, "hash": "2" * 16, "state": "failed",
             "score": None, "reason": "out of memory", "curve": []},
        ]  # fmt: skip
        content = {
            "key": "k", "seconds": 12.5, "exhausted": False, "left_out": False, "candidates": candidates
        }  # fmt: skip
        (folder / "search").mkdir(parents=True, exist_ok=True)
        (folder / f"search/{self.members[0]}.json").write_text(json.dumps(sealed(content)))


def _softmax(
    rng: np.random.Generator, shared: np.ndarray, labels: np.ndarray, noise: float
) -> np.ndarray:
    scores = shared + noise * rng.normal(size=shared.shape)
    scores[np.arange(len(labels)), labels] += 2
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def cast_into(folder: Path, mode: str = "soft", **options) -> ensembles.Vote:
    """A vote over the run's tables, in its folder, as the command writes it."""
    from ensembles.files.parquet import file_digests

    names = sorted(p.name for p in (folder / "tables").iterdir())
    oof, test = (
        ensembles.read_members(str(folder / "tables"), kind, names) for kind in ("oof", "test")
    )
    digests = file_digests(str(folder / "tables"), {"oof": oof, "test": test})
    groups = groups_of(Store(folder))
    vote = ensembles.cast(oof, test, mode, groups=groups, digests=digests, **options)
    vote.write(str(folder / f"votes/{mode}"))
    return vote


def run_of(folder: Path) -> Run:
    store = Store(folder)
    return Run(recorded_spec(store), store)
