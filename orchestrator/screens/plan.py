"""What would be trained, on what: the tables of `check`."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from rich.table import Table

from orchestrator.spec.search import Search
from orchestrator.spec.spec import StackedMember


def search_line(search: Search) -> str:
    hours = f", none begun after {search.hours:g} hours" if search.hours else ""
    rivals = "members compete" if search.scope == "ensemble" else "each member for itself"
    return (
        f"search ({search.sampler}) over {', '.join(search.space)}: at most {search.candidates} "
        f"candidates of each of {', '.join(search.members)}{hours}; {rivals}"
    )


def stack_line(stacked: StackedMember) -> str:
    return (
        f"{stacked.name}: a {stacked.stack.kind} stack of {', '.join(stacked.stack.of)}, fitted to "
        "their tables; no units"
    )


def fold_table(counts: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for fold in counts.columns:
        table.add_column("never held out" if fold == -1 else f"fold {fold}", justify="right")
    table.add_column("all", justify="right")
    for name, row in counts.iterrows():
        table.add_row(str(name), *map(str, row), str(row.sum()))
    return table


def plan_table(plan: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns: list[tuple[str, Literal["left", "right"]]] = [
        ("member", "left"),
        ("model", "left"),
        ("size", "left"),
        ("epochs", "right"),
        ("candidates", "right"),
        ("units", "right"),
        ("done", "right"),
        ("GMAC/photo", "right"),
        ("share of work", "right"),
        ("memory", "right"),
    ]
    for name, justify in columns:
        table.add_column(name, justify=justify)
    for row in plan:
        table.add_row(
            row["member"],
            row["model"],
            ", ".join("x".join(map(str, s)) for s in _seen(row["sizes"], row["image_size"])),
            str(row["epochs"]),
            str(row["candidates"] or "-"),
            str(row["units"]),
            str(row["done"]),
            f"{row['gmacs_per_photo']:.3f}",
            f"{row['share']:.0%}",
            f"{row['memory'] / 2**30:.1f} GiB",
        )
    return table


def _seen(sizes: list[list[int]], image_size: list[int]) -> list[list[int]]:
    """The sizes that it trains in, and at last the one that it predicts in, each once."""
    seen = [size for i, size in enumerate(sizes) if size not in sizes[:i] and size != image_size]
    return [*seen, image_size]
