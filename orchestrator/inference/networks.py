"""The networks of an ensemble, loaded once and kept: pixels in, probabilities out."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from members.batches.photos import Photos
from members.errors import BadInput, first_line
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.predict import predict_each
from orchestrator.errors import WrongRequest
from orchestrator.inference.bundles.run_file import ONNX, TORCH, Ask, ask_file, in_batches
from orchestrator.inference.parts import Network, Part
from orchestrator.inference.weights import read_weights


def device_of(asked: str | None) -> str:
    """What networks run on. asked: as torch names it; None: a GPU where there is one."""
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise WrongRequest(
            f"--device {asked}: cannot be used here ({first_line(error)}). Leave it out, or give cpu."
        ) from None
    return asked


def ask_member(part: Part, n_classes: int, device: str) -> Ask:
    """Load a member's networks. The function that is returned takes pixels (N, h, w, 3) uint8 of the
    size that the member sees, and gives (N, k) float32 probabilities: the mean of its networks, as
    in the test tables of a run.

    Raises WrongRequest, with all mistakes, where weights are missing or damaged.
    """
    problems: list[str] = []
    loaded: list[Ask] = []
    for network in part.networks:
        try:
            loaded.append(_ask_network(network, n_classes, device))
        except BadInput as error:
            problems += [f"{part.name}: {problem}" for problem in error.problems]
    if problems:
        raise WrongRequest(problems)

    def ask(pixels: np.ndarray) -> np.ndarray:
        total = np.zeros((len(pixels), n_classes))
        for ask_one in loaded:
            total += ask_one(pixels)
        return (total / len(loaded)).astype(np.float32)

    return ask


def _ask_network(network: Network, n_classes: int, device: str) -> Ask:
    if network.place.endswith((ONNX, TORCH)):
        program = ask_file(read_weights(network), network.place, device)
        return partial(in_batches, program, n_classes=n_classes)
    model, recipe = load_network(network, n_classes, device)

    def ask(pixels: np.ndarray) -> np.ndarray:
        (own,) = predict_each(model, Photos(pixels), recipe, [recipe.views], device=device)
        return own

    return ask


def load_network(network: Network, n_classes: int, device: str) -> tuple[nn.Module, Recipe]:
    """The network of safetensors on `device`, to be asked, and the recipe that it is asked by.

    Raises WrongRequest where its weights are missing or damaged.
    """
    content, recipe = read_weights(network), network.recipe
    if device == "cpu" and recipe.mixed_precision == "fp16":  # which no CPU has; float32 is finer
        recipe = recipe.model_copy(update={"mixed_precision": "off"})
    model = build_model(recipe, n_classes, pretrained=False)
    saving.load_bytes(model, content, network.place, halved=True)
    model.requires_grad_(False).eval()
    return model.to(device), recipe
