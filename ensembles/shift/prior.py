"""The test rows' class shares, and the vote corrected for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembles.shift import chance
from ensembles.shift.calibrate import calibrated
from ensembles.shift.rows import HeldOut, Rows
from ensembles.shift.shares import class_shares, influences

# A matrix of classes by classes is solved at each step.
MOST_CLASSES = 256
# What the mean over folds' models, and a rule beside those fitted without a fold, may change in the
# mean probability of a class, the second as a part of its share.
SHARE, OF_SHARE = 0.01, 0.1


@dataclass(frozen=True)
class Prior:
    """oof: (K,) class shares of the OOF labels. fitted: those of the test rows, with the standard
    error of their difference from the first. test: what the vote is corrected for.

    predicted: the mean calibrated probability of each class on OOF and on test rows, by which it is
    told whether the shares differ beyond chance. temperature: that of the calibration.
    """

    oof: np.ndarray
    fitted: np.ndarray
    error: np.ndarray
    predicted: chance.Difference
    temperature: float

    @property
    def differ(self) -> np.ndarray:
        """(K,) bool: the classes whose share on test rows differs beyond chance and tolerance."""
        tolerance = SHARE + OF_SHARE * self.oof
        return self.predicted.beyond(tolerance, tolerance, chance.LEVEL / 3)

    @property
    def test(self) -> np.ndarray:
        """(K,) of sum 1: the OOF shares, unless a class's differs. Then between these and the fitted
        shares: nearer to the first the more of their distance the errors explain (James and Stein
        1961, the positive part).

        Where nothing has shifted fitted shares make a vote worse, and not by chance alone: a rule's
        class offsets are not those of the rules fitted without a fold, and of unsure members a small
        difference in mean probability is a large one in shares. The errors know nothing of that.
        """
        if not self.differ.any():
            return self.oof
        moved = self.fitted - self.oof
        distance = float(moved @ moved)
        kept = max(0.0, 1 - float(self.error @ self.error) / distance) if distance else 0.0
        return self.oof + kept * moved

    @property
    def ratios(self) -> np.ndarray:
        """(K,) of the shares; 1 of a class without OOF rows, of which nothing is known."""
        return _ratios(self.oof, self.test)

    def corrected(self, mixed: np.ndarray) -> np.ndarray:
        """(N, K) float32: a vote's probabilities (N, K) as with the test rows' class shares.

        Calibrated probabilities become proportional to themselves times the ratio of the shares
        (Saerens et al. 2002); those of a vote that is less sure than right are calibrated ones to the
        power of its temperature, and so is the ratio. What else the vote does to them stays: offsets
        for macro F1, say.
        """
        return _corrected(mixed, self.ratios, self.temperature)

    def record(self) -> dict[str, Any]:
        """What `vote.json` holds, classes in the order of the columns."""
        return {
            "before": self.oof.tolist(),
            "after": self.test.tolist(),
            "fitted": self.fitted.tolist(),
            "standard_error": self.error.tolist(),
            "temperature": self.temperature,
        }


def corrected_as_recorded(mixed: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    """(N, K) float32: `Prior.corrected` of rows that come later, by the `prior` of a vote's record.

    Raises KeyError where the record is of a version that did not keep the temperature.
    """
    return _turned(mixed, power_of_ratios(record))


def power_of_ratios(record: Mapping[str, Any]) -> np.ndarray:
    """(K,) what `corrected_as_recorded` multiplies each class's probability by."""
    before, after = (np.array(record[name]) for name in ("before", "after"))
    return _power(_ratios(before, after), record["temperature"])


def _ratios(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    there = before > 0
    return np.where(there, after / np.where(there, before, 1), 1.0)


def _corrected(mixed: np.ndarray, ratios: np.ndarray, temperature: float) -> np.ndarray:
    return _turned(mixed, _power(ratios, temperature))


def _power(ratios: np.ndarray, temperature: float) -> np.ndarray:
    return ratios ** min(temperature, 1.0)


def _turned(mixed: np.ndarray, factors: np.ndarray) -> np.ndarray:
    turned = mixed * factors
    return (turned / turned.sum(axis=1, keepdims=True)).astype(np.float32)


def prior_of(held_out: HeldOut, test: Rows) -> Prior:
    """The shares fitted with as many rows of the OOF shares beside the test rows as there are
    classes, so that a class which occurs in few is not ruled out. See `shares.class_shares`.
    """
    calibration = calibrated(held_out.probabilities, held_out.labels)
    oof = held_out.shares
    there, asked = (calibration.apply(rows.probabilities) for rows in (held_out, test))
    fitted = class_shares(asked, oof, prior_rows=float(np.count_nonzero(oof)))
    # what each row moves the difference by, the OOF rows as the shares of calibration
    moves = influences(there, oof, oof), influences(asked, oof, fitted)
    error = chance.difference(*moves, held_out.groups).error
    predicted = chance.difference(there, asked, held_out.groups)
    return Prior(oof, fitted, error, predicted, calibration.temperature)
