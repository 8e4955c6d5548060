"""Other libraries' random numbers, from a seed of one's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Meanwhile Python's, NumPy's and torch's generators (of the CPU) begin at `seed`.

    seed: 0 to 2^64 - 1. After, they stand where they stood, so that nothing else is drawn otherwise.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    of_torch = torch.default_generator.get_state()
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        torch.default_generator.set_state(of_torch)


def seed_everything(seed: int) -> None:
    """Have Python's, NumPy's and torch's generators, of all devices, begin at `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
