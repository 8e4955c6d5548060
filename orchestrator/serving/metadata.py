"""What an ensemble is, for those who ask a service: its classes, members, vote and honest scores."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from orchestrator.inference.parts import Trained
from orchestrator.limits import REQUEST, REQUEST_FILE, REQUEST_PHOTOS, REQUEST_PIXELS
from orchestrator.serving.settings import Settings
from orchestrator.version import __version__

_PACKAGES = ("ray", "torch", "timm", "numpy", "pillow")


def metadata_of(trained: Trained, settings: Settings) -> dict[str, Any]:
    """As JSON has it. Where the ensemble lies on the disk is not told."""
    weights = trained.record.weights
    members = [
        {
            "name": part.name,
            "model": part.networks[0].recipe.model,
            "networks": len(part.networks),
            "image_size": list(part.seen.size),
            "targets": None if part.targets is None else list(part.targets),
            "weight": weights.get(part.name),
            "milliseconds_per_photo": part.milliseconds,
        }
        for part in trained.members
    ]
    record = trained.record
    return {
        "ensemble": trained.name,
        "classes": list(trained.classes),
        "vote": {
            "name": trained.vote,
            "mode": record.mode,
            "objective": record.objective,
            "pool": record.pool,
            "weights": dict(weights),
            # on rows that neither the networks nor the vote were fitted to, with standard errors
            "estimate": record.estimate,
            "best_single": record.best_single,
            "prior": record.prior is not None,
        },
        "members": members,
        "joins": {name: list(of) for name, of in trained.joins.items()},
        "stacks": {name: list(stack.of) for name, stack in trained.stacks.items()},
        "limits": {
            "request_mib": REQUEST.value,
            "photographs": REQUEST_PHOTOS.value,
            "file_mib": REQUEST_FILE.value,
            "megapixels": REQUEST_PIXELS.value,
            "requests_at_once": settings.queue,
        },
        "versions": {
            "ensemble": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
    }
