"""The vote that a student learns: every row by weights that neither the row nor its fold was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ensembles.errors import BadInput
from ensembles.judging.estimate import apply_held_out, nested_rules
from ensembles.rules.pools import Rule
from ensembles.weights.fit import fit_stack
from ensembles.weights.stack import Stack, stack_members

Mode = Literal["soft", "weighted"]


@dataclass
class Teaching:
    """answers: (N, K) float32, each row's vote. weights: fold -> (M,) float64 of the vote of its rows.
    rule: fitted to all rows, for rows that are in none of the folds.
    """

    answers: np.ndarray
    weights: dict[int, np.ndarray]
    rule: Rule


def teaching(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, mode: Mode
) -> Teaching:
    """The vote of out-of-fold predictions (M, N, K) float32 on the rows that they are of.

    labels: (N,) int in 0..K-1. folds: (N,) int, in which a row was held out. "soft" is the plain mean.
    "weighted" is the linear pool of least log-loss: for each fold's rows the weights are fitted to the
    rows of the other folds, so that no row's label is in its own answer. Raises BadInput where several
    members are weighted and there is but one fold.
    """
    n_members = len(probabilities)

    def fit(stack: Stack) -> Rule:
        if mode == "soft" or n_members == 1:
            return Rule(np.full(n_members, 1 / n_members))
        return Rule(fit_stack(stack, "log_loss").weights)

    if mode == "weighted" and n_members > 1 and len(np.unique(folds)) < 2:
        raise BadInput(
            "rows of one fold: weights for them can be fitted to no other rows. Give two folds or more, "
            'or mode="soft"'
        )
    stack = stack_members(probabilities, labels)
    rules = nested_rules(stack, folds, fit)
    weights = {int(folds[rows[0]]): rule.weights for rows, rule in rules}
    return Teaching(apply_held_out(stack, rules), weights, fit(stack))
