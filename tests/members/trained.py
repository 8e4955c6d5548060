"""Small trainings that the tests of fit share."""

from __future__ import annotations

import io

import torch

from members.recipe.recipe import Recipe
from members.training.fit import fit
from tests.members.drawn import SHAPES, shapes

TRAIN, VALID = shapes(18, seed=1), shapes(12, seed=2)


def recipe(model="test_efficientnet", **settings):
    defaults = {"image_size": 32, "epochs": 4, "batch_size": 8, "augmentation": "flip"}
    return Recipe(**{"model": model, **defaults, **settings})


def states(settings, train=TRAIN, valid=VALID, *, seed=0, **keywords):
    """(epochs, the state after each)."""
    epochs, after = [], []
    for epoch in fit(settings, train, valid, SHAPES, seed=seed, **keywords):
        epochs.append(epoch)
        after.append(epoch.state())
    return epochs, after


def same_weights(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def through_a_file(state):
    content = io.BytesIO()
    torch.save(state, content)
    content.seek(0)
    return torch.load(content, weights_only=True)
