"""Curves, settings and pictures of units, for TensorBoard, Weights & Biases and MLflow.

    with follow(unit, store, ["tensorboard"], project) as curves:
        curves.begin(history)            # the epochs of an interrupted unit, each once
        curves.epoch(row)
        curves.picture(png, epoch)

A tracker that fails costs its curves, never the unit. Its package is imported where it is used.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from members.errors import first_line
from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.tracking.mlflow import MLflow, mlflow_client, mlflow_uri
from orchestrator.tracking.settings import without_passwords
from orchestrator.tracking.tensorboard import TensorBoard
from orchestrator.tracking.tracker import Tracker
from orchestrator.tracking.wandb import WeightsAndBiases
from orchestrator.units.unit import Unit

TRACKERS: dict[str, Callable[[Unit, Store, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}

_log = logging.getLogger(__name__)
_FAILED = "tracking-failed.txt"


class Curves:
    """Passes everything on to each tracker that still works; there may be none."""

    def __init__(self, trackers: dict[str, Tracker], on_failure: Callable[[str, str], None]):
        self._trackers, self._on_failure = trackers, on_failure

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        self._each(lambda tracker: tracker.begin(history))

    def epoch(self, row: dict[str, Any]) -> None:
        self._each(lambda tracker: tracker.epoch(row))

    def picture(self, png: bytes, epoch: int) -> None:
        self._each(lambda tracker: tracker.picture(png, epoch))

    def end(self, failed: bool) -> None:
        self._each(lambda tracker: tracker.end(failed))

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                call(tracker)
            except Exception:
                del self._trackers[name]
                _log.warning("%s lost some of its curves", name, exc_info=True)
                with suppress(Exception):  # a disk that is full, too, costs the curves only
                    self._on_failure(name, without_passwords(traceback.format_exc()))


@contextmanager
def follow(unit: Unit, store: Store, names: Sequence[str], project: str) -> Iterator[Curves]:
    """The trackers of these names, open while the unit is trained; there may be none."""
    failed = f"{unit.path}/{_FAILED}"
    store.delete(failed)
    trackers = {name: TRACKERS[name](unit, store, project) for name in names}
    curves = Curves(trackers, lambda name, why: store.write(failed, f"{name}\n{why}"))
    try:
        yield curves
    except Exception:
        curves.end(failed=True)
        raise
    curves.end(failed=False)


def lost_curves(units: Sequence[Unit], store: Store) -> list[str]:
    """One line for each of `units` whose tracker failed."""
    lines = []
    for unit in units:
        with suppress(FileNotFoundError):
            name, _, why = store.read(f"{unit.path}/{_FAILED}").decode().partition("\n")
            last = why.strip().rpartition("\n")[2] or "no reason was kept"
            lines.append(f"{unit.title}: {name} lost some of its curves: {last}")
    return lines


# -- before training ---------------------------------------------------------------------------


def tracking_problems(trackers: Sequence[str], store: Store) -> list[str]:
    """Why a tracker could not work, one text each; empty where all can."""
    missing = [name for name in trackers if not _installed(name)]
    found = [
        f"tracking: {name} is not installed here: pip install {name} (on every machine "
        f"that trains), or leave it out: `tracking: []` is none at all"
        for name in missing
    ]
    if "wandb" in trackers and "wandb" not in missing and _wandb_has_no_account():
        found.append(
            "tracking: wandb has no account here: `wandb login`, or WANDB_API_KEY, or "
            "WANDB_MODE=offline, which keeps the curves in the run folder until `wandb sync`"
        )
    if "mlflow" in trackers and not store.local and "MLFLOW_TRACKING_URI" not in os.environ:
        found.append(
            f"tracking: mlflow needs MLFLOW_TRACKING_URI where the run folder is no folder of this "
            f"machine ({store.root})"
        )
    return found


def create_experiment(trackers: Sequence[str], store: Store, project: str) -> None:
    """MLflow's, before several processes would create it at once. Raises `WrongRequest`."""
    if "mlflow" not in trackers:
        return
    try:
        mlflow_client(store, project)
    except Exception as error:
        raise WrongRequest(
            without_passwords(
                f"tracking: mlflow at {mlflow_uri(store)} does not answer: {first_line(error)}. Set "
                "MLFLOW_TRACKING_URI, or leave mlflow out of `tracking`."
            )
        ) from error


def problems_of_node(trackers: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Why trackers could not work on a machine of a cluster that was joined: run it there.

    wanted: names of settings that the command was given and that are not passed on (`withheld`).
    """
    found = [f"{name} is not installed" for name in trackers if not _installed(name)]
    if "wandb" in trackers and not found and _wandb_has_no_account():
        found.append("wandb has no account")
    of_netrc = {"WANDB_API_KEY"}  # `wandb login` keeps it in a file
    missing = [name for name in wanted if name not in os.environ and name not in of_netrc]
    if missing:
        found.append(f"its environment has no {', '.join(missing)}")
    return found


def joined_problems(trackers: Sequence[str], by_node: Mapping[str, Sequence[str]]) -> list[str]:
    """One text a machine that `problems_of_node` found something on; by_node: its address -> texts."""
    return [
        f"tracking: on {node}: {'; '.join(texts)}. Keys and passwords do not travel with the work, "
        "where logs would show them: put them where each machine's processes find them, by `wandb "
        "login` (which writes ~/.netrc) or in the environment of its `ray start`; or leave "
        f"{', '.join(trackers)} out of `tracking`"
        for node, texts in by_node.items()
        if texts
    ]


def _installed(name: str) -> bool:
    # a folder that happens to have the name (W&B makes one where it runs) has no origin
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def _wandb_has_no_account() -> bool:
    if os.environ.get("WANDB_MODE", "online") != "online":
        return False
    from wandb.apis import InternalApi

    return not InternalApi().api_key
