"""Combine many probability tables: tables in, a vote out. Knows numpy and pyarrow only."""

import importlib

_HOME = {
    "BadInput": "errors",
    "Submission": "submission",
    "Table": "tables",
    "Vote": "result",
    "VoteClassifier": "classifier",
    "VoteRequest": "request",
    "align": "tables",
    "cast": "casting",
    "cast_large": "large",
    "cast_submissions": "casting",
    "compare": "submission",
    "evaluate": "evaluation",
    "explain": "reasons",
    "fit_weights": "weights",
    "pareto": "cost",
    "read_members": "tables",
    "read_soft_submissions": "soft_submission",
    "read_submission": "submission",
    "read_table": "tables",
    "write_submission": "submission",
    "write_table": "tables",
}
_RENAMED = {"read_soft_submissions": "read_all", "read_table": "read", "write_table": "write"}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    """Import a public name's module when the name is first asked for: importing this is instant."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, _RENAMED.get(name, name))
