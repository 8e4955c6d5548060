"""`prepare`: a copy of the photographs with the background removed, and what people should see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from members.errors import BadInput
from members.pixels.background_copy import FEW, MOST, SHEET, Copied, remove_background
from orchestrator.printing import write_json

_LISTED = 20  # suspicious photos named on the screen; `--json` has them all


def copy_without_background(
    source: Path,
    target: Path,
    console: Console,
    jobs: int | None = None,
    json_file: Path | None = None,
) -> None:
    """Make or complete the copy and print what came of it.

    Raises `BadInput` that names every photo that could not be copied, after all others are.
    """
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("removing backgrounds", total=None)
        copied = remove_background(
            source,
            target,
            jobs=jobs,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(
        f"{copied.done} photos made, {copied.already} were done before, "
        f"{copied.other_files} other files are copied: {target}",
    )
    if copied.kept:
        _show(copied, target, console)
    write_json(json_file, _record(copied))
    if copied.problems:
        raise BadInput(copied.problems)


def _show(copied: Copied, target: Path, console: Console) -> None:
    shares = np.array(list(copied.kept.values()))
    console.print(
        f"Kept of a photo: {np.median(shares):.0%} in the middle, "
        f"{shares.min():.0%} to {shares.max():.0%}. Before and after: {target / SHEET}",
    )
    odd = copied.suspicious()
    if odd:
        console.print(
            f"{len(odd)} photos are suspicious (kept below {FEW:.0%} or above {MOST:.0%}):"
        )
        for path in odd[:_LISTED]:
            console.print(f"  {path}  {copied.kept[path]:.1%}")
        if len(odd) > _LISTED:
            console.print(f"  and {len(odd) - _LISTED} more; --json FILE has every photo's share")
    if copied.extra:
        console.print(
            f"note: {target} has {len(copied.extra)} photos that the original has not, "
            f"e.g. {copied.extra[0]}; they are left alone",
        )
    figures = copied.statistics
    assert figures is not None  # photos were kept
    mean, std = (", ".join(f"{v:.4f}" for v in part) for part in (figures.mean, figures.std))
    console.print("Statistics of the copy, for members that see it whole (with a `crop`, write")
    console.print("`normalize: computed`):")
    console.print(f"  normalize: {{mean: [{mean}], std: [{std}]}}")


def _record(copied: Copied) -> dict[str, Any]:
    """The figures, for programs."""
    return {
        "photos": len(copied.kept),
        "done": copied.done,
        "already": copied.already,
        "other_files": copied.other_files,
        "statistics": copied.statistics.model_dump() if copied.statistics else None,
        "suspicious": copied.suspicious(),
        "extra": copied.extra,
        "problems": copied.problems,
        "kept": copied.kept,
    }
