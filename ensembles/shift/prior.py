"""The test rows' class shares, and the vote corrected for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembles.shift import chance
from ensembles.shift.calibrate import Calibration, calibrated
from ensembles.shift.rows import HeldOut, Rows
from ensembles.shift.shares import class_shares, influences

# A matrix of classes by classes is solved at each step.
MOST_CLASSES = 1_000


@dataclass(frozen=True)
class Prior:
    """Class shares (K,) of the OOF labels and of the test rows, and the standard error of the
    difference between the two. predicted: the mean calibrated probability of each class on OOF and
    on test rows, by which it is told whether the shares differ beyond chance.
    """

    oof: np.ndarray
    test: np.ndarray
    error: np.ndarray
    predicted: chance.Difference
    calibration: Calibration

    @property
    def ratios(self) -> np.ndarray:
        """(K,) of the shares; 1 of a class without OOF rows, of which nothing is known."""
        there = self.oof > 0
        return np.where(there, self.test / np.where(there, self.oof, 1), 1.0)

    def corrected(self, mixed: np.ndarray) -> np.ndarray:
        """(N, K) float32: a vote's probabilities (N, K) as with the test rows' class shares.

        Calibrated probabilities p become proportional to p times the ratio of the shares (Saerens et
        al. 2002). The vote's own are those to the power of its temperature, so the ratio is, too;
        what else the vote does to them stays: offsets for macro F1, say.
        """
        turned = mixed * self.ratios**self.calibration.temperature
        return (turned / turned.sum(axis=1, keepdims=True)).astype(np.float32)

    def record(self) -> dict[str, Any]:
        """What `vote.json` holds, classes in the order of the columns."""
        return {
            "before": self.oof.tolist(),
            "after": self.test.tolist(),
            "standard_error": self.error.tolist(),
        }


def prior_of(held_out: HeldOut, test: Rows) -> Prior:
    """See `shares.class_shares`."""
    fitted = calibrated(held_out.probabilities, held_out.labels)
    there, asked = fitted.apply(held_out.probabilities), fitted.apply(test.probabilities)
    oof = held_out.shares
    found = class_shares(asked, oof)
    # moving the test rows' shares against those of the OOF rows, the first by rows of the second
    moves = influences(there, oof, oof), influences(asked, oof, found)
    error = chance.difference(*moves, held_out.groups).error
    predicted = chance.difference(there, asked, held_out.groups)
    return Prior(oof, found, error, predicted, fitted)
