"""One network of all rows, the folds' networks together, or one of these: scores on people nobody saw.

    PYTHONPATH=. python benchmarks/refit.py [--draws 12] [--people 36] [--epochs 12]

Draws people and trains a small network in three folds by person, each fold's of its best epoch, as
`select: best` does it, and one on all rows for the epoch that `train-members --refit` takes: the best of the
mean curve. Then all are asked about people that none of them saw:

    mean of the folds    what a run's tables and `export --folds all` answer by
    all rows             what `export --folds refit` answers by
    best fold            of the folds' networks the one with the best score on its own held-out rows
    a fold               the mean over the scores of the folds' networks

Gender and age (six classes). Differences are from the mean of the folds on the same drawing; errors are
standard errors over draws. About three minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.pseudo_leak import FOLDS, SIZE, drawing, error
from ensembles.scores.metrics import named
from members.batches.photos import Photos
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.fit import best_weights, fit, last_weights
from members.training.predict import predict
from orchestrator.units.refit import refit_epochs, refit_recipe

N_CLASSES = 2 * 3
METRICS = ("macro_f1", "accuracy", "log_loss")
ALL, REFIT, BEST, ONE = "mean of the folds", "all rows", "best fold", "a fold"
PASSES = {ALL: FOLDS, REFIT: 1, BEST: 1, ONE: 1}


def main(draws: int, people: int, epochs: int) -> None:
    torch.set_num_threads(1)
    recipe = Recipe(
        model="test_resnet",
        image_size=SIZE,
        epochs=epochs,
        batch_size=16,
        lr=5e-3,
        warmup_epochs=1,
        augmentation="flip",
    )
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    chosen = []
    for seed in range(draws):
        train, folds, _, unseen = drawing(seed, people)
        scores, epoch = compared(train, folds, unseen, recipe, seed)
        chosen.append(epoch)
        for name, own in scores.items():
            found[name].append(own)
        print(f"drawing {seed + 1} of {draws}: epoch {epoch}", file=sys.stderr, flush=True)
    print(
        f"all rows: epoch {np.mean(chosen):.1f} of {epochs} on average ({min(chosen)} to {max(chosen)})"
    )
    print(
        f"{'':<19}{'passes':>6}" + "".join(f"{metric:>16}{'difference':>16}" for metric in METRICS)
    )
    base = np.array(found[ALL])
    for name, rows in found.items():
        own, line = np.array(rows), f"{name:<19}{PASSES[name]:>6}"
        for number in range(len(METRICS)):
            values, apart = own[:, number], own[:, number] - base[:, number]
            line += f"{f'{values.mean():.3f} ±{error(values):.3f}':>16}"
            line += " " * 16 if name == ALL else f"{f'{apart.mean():+.3f} ±{error(apart):.3f}':>16}"
        print(line.rstrip())


def compared(
    train: Photos, folds: np.ndarray, unseen: Photos, recipe: Recipe, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Name -> METRICS (3,) on people nobody saw, and the epoch of the network of all rows."""
    histories, own, asked = [], [], []
    for fold in range(FOLDS):
        held_out = train.take(np.flatnonzero(folds == fold))
        inside = train.take(np.flatnonzero(folds != fold))
        *_, last = fit(recipe, inside, held_out, N_CLASSES, seed=seed)
        state = last.state()
        histories.append(state["history"])
        own.append(state["history"][state["best_epoch"] - 1][recipe.metric])
        asked.append(answers(best_weights(state), unseen, recipe))
    epochs = refit_epochs(histories, recipe)
    alone = refit_recipe(recipe, None)
    for epoch in fit(alone, train, None, N_CLASSES, seed=seed):
        if epoch.number == epochs:
            whole = answers(last_weights(epoch.state()), unseen, recipe)
            break
    each = np.array([scores(unseen, probabilities) for probabilities in asked])
    found = {
        ALL: scores(unseen, np.mean(asked, axis=0)),
        REFIT: scores(unseen, whole),
        BEST: each[int(np.argmax(own))],
        ONE: each.mean(axis=0),
    }
    return found, epochs


def answers(weights: dict[str, torch.Tensor], photos: Photos, recipe: Recipe) -> np.ndarray:
    model = build_model(recipe, N_CLASSES, pretrained=False)
    model.load_state_dict(weights)
    return predict(model, photos, recipe)


def scores(photos: Photos, probabilities: np.ndarray) -> np.ndarray:
    assert photos.labels is not None
    return np.array([named(metric).score(photos.labels, probabilities) for metric in METRICS])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--people", type=int, default=36)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    main(given.draws, given.people, given.epochs)
