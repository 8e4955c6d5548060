"""Pseudo-labels with and without a leak: what a student scores out of fold, and on people nobody saw.

    PYTHONPATH=. python benchmarks/pseudo_leak.py [--draws 6] [--people 36] [--epochs 8] [--at-least 0.7]

Draws people and trains a small network in folds by person: the teacher. Then twice a student of the
same recipe, which also learns the test photographs, of other people, that the teacher is sure of:

    teacher of the fold    labelled by the network of its own fold, as `pseudo` does it
    teacher of all folds   labelled by the mean over all folds' networks, as it is often done: two of
                           three have seen the labels of the fold that the student is scored on

Out of fold and on people nobody saw the same networks are scored, one by one, so that without a leak
both gain the same on the teacher: what is gained out of fold beyond that is flattery. Accuracy on
gender and age (six classes). Errors are standard errors over draws. About four minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from members.batches.photos import Photos, joined
from members.data.folds.assign import assign_folds
from members.data.layouts import read_train
from members.networks.models import build_model
from members.pixels.crop import crop_and_resize
from members.pixels.decode import decode
from members.recipe.recipe import Recipe
from members.samples.people import draw_people
from members.training.fit import fit, last_weights
from members.training.predict import predict
from orchestrator.units.teachers.pseudo import taken

FOLDS, SIZE = 3, (48, 36)
TARGETS = ("gender", "age")


def main(draws: int, people: int, epochs: int, at_least: float) -> None:
    torch.set_num_threads(1)
    recipe = Recipe(
        model="test_resnet",
        image_size=SIZE,
        epochs=epochs,
        batch_size=16,
        lr=5e-3,
        warmup_epochs=1,
        augmentation="flip",
        select="last",
    )
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for seed in range(draws):
        for name, scores in compared(*drawing(seed, people), recipe, at_least, seed).items():
            found[name].append(scores)
    print(
        f"{'accuracy':<31}{'out of fold':>14}{'people nobody saw':>20}{'flattered by':>15}{'taken':>8}"
    )
    teacher = np.array(found["teacher"]).T
    for name, of_draws in found.items():
        own, unseen, share = np.array(of_draws).T
        shown = [f"{values.mean():.3f} ±{error(values):.3f}" for values in (own, unseen)]
        # beside the teacher of the same draw: whose people are easier is not the question
        gap = (own - teacher[0]) - (unseen - teacher[1])
        more = ["", ""]
        if name != "teacher":
            more = [f"{gap.mean():+.3f} ±{error(gap):.3f}", f"{share.mean():.0%}"]
        print(f"{name:<31}{shown[0]:>14}{shown[1]:>20}{more[0]:>15}{more[1]:>8}")


def drawing(seed: int, people: int) -> tuple[Photos, np.ndarray, Photos, Photos]:
    """Photographs to train on and their folds, test photographs, and those of people nobody saw.

    Of each part `people`; to train on there are four photographs of each, in the test part three.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "people")
        draw_people(root, profiles=3 * people, eval=1, seed=seed, size=(64, 48))
        read = read_train("profiles", root / "train")
        frame, codec = read.frame, read.codec.subset(TARGETS)
        pixels = np.stack([crop_and_resize(decode(path), SIZE, None) for path in frame["path"]])
    labels = codec.encode({target: frame[target].to_numpy() for target in TARGETS}).astype(np.int64)
    group = frame["group"].astype(str).to_numpy(object)
    who = np.unique(group)
    np.random.default_rng(seed).shuffle(who)
    number = np.empty(len(group), int)  # of a person's photographs, in random order
    order = np.random.default_rng(seed + 1).permutation(len(group))
    for person in who:
        rows = order[group[order] == person]
        number[rows] = np.arange(len(rows))
    known, others, unseen = (np.isin(group, who[n * people : (n + 1) * people]) for n in range(3))
    train = np.flatnonzero(known & (number < 4))
    test = np.flatnonzero(others & (number >= 4))
    own = frame.iloc[train].assign(label=labels[train]).reset_index(drop=True)
    folds = assign_folds(own, "kfold", k=FOLDS, seed=seed)
    every = Photos(pixels, labels)
    return every.take(train), folds, every.take(test), every.take(np.flatnonzero(unseen))


def compared(
    train: Photos, folds: np.ndarray, test: Photos, unseen: Photos, recipe: Recipe, at_least: float,
    seed: int,
) -> dict[str, tuple[float, float, float]]:  # fmt: skip
    """Name -> accuracy out of fold, on people nobody saw, and the share of test photographs taken."""
    n_classes = 2 * 3
    answers: list[np.ndarray] = []  # of each fold's teacher, on the test photographs

    def crossed(more: Callable[[int], Photos | None]) -> tuple[float, float, float]:
        own, others, share = [], [], []
        for fold in range(FOLDS):
            rows, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            learnt, extra = train.take(rows), more(fold)
            if extra is not None and len(extra):
                learnt = joined(learnt, extra)
            share.append(0 if extra is None else len(extra) / len(test))
            weights = last_weights([*fit(recipe, learnt, None, n_classes, seed=seed)][-1].state())
            model = build_model(recipe, n_classes, pretrained=False)
            model.load_state_dict(weights)
            own.append(right(model, train.take(held_out), recipe))
            others.append(right(model, unseen, recipe).mean())
            if extra is None:
                answers.append(predict(model, test, recipe))
        return float(np.concatenate(own).mean()), float(np.mean(others)), float(np.mean(share))

    def labelled(tables: list[np.ndarray]) -> Photos:
        rows, labels, _ = taken([[np.mean(tables, axis=0)]], at_least)
        chosen = test.take(rows)
        return Photos(chosen.pixels, labels, chosen.rows)

    found = {"teacher": crossed(lambda fold: None)}
    found["student, teacher of the fold"] = crossed(lambda fold: labelled([answers[fold]]))
    found["student, teacher of all folds"] = crossed(lambda fold: labelled(answers[:FOLDS]))
    return found


def right(model: torch.nn.Module, photos: Photos, recipe: Recipe) -> np.ndarray:
    return predict(model, photos, recipe).argmax(1) == photos.labels


def error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--people", type=int, default=36)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--at-least", type=float, default=0.7)
    given = parser.parse_args()
    main(given.draws, given.people, given.epochs, given.at_least)
