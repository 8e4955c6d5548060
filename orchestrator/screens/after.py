"""What came after a vote's rule: sets of classes, and answers left open, in a line each."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from ensembles.voting.record import VoteRecord


def show_after(record: VoteRecord, console: Console) -> None:
    if record.sets:
        console.print(_sets(record.sets))
    if record.unknown:
        console.print(_unknown(record.unknown))


def _sets(sets: dict[str, Any]) -> str:
    test = sets.get("test_mean_size")
    sizes = f"{sets['mean_size']:.2f} classes on OOF rows" + (
        f", {test:.2f} on test rows" if test is not None else ""
    )
    alone = " The most probable class alone does." if sets["threshold"] == 0 else ""
    return (
        f"sets for {sets['level']:.1%}: on held-out rows they hold the true class in "
        f"{sets['coverage']:.1%} ±{sets['standard_error']:.1%}; {sizes} on average.{alone}"
    )


def _unknown(unknown: dict[str, Any]) -> str:
    parts = [
        f"{own['rows']} of {own['of']} {name} rows"
        for name, kind in (("test", "test"), ("OOF", "oof"))
        if (own := unknown.get(kind))
    ]
    text = f"unknown below {unknown['below']:g}: {' and '.join(parts)}."
    oof = unknown.get("oof")
    if oof and oof["accuracy"] is not None:
        text += f" Accuracy of the answers given {oof['accuracy']:.4f} ±{oof['standard_error']:.4f}"
        if oof["accuracy_below"] is not None:
            text += f", of those not given {oof['accuracy_below']:.4f}"
        text += " (held-out OOF rows)."
    return text
