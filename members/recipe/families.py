"""The recipes that come with the project, members/recipes/*.yaml: one a family of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import members
from members.errors import BadInput, nearest

_RECIPES = Path(members.__file__).with_name("recipes")


def families() -> list[str]:
    """Names of the recipes in members/recipes/, one a family of networks."""
    return sorted(file.stem for file in _RECIPES.glob("*.yaml"))


def family(name: str) -> dict[str, Any]:
    """The keys that members/recipes/NAME.yaml sets. Raises BadInput for an unknown name."""
    if name not in families():
        raise BadInput(
            f"{name!r} is no known recipe.{nearest(name, families())} "
            f"Known: {', '.join(families())}"
        )
    return yaml.safe_load((_RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
