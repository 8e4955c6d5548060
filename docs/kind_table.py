"""The kinds of votes that are averaged or chosen among, as a table."""

from __future__ import annotations

from docs.markdown import table
from ensembles.voting.kinds import AVERAGED, PLAIN

KINDS = {
    "best single": "the member with the best score",
    "uniform": "the plain mean",
    "top-k": "the plain mean of the best k, k the best",
    "log-loss weights": "a linear pool, its weights of least log-loss",
    "macro-F1 weights": "a linear pool, its weights searched for macro F1",
    "log-linear": "weights of 0 or more, ridge 1",
    "log-linear, any sign": "ridge 1",
    "ridge pool": "log-linear, any sign, ridge 10, with a class bias of ridge 3; a probability counts "
    "at least as .001",
    "strong ridge pool": "the same, ridge 100",
    "strong stacker": "the ridge pool and a linear function of the members' log-probabilities, ridge 300",
    "stacker": "the same, ridge 100",
}


def kinds() -> str:
    """The kinds of vote that are averaged or chosen among, the simplest first."""
    rows = [
        (name, "yes" if name in AVERAGED else "", "yes" if name in PLAIN else "", KINDS[name])
        for name in KINDS
    ]
    return table(("kind", "in the mean", "for `simplest`", ""), rows)
