"""Specs, and the files that they name, that come with the package: found from any folder."""

from __future__ import annotations

from pathlib import Path

import ensembles
from members.files import kind_of

_FOLDER = Path(ensembles.__file__).parent


def shipped(path: str | Path) -> Path:
    """The path itself where it exists, else the package's own file of the name `ensembles/...`."""
    path = Path(path)
    if kind_of(path) or path.parts[:1] != (_FOLDER.name,) or ".." in path.parts:
        return path
    own = _FOLDER.parent / path
    return own if own.is_file() else path


def names() -> list[str]:
    """The specs of the package, as `shipped` finds them: `ensembles/demo.yaml`, ..."""
    return sorted(f"{_FOLDER.name}/{file.name}" for file in _FOLDER.glob("*.yaml"))
