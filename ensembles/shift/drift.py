"""Whether the test rows look unlike the OOF rows to the members, beyond what chance gives.

Three things are compared, none of which needs the test rows' labels: how sure the vote is, how many
members contradict it, and the class shares. Of OOF rows they are those of held-out votes, as fitted
rules are surer of the rows that they were fitted to.

A test row's prediction is the mean over the folds' models, that of an OOF row comes from one model. So
even rows of the same kind look somewhat unlike: members contradict each other less, and where one
model's answers vary much with what it was trained on, which makes them surer than they are right,
their mean is less sure. Only what goes beyond such a tolerance counts, by more than chance gives.

Shares are told apart by Rao's score: at the shares of training the likelihood of `shares` rises
with a class's share as the mean calibrated probability of the class is above that on OOF rows. Unlike
a likelihood ratio it knows of groups, and unlike Wald's test with the error of fitted shares it needs
no inverse and holds where a share is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ensembles.shift import chance
from ensembles.shift.chance import LEVEL
from ensembles.shift.prior import Prior
from ensembles.shift.rows import HeldOut, Rows

# What the mean over folds' models may change: in mean confidence, as a part of how much surer the
# OOF votes are than right, and in the share of members that contradict the vote.
CONFIDENCE, OF_OVERCONFIDENCE, DISAGREEMENT = 0.05, 1.5, 0.02


def drift(held_out: HeldOut, test: Rows, prior: Prior | None) -> dict[str, Any]:
    """`said`: whether any is beyond chance. `confidence`, `disagreement` (None of one member): the
    means of `oof` and `test` rows, `difference`, its `standard_error`, `beyond_chance`.
    `class_shares` (None of too many classes): `oof`, `test`, `standard_error`, `beyond_chance`, by
    class.
    """
    groups, sure = held_out.groups, held_out.confidence
    right = held_out.probabilities.argmax(axis=1) == held_out.labels
    surer = max(0.0, float(sure.mean() - right.mean()))
    less = CONFIDENCE + OF_OVERCONFIDENCE * surer
    found: dict[str, Any] = {
        "said": False,
        "confidence": _compared(sure, test.confidence, groups, less, CONFIDENCE),
        "disagreement": None,
        "class_shares": None,
    }
    if held_out.disagreement is not None and test.disagreement is not None:
        found["disagreement"] = _compared(
            held_out.disagreement, test.disagreement, groups, np.inf, DISAGREEMENT
        )
    said = [found[name]["beyond_chance"] for name in ("confidence", "disagreement") if found[name]]
    if prior is not None:
        beyond = prior.differ
        found["class_shares"] = {
            "oof": prior.oof.tolist(),
            "test": prior.fitted.tolist(),
            "standard_error": prior.error.tolist(),
            "beyond_chance": beyond.tolist(),
        }
        said.append(bool(beyond.any()))
    found["said"] = any(said)
    return found


def _compared(
    oof: np.ndarray, test: np.ndarray, groups: np.ndarray | None, less: float, more: float
) -> dict[str, Any]:
    found = chance.difference(oof[:, None], test[:, None], groups)
    return {
        "oof": float(found.oof[0]),
        "test": float(found.test[0]),
        "difference": float(found.by[0]),
        "standard_error": float(found.error[0]),
        "beyond_chance": bool(found.beyond(less, more, LEVEL / 3)[0]),
    }
