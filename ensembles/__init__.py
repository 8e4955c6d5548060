"""Combine many probability tables: tables in, a vote out. Needs numpy and pyarrow only."""

import importlib
from typing import TYPE_CHECKING

_HOME = {
    "BadInput": "errors",
    "OofTable": "files.table",
    "Stacked": "second_level.stack",
    "Submission": "files.submission",
    "Table": "files.table",
    "Vote": "voting.result",
    "VoteClassifier": "classifier",
    "VoteRequest": "voting.request",
    "align": "files.align",
    "cast": "voting.cast",
    "cast_large": "large.cast",
    "cast_submissions": "voting.submissions",
    "compare": "files.compare",
    "evaluate": "judging.evaluate",
    "explain": "judging.reasons",
    "fit_weights": "weights.fit",
    "pareto": "voting.pareto",
    "read_members": "files.parquet",
    "read_soft_submissions": "files.soft_submission",
    "read_submission": "files.submission",
    "read_table": "files.parquet",
    "stack_table": "second_level.stack",
    "write_submission": "files.submission",
    "write_table": "files.parquet",
}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from ensembles.classifier import VoteClassifier as VoteClassifier
    from ensembles.errors import BadInput as BadInput
    from ensembles.files.align import align as align
    from ensembles.files.compare import compare as compare
    from ensembles.files.parquet import read_members as read_members
    from ensembles.files.parquet import read_table as read_table
    from ensembles.files.parquet import write_table as write_table
    from ensembles.files.soft_submission import read_soft_submissions as read_soft_submissions
    from ensembles.files.submission import Submission as Submission
    from ensembles.files.submission import read_submission as read_submission
    from ensembles.files.submission import write_submission as write_submission
    from ensembles.files.table import OofTable as OofTable
    from ensembles.files.table import Table as Table
    from ensembles.judging.evaluate import evaluate as evaluate
    from ensembles.judging.reasons import explain as explain
    from ensembles.large.cast import cast_large as cast_large
    from ensembles.second_level.stack import Stacked as Stacked
    from ensembles.second_level.stack import stack_table as stack_table
    from ensembles.voting.cast import cast as cast
    from ensembles.voting.pareto import pareto as pareto
    from ensembles.voting.request import VoteRequest as VoteRequest
    from ensembles.voting.result import Vote as Vote
    from ensembles.voting.submissions import cast_submissions as cast_submissions
    from ensembles.weights.fit import fit_weights as fit_weights
else:

    def __getattr__(name):
        """A public name, its module imported at its first use: importing this package is instant."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
