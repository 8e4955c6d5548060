"""The one tolerance of probabilities that were rounded, and their rows scaled to sum 1 again.

A table as this package writes it sums to 1 within ROW_SUM_TOLERANCE. What comes from elsewhere may
be float16 or bfloat16, a mean of such, or text of a few digits. It is judged by its values: a column
of float32 may hold any of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.errors import examples

ROW_SUM_TOLERANCE = 1e-4
# bfloat16 keeps 8 bits: what sums to 1 misses it by 2^-9 at most; float16 by 2^-11
HALF_PRECISION = 2e-3
# However many classes: so much may be lost to written digits.
MOST_LOST = 0.1
# below this a negative value, or one above 1, is what float32 loses in a sum
_NOISE = 1e-6


@dataclass(frozen=True)
class Rescaled:
    """probabilities: (N, K) float32, rows within the tolerance scaled to sum 1, others as given.

    sums: (N,) float64, as given; None where none is off. rescaled: rows that were off by more than
    ROW_SUM_TOLERANCE, but within `tolerance`. off: indices of those that were not. digits: written
    after the decimal point, None where the values are no short decimals.
    """

    probabilities: np.ndarray
    sums: np.ndarray | None
    rescaled: int
    off: np.ndarray
    tolerance: float
    digits: int | None

    @property
    def notes(self) -> list[str]:
        """A sentence where rows were rescaled."""
        if not self.rescaled or self.sums is None:
            return []
        how = f"{self.digits} digits" if self.digits else "half precision"
        return [
            f"{self.rescaled} of {len(self.sums)} rows were rounded ({how}) and were scaled to "
            "sum to 1."
        ]

    def problems(self, name: str, ids: np.ndarray) -> list[str]:
        """A text where rows in [0, 1] do not sum to 1 by more than rounding explains."""
        if self.sums is None:
            return []
        own = self.probabilities[self.off]
        off = self.off[((own >= 0) & (own <= 1)).all(axis=1)]
        if not off.size:
            return []
        shown = ", ".join(f"{s:.6g}" for s in self.sums[off[:3]])
        return [
            f"{name}: {len(off)} rows do not sum to 1 within {self.tolerance:g}: "
            f"{examples(np.asarray(ids, object)[off])} sum to {shown}. Write probabilities (a "
            "softmax's output), not logits."
        ]


def rescale(values: np.ndarray) -> Rescaled:
    """Rows of probabilities (N, K) of any float dtype, those that rounding put off 1 scaled to 1.

    Within ROW_SUM_TOLERANCE rows stay as they are, bit for bit. Values outside [0, 1] and NaN stay
    too, for `table_problems` to refuse; less than 1e-6 outside they are set to the limit.
    """
    values = np.asarray(values)
    probabilities = np.array(values, np.float32)
    inside = not values.size or bool(probabilities.min() >= 0 and probabilities.max() <= 1)
    if inside and values.dtype == np.float32 and surely_sum_to_1(values):
        return Rescaled(probabilities, None, 0, np.empty(0, int), HALF_PRECISION, None)
    if not inside:
        noise = (probabilities < 0) & (probabilities >= -_NOISE)
        noise |= (probabilities > 1) & (probabilities <= 1 + _NOISE)
        probabilities[noise] = probabilities[noise].round()
    sums = values.sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        distance = abs(sums - 1)
    # NaN compares false, hence the negations
    doubtful = np.flatnonzero(~(distance <= ROW_SUM_TOLERANCE))
    digits = written_digits(values) if doubtful.size else None
    tolerance = row_sum_tolerance(digits, values.shape[1])
    near = distance[doubtful] <= tolerance
    rows = doubtful[near]
    probabilities[rows] = probabilities[rows] / sums[rows, None]
    return Rescaled(probabilities, sums, len(rows), doubtful[~near], tolerance, digits)


def surely_sum_to_1(probabilities: np.ndarray) -> bool:
    """Whether rows (N, K) float32 in [0, 1] sum to 1 within ROW_SUM_TOLERANCE by more than a sum in float32
    can be off: a product takes a quarter of the time of sums in float64, which tell the others.
    """
    n_classes = probabilities.shape[1]
    # K - 1 additions, each off by half of float32's spacing at most; twice that (Higham 2002, section 4.2)
    off = n_classes * float(np.finfo(np.float32).eps)
    sums = probabilities @ np.ones(n_classes, np.float32)
    return off < ROW_SUM_TOLERANCE and bool((abs(sums - 1) <= ROW_SUM_TOLERANCE - off).all())


def row_sum_tolerance(digits: int | None, n_classes: int) -> float:
    """How far from 1 the sum of a row may be, of values with so many digits (None: full floats).

    Each of K values is off by at most one in its last digit (rounded: half of it; cut off: one).
    """
    if digits is None:
        return HALF_PRECISION
    return max(HALF_PRECISION, min(MOST_LOST, n_classes * 10.0**-digits))


def written_digits(values: np.ndarray) -> int | None:
    """2 to 5 where all values are decimals of so many digits, the fewest; else None."""
    with np.errstate(over="ignore", invalid="ignore"):
        half = values.dtype == np.float16 or bool((values == values.astype(np.float16)).all())
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        return None
    # what the decimal has lost: float32 keeps 24 bits, float16 11
    lost = 2.0**-11 * abs(values) + 1e-7 if half else np.array(1e-7)
    for digits in range(2, 4 if half else 6):
        scaled = values * 10.0**digits
        if (abs(scaled - np.rint(scaled)) <= 10.0**digits * lost).all():
            return digits
    return None
