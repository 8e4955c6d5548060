"""`import timm`, also where torchvision's compiled extension does not load, and no more than timm.

    from members.networks.timm_import import timm

timm imports torchvision, whose import describes two operators that its extension registers. Beside
a CPU-only torch the index's torchvision, built for CUDA, cannot load that extension and the import
fails with `operator torchvision::nms does not exist`. Nothing here calls the two operators, so a
declaration without an implementation is enough. With a matching build it would clash, hence the
attempt to load the extension first.

timm also imports Weights & Biases wherever it is installed, for a log file that nothing here writes:
half of timm's import time, in every process that trains. So it is not to be found meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _extension_loads() -> bool:
    package = find_spec("torchvision")  # locates the package without importing it
    if package is None or not package.submodule_search_locations:
        return True  # no torchvision: nothing to declare for
    folder = package.submodule_search_locations[0]
    extension = FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec("_C")
    if extension is None or extension.origin is None:
        return False
    try:
        torch.ops.load_library(extension.origin)
    except OSError:
        return False
    return True


def declare() -> torch.library.Library | None:
    """Declare `torchvision::nms` and `qnms` if the extension is missing; the library, or None."""
    if _extension_loads():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + _SIGNATURE)
    return library


@contextmanager
def not_found(package: str) -> Iterator[None]:
    """Meanwhile `import package` raises ImportError, unless it was imported before."""
    if package in sys.modules:
        yield
        return
    # None is how Python marks a module that must not be found; its types lack it
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


LIBRARY = declare()  # the declarations last as long as this object

with not_found("wandb"):
    import timm
    import timm.data
    import timm.loss
    import timm.optim
    import timm.utils

__all__ = ["LIBRARY", "declare", "not_found", "timm"]
