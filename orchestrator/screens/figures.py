"""Figures as the tables show them."""

from __future__ import annotations

from typing import Any

from ensembles.scores import metrics

METRICS = {name: metrics.title(name) for name in metrics.REPORTED}


def figures(scores: dict[str, Any]) -> list[str]:
    errors = scores.get("standard_error") or {}
    cells = []
    for metric in METRICS:
        error = f" ±{errors[metric]:.3f}" if errors.get(metric) is not None else ""
        cells.append(f"{scores[metric]:.4f}{error}" if metric in scores else "")
    return cells


def plain(scores: dict[str, Any] | None) -> str:
    return f"{scores['macro_f1']:.4f}" if scores else ""


def seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2f}"
