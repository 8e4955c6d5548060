"""Members that learn the vote of two others."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.units import unit as units

SPEC = """\
name: w
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 32, select: last}
members:
  - {name: one, model: test_resnet, targets: [gender]}
  - {name: two, model: test_efficientnet, targets: [gender], epochs: 1, seeds: [1, 2]}
  - name: student
    model: test_resnet
    targets: [gender]
    teacher: {}
    mixing: {kind: mixup, probability: 0.5}
  - name: reader
    model: test_resnet
    targets: [gender]
    teacher: {vote: soft, of: [two, one], temperature: 3, hard: 0.25, unlabelled: true}
    class_weights: balanced
    sampling: {balance: class}
    loss: f1
"""
FOLD, FOLDS = 1, 3


def of_fold(run, *names: str) -> list[units.Unit]:
    return [unit for name in names for unit in run.units(name) if unit.fold == FOLD]


def with_teachers(run, teachers: Path, *names: str):
    for unit in (*run.units("one"), *run.units("two")):
        if (teachers / unit.path).exists():
            shutil.copytree(teachers / unit.path, run.store.uri(unit.path))
    run.train([*run.units("one"), *run.units("two"), *of_fold(run, *names)])
    assert [r["message"] for r in run.reports if r["event"] == "failed"] == []
    return run
