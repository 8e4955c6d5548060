"""How much a student's OOF score is flattered: what it scores out of fold, and on people nobody saw.

    PYTHONPATH=. python benchmarks/distil_leak.py [--draws 12] [--people 36] [--epochs 8]

Draws people and trains two small networks in folds by person: the teachers. Then twice a student of the
first one's recipe, which learns to answer as their weighted vote does:

    student             as `teacher` does it: a row of fold g is answered by the networks that held out g,
                        which have seen the labels of the fold that the student is scored on
    nested teachers     by networks that saw neither g nor the student's fold, trained for it alone: for k
                        folds k (k - 1) / 2 more of each teacher, on the fewer rows that are left

Out of fold and on people nobody saw the same networks are scored, one by one, so that without a leak a
student gains the same on its teacher in both places: what is gained out of fold beyond that is flattery.
Accuracy and log-loss on gender and age (six classes). Errors are standard errors over draws. About ten
minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.pseudo_leak import FOLDS, SIZE, drawing, error
from ensembles.judging.teaching import teaching
from ensembles.scores import scorers
from members.batches.photos import Photos
from members.batches.soft import Soft
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.fit import fit, last_weights
from members.training.predict import predict

N_CLASSES = 2 * 3
MODELS = ("test_resnet", "test_efficientnet")
TEMPERATURE, HARD = 2.0, 0.3
NESTED = "student, nested teachers"


@dataclass(frozen=True)
class Scores:
    """Accuracy and log-loss out of fold, and on people nobody saw."""

    own: tuple[float, float]
    unseen: tuple[float, float]


def main(draws: int, people: int, epochs: int) -> None:
    torch.set_num_threads(1)
    found: dict[str, list[Scores]] = defaultdict(list)
    for seed in range(draws):
        train, folds, _, unseen = drawing(seed, people)
        for name, scores in compared(train, folds, unseen, epochs, seed).items():
            found[name].append(scores)
        print(f"drawing {seed + 1} of {draws}", file=sys.stderr, flush=True)
    for number, metric in enumerate(("accuracy", "log-loss")):
        print(f"{metric:<27}{'out of fold':>15}{'people nobody saw':>20}{'flattered by':>16}")
        first = np.array([[s.own[number], s.unseen[number]] for s in found[MODELS[0]]]).T
        for name, of_draws in found.items():
            own, unseen = np.array([[s.own[number], s.unseen[number]] for s in of_draws]).T
            shown = [f"{values.mean():.3f} ±{error(values):.3f}" for values in (own, unseen)]
            # beside the member of the same recipe and drawing: whose people are easier is not the question
            gap = (own - first[0]) - (unseen - first[1])
            more = "" if name in MODELS else f"{gap.mean():+.3f} ±{error(gap):.3f}"
            print(f"{name:<27}{shown[0]:>15}{shown[1]:>20}{more:>16}".rstrip())


def compared(
    train: Photos, folds: np.ndarray, unseen: Photos, epochs: int, seed: int
) -> dict[str, Scores]:
    labels = np.asarray(train.labels)

    def network(model: str, photos: Photos) -> Callable[[Photos], np.ndarray]:
        recipe = Recipe(
            model=model, image_size=SIZE, epochs=epochs, batch_size=16, lr=5e-3, warmup_epochs=1,
            augmentation="flip", select="last",
        )  # fmt: skip
        weights = last_weights([*fit(recipe, photos, None, N_CLASSES, seed=seed)][-1].state())
        built = build_model(recipe, N_CLASSES, pretrained=False)
        built.load_state_dict(weights)
        return lambda photos: predict(built, photos, recipe)

    def rows(*left_out: int) -> np.ndarray:
        return np.flatnonzero(~np.isin(folds, left_out))

    def scored(predict_fold: list[Callable[[Photos], np.ndarray]]) -> Scores:
        """Of a network a fold; on people nobody saw the mean of the networks' scores."""
        own = np.empty((len(labels), N_CLASSES), np.float32)
        others = []
        for fold, ask in enumerate(predict_fold):
            held_out = np.flatnonzero(folds == fold)
            own[held_out] = ask(train.take(held_out))
            others.append(of(unseen.labels, ask(unseen)))
        mean = np.mean(others, axis=0)
        return Scores(of(labels, own), (float(mean[0]), float(mean[1])))

    teachers = {m: [network(m, train.take(rows(f))) for f in range(FOLDS)] for m in MODELS}
    found = {model: scored(asked) for model, asked in teachers.items()}
    pairs = list(itertools.combinations(range(FOLDS), 2))
    nested = {m: {pair: network(m, train.take(rows(*pair))) for pair in pairs} for m in MODELS}

    def student(fold: int, answer: Callable[[str, int], np.ndarray]) -> Callable:
        """answer: model, fold g -> probabilities of the rows of fold g."""
        inside = rows(fold)
        said = np.empty((len(MODELS), len(inside), N_CLASSES), np.float32)
        for number, model in enumerate(MODELS):
            for other in np.unique(folds[inside]):
                said[number, folds[inside] == other] = answer(model, int(other))
        vote = teaching(said, labels[inside], folds[inside], "weighted").answers
        soft = Soft.of(vote, TEMPERATURE, HARD)
        return network(MODELS[0], replace(train.take(inside), soft=soft))

    def of_fold(other: int) -> Photos:
        return train.take(np.flatnonzero(folds == other))

    found["student"] = scored(
        [
            student(fold, lambda model, other: teachers[model][other](of_fold(other)))
            for fold in range(FOLDS)
        ]
    )

    def unaware(fold: int) -> Callable[[str, int], np.ndarray]:
        return lambda model, other: nested[model][min(fold, other), max(fold, other)](
            of_fold(other)
        )

    found[NESTED] = scored([student(fold, unaware(fold)) for fold in range(FOLDS)])
    return found


def of(labels: np.ndarray | None, probabilities: np.ndarray) -> tuple[float, float]:
    assert labels is not None
    right = float((probabilities.argmax(axis=1) == labels).mean())
    return right, float(scorers.log_loss(labels, probabilities))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--people", type=int, default=36)
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    main(given.draws, given.people, given.epochs)
