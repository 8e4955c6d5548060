"""What is kept of photographs that were read: where it lies, and whether it is still right."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from members.data.listing import some
from members.pixels.augment import crop_of
from members.pixels.cache import Wanted, damage, verify
from members.reading.scan import forget_changed
from members.recipe.stages import training_copies
from members.room import OwnDisk
from orchestrator.errors import counted
from orchestrator.photographs import copies
from orchestrator.photographs.table import column
from orchestrator.spec.spec import Spec

# called with what is done, how many are done, and of how many
Reading = Callable[[str, int, int], None]


def cache_folder() -> str:
    """Where decoded photographs are kept: `ENSEMBLE_CACHE`, or a folder in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return os.environ.get("ENSEMBLE_CACHE") or str(Path(home).expanduser() / "photo-ensembles")


def copies_folder(spec: Spec) -> str:
    """Where decoded copies of a spec's photographs are kept: `cache.folder`, or with all else."""
    return (spec.cache.folder if spec.cache else None) or cache_folder()


def own_disk(spec: Spec) -> OwnDisk | None:
    """How copies make room there for others; None: nothing is removed."""
    return OwnDisk(spec.cache.limit) if spec.cache and spec.cache.folder else None


def scan_memo() -> Path:
    """What scans of photographs found, for the next one."""
    return Path(cache_folder()) / "scan.parquet"


def forget_changed_photos(part: pd.DataFrame, spec: Spec, progress: Reading) -> list[str]:
    """Have photos that changed under the same size and time read again; a note that names some."""
    paths = [
        path
        for copy in (None, *copies.seen(spec))
        if column("path", copy) in part
        for path in part[column("path", copy)]
    ]
    found = forget_changed(
        paths, scan_memo(), lambda *done: progress("comparing content with digests", *done)
    )
    if not found:
        return []
    return [
        f"{counted(len(found), 'photo')} changed while size and time stayed the same "
        f"({some(found)}): read again, and so is every result that hangs on them."
    ]


def damaged_caches(
    spec: Spec, parts: Sequence[pd.DataFrame | None], progress: Reading
) -> list[str]:
    """Read all decoded photographs of the spec that are kept; notes on those that were damaged."""
    folder = Path(copies_folder(spec))
    before = len(damage(folder))
    sizes = {
        (member.photos, size, crop_of(recipe)): None
        for member in spec.members
        for recipe in spec.recipes_of(member)
        for size in (recipe.image_size, *training_copies(recipe))
    }
    for part in [part for part in parts if part is not None]:
        for copy, size, crop in sizes:
            paths, digests = (part[column(name, copy)].tolist() for name in ("path", "digest"))
            wanted = Wanted(paths, digests, size, crop)
            verify(wanted, folder, lambda *done: progress("reading decoded photographs", *done))
    return damage(folder)[before:]
