"""A network of a bundle in a format of its own, asked: with the ONNX runtime, or with torch alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from members.errors import first_line
from orchestrator.errors import WrongRequest
from orchestrator.inference.bundles import onnx_files, torch_files

Ask = Callable[[np.ndarray], np.ndarray]
ONNX, TORCH = ".onnx", ".pt2"
ROWS = 32  # at once


def of_tensors(run: torch_files.Run, device: str) -> Ask:
    """The same of arrays."""

    def ask(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return run(torch.from_numpy(pixels).to(device)).cpu().numpy()

    return ask


def ask_file(content: bytes, place: str, device: str) -> Ask:
    """A network of a bundle in a format of its own: (N, h, w, 3) uint8 -> (N, k) float32.

    Raises WrongRequest where it cannot be loaded.
    """
    try:
        if place.endswith(ONNX):
            return onnx_files.Session(content, device).run
        return of_tensors(torch_files.loaded(content, device), device)
    except WrongRequest:
        raise
    except Exception as error:  # runtimes raise what they like
        raise WrongRequest(
            f"{place}: cannot be loaded ({first_line(error)}). Get the bundle anew, or export it again "
            "with the versions that are installed here."
        ) from error


def in_batches(ask: Ask, pixels: np.ndarray, n_classes: int) -> np.ndarray:
    """(N, k) float32, ROWS photographs at once."""
    parts: Sequence[np.ndarray] = [ask(pixels[i : i + ROWS]) for i in range(0, len(pixels), ROWS)]
    return np.concatenate([np.empty((0, n_classes), np.float32), *parts])
