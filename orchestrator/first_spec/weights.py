"""Whether published weights can be had here: of timm's cache, or from the hub that it downloads from."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.first_spec.networks import Network

Wanted = Literal["auto", "yes", "no"]
_PATIENCE = 3.0  # seconds until a hub that does not answer counts as out of reach
_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Weights:
    """cached: models whose weights are on this machine. reached: whether others can be downloaded. asked:
    whether they were asked for, or refused."""

    cached: frozenset[str]
    reached: bool
    asked: Wanted = "auto"

    def of(self, network: Network) -> bool:
        """Whether a network starts from them."""
        if self.asked != "auto":
            return self.asked == "yes"
        return self.reached or network.model in self.cached

    def line(self, chosen: Sequence[Network], from_weights: bool) -> str:
        """What was decided for the networks that were chosen, and why."""
        if from_weights:
            missing = [own.name for own in chosen if own.model not in self.cached]
            if not missing:
                return "the networks start from published weights, which are in timm's cache"
            why = "that is what was asked for" if self.asked == "yes" else "the hub can be reached"
            return (
                "the networks start from published weights; those of "
                f"{', '.join(missing)} are downloaded at first use, which is not counted here ({why})"
            )
        if self.asked == "no":
            return "the networks start at random, as was asked for"
        return (
            "the networks start at random: published weights are neither in timm's cache nor can its hub "
            "be reached. With them networks learn far more from few photographs: run init again where "
            "there is a connection, or name files as `pretrained:`"
        )


def look(networks: Sequence[Network], wanted: Wanted) -> Weights:
    """Look into the cache, and, where the answer hangs on it, ask the hub once. Imports timm."""
    cached = frozenset(own.model for own in networks if wanted != "no" and _is_cached(own.model))
    reached = wanted == "auto" and len(cached) < len(networks) and _is_reached()
    return Weights(cached, reached, wanted)


def _is_cached(model: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    from members.networks.timm_import import timm

    config = timm.get_pretrained_cfg(model)
    repo = config.hf_hub_id if config else None
    found = [try_to_load_from_cache(repo, file) for file in _FILES] if repo else []
    return any(isinstance(own, str) for own in found)


def _is_reached() -> bool:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or not constants.ENDPOINT.startswith(("http://", "https://")):
        return False
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE):
            return True
    except urllib.error.HTTPError:  # it answers
        return True
    except OSError:
        return False
