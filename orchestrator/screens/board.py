"""How far a training is, as people see it: `progress.json` as a table and a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.errors import counted
from orchestrator.screens.clock import clock
from orchestrator.spec.folds.choice import optimism

_COLOURS = {"done": "green", "failed": "red", "stopped": "red", "training": "cyan"}
NOT_TRAINED = Text("not trained", style="dim")  # by the spec
_AT_WORK = ("starting", "training", "predicting")
_GIB = 2**30


def board_table(document: Mapping[str, Any], height: int | None = None) -> Table:
    """A row a member, a column a fold; of members with several seeds a line a seed.

    height: lines that there are; where they are too few, members that have ended are left out.
    """
    members = document["members"]
    folds = sorted({u["fold"] for m in members for u in m["units"]}, key=_by_number)
    table = Table(box=None, pad_edge=False)
    table.add_column("member")
    for fold in folds:
        table.add_column(f"fold {fold}", justify="right", no_wrap=True)
    shown = list(members)
    if height is not None and sum(map(_lines, members)) > height:
        shown = [own for own in members if not _is_over(own)][: max(1, height)]
    for own in shown:
        by_fold = defaultdict(list)
        for unit in own["units"]:
            by_fold[unit["fold"]].append(unit)
        cells = [
            Text("\n").join(map(cell, by_fold[fold])) if trains(own, fold) else NOT_TRAINED
            for fold in folds
        ]
        table.add_row(Text(own["name"]), *cells)
    if hidden := len(members) - len(shown):
        table.add_row(Text(f"... {counted(hidden, 'more member')}", style="dim"))
    return table


def trains(member: Mapping[str, Any], fold: str) -> bool:
    """Whether a column of the table is of a fold that the member trains, by its `folds` in the spec."""
    return "folds" not in member or not fold.isdigit() or int(fold) in member["folds"]


def cell(unit: Mapping[str, Any]) -> Text:
    """One unit: how it stands, its epochs and its score, as far as there are any."""
    state, score = unit["state"], unit["score"]
    parts = [] if state == "training" else [state]
    if state in ("training", "failed", "stopped") and (unit["epoch"] or state == "training"):
        parts.append(f"{unit['epoch']}/{unit['epochs']}")
    if score is not None and (unit["epoch"] or state == "done"):
        parts.append(f"{score:.4f}")
    return Text(" ".join(parts), style=_COLOURS.get(state, "" if state in _AT_WORK else "dim"))


def lines(document: Mapping[str, Any]) -> list[str]:
    """What stands below the table: what the scores are, searches, and how far all is."""
    units = [unit for own in document["members"] for unit in own["units"]]
    found = [_search_line(own) for own in document["members"] if own.get("search")]
    metrics: dict[str, list[str]] = defaultdict(list)
    for own in document["members"]:
        metrics[own["metric"]].append(own["name"])
    if units and metrics:
        most = max(metrics, key=lambda metric: len(metrics[metric]))
        others = [f"{m} of {', '.join(own)}" for m, own in metrics.items() if m != most]
        found.append(
            f"scores: {'; '.join([most, *others])}, of the best epoch so far, on the held-out fold"
        )
    found += [
        f"{own['name']}: {optimism(own['init_from'])}"
        for own in document["members"]
        if own.get("init_from")
    ]
    return [*found, summary(document)]


def summary(document: Mapping[str, Any]) -> str:
    """One line: units done, at work and failed, speed, time left, memory and disk."""
    if document["phase"] == "reading":
        read = [f"{what} {done:,} of {of:,}" for what, (done, of) in document["reading"].items()]
        return "; ".join(read) or "reading photographs"
    states = [unit["state"] for own in document["members"] for unit in own["units"]]
    after = sum(own["search"].get("to_come", 0) for own in document["members"] if own.get("search"))
    parts = [f"{states.count('done')} of {counted(len(states) + after, 'unit')} done"]
    if document["phase"] == "starting":
        parts.append("starting Ray")
    if document["phase"] == "training":
        for state in _AT_WORK:
            if n := states.count(state):
                parts.append(f"{n} {state}")
    if failed := states.count("failed"):
        parts.append(f"{failed} failed")
    if document["phase"] == "tables":
        parts.append("making the tables")
    if document["phase"] == "training":
        if rate := document.get("photos_per_second"):
            parts.append(f"{rate:.3g} photos/s")
        parts.append(f"{clock(document.get('seconds_left'))} left")
    if document["phase"] != "ended":
        if memory := document.get("memory"):
            parts.append(f"memory {memory['used'] / _GIB:.1f} of {memory['of'] / _GIB:.1f} GiB")
        if disk := document.get("disk"):
            parts.append(f"disk {disk['free'] / _GIB:.0f} GiB free")
    return ", ".join(parts)


def _search_line(own: Mapping[str, Any]) -> str:
    search = own["search"]
    rungs = ", ".join(f"epoch {rung}: {n}" for rung, n in search["rungs"].items())
    states = [
        f"{search[state]} {word}"
        for state, word in (("running", "at work"), ("stopped", "stopped"), ("failed", "failed"))
        if search[state]
    ]
    best = search["best"]
    score = (
        f", best {search['metric']} {best['score']:.4f} (candidate {best['candidate']})"
        if best
        else ""
    )
    more = f" ({', '.join(states)})" if states else ""
    return (
        f"{own['name']}: search, candidate {search['candidates']} of at most {search['of']}{more}, "
        f"rungs reached: {rungs}{score}"
    )


def _is_over(own: Mapping[str, Any]) -> bool:
    search = own.get("search")
    if search and search["running"]:
        return False
    return bool(own["units"]) and all(unit["state"] == "done" for unit in own["units"])


def _lines(own: Mapping[str, Any]) -> int:
    by_fold: dict[str, int] = defaultdict(int)
    for unit in own["units"]:
        by_fold[unit["fold"]] += 1
    return max(by_fold.values(), default=1)


def _by_number(fold: str) -> tuple[int, str]:
    return (int(fold), "") if fold.isdigit() else (1 << 30, fold)
