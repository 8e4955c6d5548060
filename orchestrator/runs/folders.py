"""Which folder a command means: what its flag says, else an environment variable, else a default.

    SM_MODEL_DIR         runs go to $SM_MODEL_DIR/<name> instead of runs/<name>
    SM_CHANNEL_MODEL     trained runs are read from there: a folder of runs, or one run itself
    SM_OUTPUT_DATA_DIR   gets the files of a vote, beside those in the run folder
    SM_GROUND_TRUTH_DIR  holds the truth: truth.csv, gt.csv, or the only CSV there

They are the variables of managed training services; one that is empty counts as not set. Two more,
SM_CHANNEL_TRAIN and SM_CHANNEL_EVAL, stand in the specs: ${SM_CHANNEL_TRAIN:-data/train}.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestrator.errors import WrongRequest
from orchestrator.program import called
from orchestrator.runs.store import Store

TRUTHS = ("truth.csv", "gt.csv")


def _variable(name: str) -> str | None:
    return (os.environ.get(name) or "").rstrip("/") or None


def runs() -> str:
    """The folder of all runs."""
    return _variable("SM_MODEL_DIR") or "runs"


def to_train(name: str, given: str | None) -> Store:
    """Where the spec called `name` is trained. given: what `--run` says."""
    return Store(given or f"{runs()}/{name}")


def new_run(name: str) -> str:
    """`runs/<name>`, or where there are runs of it, `runs/<name>-<n>`, n one above the last.

    Runs are numbered with a dash, since a name may end in a digit.
    """
    parent = runs()
    found = (re.fullmatch(rf"{re.escape(name)}-(\d+)", folder) for folder in Store(parent).list())
    numbers = [int(match[1]) for match in found if match and _holds_something(parent, match[0])]
    if not numbers and not _holds_something(parent, name):
        return f"{parent}/{name}"
    return f"{parent}/{name}-{max(numbers, default=1) + 1}"


def _holds_something(parent: str, name: str) -> bool:
    """More than the lock of a run that was refused before it began."""
    return any(entry != ".lock" for entry in Store(f"{parent}/{name}").list())


def remember(store: Store, folder: Store) -> None:
    """`latest` in `folder`, that of all runs, names the run trained last.

    Relative to that folder where both are in one project, so that a copied project's `latest` is
    the copy's.
    """
    project = folder.root.rpartition("/")[0]
    named = store.root
    if folder.local and store.local and named.startswith(f"{project}/"):
        named = os.path.relpath(named, folder.root)
    folder.write("latest", named + "\n")


def to_read(name: str, given: str | None) -> Store:
    """The trained run of the spec called `name`. given: what `--run` says."""
    if given:
        return Store(given)
    channel = _variable("SM_CHANNEL_MODEL")
    if channel and Store(channel).exists("spec.yaml"):
        return Store(channel)
    return Store(f"{channel or runs()}/{name}")


def latest() -> Store:
    """The run trained last; or the one that SM_CHANNEL_MODEL is.

    Raises `WrongRequest` where there is none.
    """
    folder = _variable("SM_CHANNEL_MODEL") or runs()
    if Store(folder).exists("spec.yaml"):
        return Store(folder)
    beside = Store(folder)
    try:
        named = beside.read_text("latest").strip()
    except FileNotFoundError:
        raise WrongRequest(
            f"nothing was trained here yet (there is no {folder}/latest). Give a SPEC, --run DIR, "
            "--tables DIR or --submissions CSV, or train first: "
            f"{called()} train-members SPEC"
        ) from None
    if not named or not named.isprintable():
        raise WrongRequest(
            f"{folder}/latest is damaged: it names no run folder ({named!r}). Give --run DIR, or a SPEC."
        )
    if "://" not in named and not named.startswith("/"):
        return Store(os.path.normpath(f"{beside.root}/{named}") if beside.local else named)
    # written by an earlier version, maybe in the project that this one is a copy of
    parent, _, name = named.rstrip("/").rpartition("/")
    own = Store(f"{beside.root}/{name}")
    of_a_copy = parent.rpartition("/")[2] == beside.root.rpartition("/")[2]
    if own.exists("spec.yaml") and (of_a_copy or not Store(named).exists("spec.yaml")):
        return own
    return Store(named)


def for_vote(given: str | None, run: Store | None, vote: str) -> list[str]:
    """Folders that receive a vote; the last is the one that is printed.

    given: what `--out` says, which is then the only one. run: what was voted on, None for tables
    or submissions made elsewhere. vote: its own folder in the run, e.g. `votes/soft`.
    """
    if given:
        return [given]
    output = _variable("SM_OUTPUT_DATA_DIR")
    own = [run.uri(vote)] if run else [] if output else [vote]
    return own + ([output] if output else [])


def to_evaluate(predictions: str | None, truth: str | None) -> tuple[str, str | None]:
    """The predictions and the truth that `evaluate` compares; None: what is known of them already.

    Raises `WrongRequest` where neither an argument nor a variable gives predictions, and where the
    folder of truths holds none.
    """
    problems = []
    output = _variable("SM_OUTPUT_DATA_DIR")
    if predictions is None and output is None:
        problems.append(
            "give PREDICTIONS, a submission or a probability table; "
            "or set SM_OUTPUT_DATA_DIR, whose submission.csv is taken"
        )
    if truth is None:
        try:
            truth = _truth()
        except WrongRequest as error:
            problems += error.problems
    if problems:
        raise WrongRequest(problems)
    return predictions or f"{output}/submission.csv", truth


def _truth() -> str | None:
    folder = _variable("SM_GROUND_TRUTH_DIR")
    if folder is None:
        return None
    lists = sorted(file.name for file in Path(folder).glob("*.csv"))
    for name in (*TRUTHS, *(lists if len(lists) == 1 else [])):
        if name in lists:
            return f"{folder}/{name}"
    found = ", ".join(lists) or ("no CSV" if Path(folder).is_dir() else "no such folder")
    raise WrongRequest(
        f"SM_GROUND_TRUTH_DIR is {folder}: {found}. Expected {' or '.join(TRUTHS)}, or one CSV "
        "alone; or give --truth CSV"
    )
