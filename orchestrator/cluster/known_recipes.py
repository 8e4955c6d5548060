"""What earlier calls found out about recipes. It takes torch and timm, whose import alone takes seconds.

Kept is what depends on nothing but a recipe, the packages, this code and the weights that training starts
from, and what is in order: where something is wrong, it is looked at again.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import members
from ensembles.files.digests import sealed, unsealed
from members import files
from members.errors import BadInput
from members.networks.weights_file import weights_file
from members.reading.photo import stamp
from members.recipe.recipe import Recipe
from orchestrator.photographs.cache import cache_folder

T = TypeVar("T")
_PACKAGES = ("torch", "torchvision", "timm", "albumentations", "numpy", "opencv-python-headless")
_MOST = 5000  # answers, the last ones


class Known:
    """Answers by what was asked, which `find` of the same name gives where they are not known."""

    def __init__(self, file: Path):
        self._file = file
        self._known = _read(file)
        self._new: dict[str, Any] = {}

    def of(self, what: str, recipe: Recipe, *given: Any, find: Callable[[], T]) -> T:
        """What `find()` returns: a number, or problems of which there are none ([] or None).

        what: a name of `find`, whose answer hangs on the recipe and the plain values `given`.
        """
        key = _key(what, recipe, given)
        if key is None:
            return find()
        if key not in self._known:
            found = find()
            if found and not isinstance(found, (int, float)):
                return found
            self._known[key] = self._new[key] = found
        return self._known[key]

    def write(self) -> None:
        """Whole; what another call has found meanwhile stays."""
        if not self._new:
            return
        every = {**_read(self._file), **self._new}
        kept = dict(list(every.items())[-_MOST:])
        with suppress(OSError, BadInput):  # without it the next call is slower, nothing else
            files.make_folder(self._file.parent)
            with files.replacing(self._file) as work:
                Path(work).write_text(json.dumps(sealed(kept)))
        self._new = {}


_open: ContextVar[Known | None] = ContextVar("open", default=None)


@contextmanager
def known_recipes() -> Iterator[Known]:
    """Of the cache; what is new stands there after the outermost block."""
    if known := _open.get():
        yield known
        return
    known = Known(Path(cache_folder()) / "recipes.json")
    before = _open.set(known)
    try:
        yield known
    finally:
        _open.reset(before)
        known.write()


def _read(file: Path) -> dict[str, Any]:
    try:
        found = unsealed(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError):  # not there, or damaged
        return {}
    return found if isinstance(found, dict) else {}


def _key(what: str, recipe: Recipe, given: tuple[Any, ...]) -> str | None:
    """None where the answer hangs on more than can be told: a compiler, a file that is not there."""
    weights = None
    if isinstance(recipe.pretrained, str):
        try:
            file = weights_file(recipe.pretrained)
        except BadInput:
            return None
        weights = [str(file), stamp(str(file))]
        if weights[1] is None:
            return None
    if recipe.compile:
        return None
    asked = [what, recipe.model_dump(mode="json"), given, weights, _code()]
    return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=16).hexdigest()


@functools.cache
def _code() -> list[Any]:
    """Of the packages the versions, of this one each file's size and times."""
    versions = [[name, _version(name)] for name in _PACKAGES]
    own = sorted(map(str, Path(members.__file__).parent.rglob("*.py")))
    return [sys.version, versions, [[name, stamp(name)] for name in own]]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
