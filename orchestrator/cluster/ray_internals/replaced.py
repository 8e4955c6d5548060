"""Parts of Ray that stand aside for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def replaced(module: str, name: str | None = None, /, **values: Any) -> Iterator[None]:
    """Within the block attributes of `module`, or of what is called `name` in it, are these `values`.

    Nothing is replaced where this Ray lacks any of them: it is left as it is then.
    """
    try:
        place = import_module(module)
        place = getattr(place, name) if name else place
        before = {attribute: getattr(place, attribute) for attribute in values}
    except (ImportError, AttributeError):
        yield
        return
    try:
        for attribute, value in values.items():
            setattr(place, attribute, value)
        yield
    finally:
        for attribute, value in before.items():
            setattr(place, attribute, value)
