"""torch.compile: a network translated into a program of its own before its first step."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from members.errors import first_line

_PROGRAMS = "TORCHINDUCTOR_CACHE_DIR"  # torch's own name of the folder


def keep_programs(folder: str) -> None:
    """Have all networks of this process take programs from `folder`, and leave theirs there: one of the same
    shapes and settings is translated once, whatever the fold and seed. What the environment says comes first.
    """
    os.environ.setdefault(_PROGRAMS, folder)


def same_each_time(compiled: bool = False) -> None:
    """Have torch compute alike each time wherever it can; where it cannot, it warns.

    compiled: compiled programs, too. For these alone `torch.use_deterministic_algorithms` imports the
    compiler, which takes more than a second.
    """
    if compiled:
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:
        torch.set_deterministic_debug_mode("warn")


def compiled_network(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """`model` as a compiled function of the same weights; the module itself stays as it is.

    Each batch size gets a program of its own: one program for all of them would depend on which
    came first, and a training that goes on from a state would not end with the same bits.
    """
    torch.compiler.reset()  # programs of earlier networks count against a limit, and are no use
    return torch.compile(model, dynamic=False)


@functools.cache
def compiler_problem() -> str | None:
    """Why nothing can be compiled on this machine, or None. Takes some seconds."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with _empty_cache():  # else an earlier program would do, and the next network would fail
            torch.compile(lambda x: 2 * x + 1, dynamic=False)(torch.zeros(8, device=device))
    except Exception as error:  # whatever the compiler's tool chain raises
        return (
            f"compile: torch.compile does not work on this machine ({first_line(error)}). Install a C++ "
            "compiler and Python's headers wherever training runs (apt-get install g++ "
            "python3-dev), or leave compile out"
        )
    return None


@contextmanager
def _empty_cache() -> Iterator[None]:
    before = os.environ.get(_PROGRAMS)
    with TemporaryDirectory() as os.environ[_PROGRAMS]:
        try:
            yield
        finally:
            del os.environ[_PROGRAMS]
            if before is not None:
                os.environ[_PROGRAMS] = before
