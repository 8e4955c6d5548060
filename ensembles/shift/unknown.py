"""Rows whose answer is not probable enough to be given: how many, and how good the others are.

Classification with a reject option by the largest probability (Chow 1970).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ensembles.scores.influence import standard_error
from ensembles.shift.rows import HeldOut


def unknown_rows(below: float, held_out: HeldOut | None) -> dict[str, Any]:
    """`below`, and where there are held-out rows `oof`: how many `rows` have an answer whose probability
    is below it, `of` how many; the `accuracy` of the answers given, with `standard_error`, and
    `accuracy_below` of those not given, None of no rows.
    """
    if held_out is None:
        return {"below": below}
    unsure = is_unknown(held_out.probabilities, below)
    right, given = held_out.probabilities.argmax(axis=1) == held_out.labels, ~unsure
    accuracy = error = None
    if given.any():
        accuracy = float(right[given].mean())
        # the delta method's, of a ratio of two sums
        moves = np.where(given, right - accuracy, 0.0) * len(right) / given.sum()
        error = standard_error(moves, held_out.groups)
    oof = {
        "rows": int(unsure.sum()),
        "of": len(unsure),
        "accuracy": accuracy,
        "standard_error": error,
        "accuracy_below": float(right[unsure].mean()) if unsure.any() else None,
    }
    return {"below": below, "oof": oof}


def is_unknown(probabilities: np.ndarray, below: float) -> np.ndarray:
    """(N,) bool."""
    return np.asarray(probabilities.max(axis=1) < below)
