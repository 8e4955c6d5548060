"""Combine many probability tables: tables in, a vote out. Knows numpy and pyarrow only."""

import importlib

_HOME = {
    "BadInput": "errors",
    "Submission": "files.submission",
    "Table": "files.table",
    "Vote": "voting.result",
    "VoteClassifier": "classifier",
    "VoteRequest": "voting.request",
    "align": "files.table",
    "cast": "voting.cast",
    "cast_large": "large.cast",
    "cast_submissions": "voting.cast",
    "compare": "files.submission",
    "evaluate": "judging.evaluate",
    "explain": "judging.reasons",
    "fit_weights": "weights.fit",
    "pareto": "voting.pareto",
    "read_members": "files.table",
    "read_soft_submissions": "files.soft_submission",
    "read_submission": "files.submission",
    "read_table": "files.table",
    "write_submission": "files.submission",
    "write_table": "files.table",
}
_RENAMED = {"read_soft_submissions": "read_all", "read_table": "read", "write_table": "write"}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    """Import a public name's module when the name is first asked for: importing this is instant."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, _RENAMED.get(name, name))
