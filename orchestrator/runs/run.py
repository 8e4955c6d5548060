"""`vote`, `leaderboard`, `evaluate` and `compare`: from tables on disk to figures on the screen.

Nothing here imports torch or Ray: these commands start in a blink.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import ensembles
from ensembles.scores.metrics import METRICS
from ensembles.voting.record import VoteRecord
from orchestrator.errors import WrongRequest
from orchestrator.runs import folders
from orchestrator.runs.store import Store
from orchestrator.screens import vote as explain
from orchestrator.spec import load
from orchestrator.spec.search import STOPPED
from orchestrator.spec.spec import Spec
from orchestrator.units.record import find_record


@dataclass
class Run:
    """A run folder and the members to vote over, in the order of its spec."""

    spec: Spec
    store: Store


def find_run(spec_file: Path | None, small: bool, sets: Sequence[str], folder: str | None) -> Run:
    """The run of a spec, of a folder, or, with neither, the one trained last."""
    if spec_file:
        spec = load(spec_file, small=small, sets=sets)
        return Run(spec, folders.to_read(spec.name, folder))
    if small or sets:
        raise WrongRequest("--small and --set change a spec: give its file too")
    store = Store(folder) if folder else folders.latest()
    try:
        text = store.read("spec.yaml").decode()
    except FileNotFoundError:
        raise WrongRequest(f"{store.root} is no run folder: it has no spec.yaml") from None
    from orchestrator.spec.reader import Reader
    from orchestrator.spec.yaml_lines import parse

    name = store.uri("spec.yaml")
    return Run(Reader(parse(text, name), name).read(small=False, sets=(), recorded=True), store)


@dataclass
class Ballot:
    """The tables of the members that vote. groups: image id -> group, where a run knows it."""

    oof: dict[str, ensembles.Table]
    test: dict[str, ensembles.Table]
    groups: dict[str, str] | None


def members_of(run: Run) -> tuple[list[str], list[str]]:
    """The members and joins of a run that can vote, and notes on those that cannot."""
    trained = run.store.list("tables")
    names = [m.name for m in run.spec.members if m.name in trained]
    if not names:
        raise WrongRequest(
            f"{run.store.root} has no tables yet. Train its members first: "
            "python -m orchestrator train-members SPEC"
        )
    voting = [name for name in run.spec.voters() if name in trained]
    notes = []
    lost = _left_out(run)
    if lost:
        notes.append(f"{STOPPED}, so left out: {', '.join(lost)}.")
    missing = [m.name for m in run.spec.members if m.name not in [*trained, *lost]]
    if missing:
        notes.append(f"not trained to their end, so left out: {', '.join(missing)}.")
    joined = {name for join in run.spec.join if join.name in trained for name in join.of}
    partial = [name for name in names if name not in voting and name not in joined]
    if partial:
        notes.append(
            f"predict only some targets and are in no join, so left out: {', '.join(partial)}."
        )
    return voting, notes


def ballot_of(run: Run, members: Sequence[str]) -> Ballot:
    oof, test = (_read(run.store, members, kind) for kind in ("oof", "test"))
    return Ballot(oof, test, _groups(run.store))


def _left_out(run: Run) -> list[str]:
    """Members without tables because other members' candidates were better in the search."""
    names = run.spec.searched() if run.spec.search and run.spec.search.scope == "ensemble" else ()
    records = [name for name in names if run.store.exists(f"search/{name}.json")]
    return [
        name
        for name in records
        if run.store.read_json(f"search/{name}.json").get("left_out")
        and not run.store.exists(f"tables/{name}")
    ]


def _read(store: Store, names: Sequence[str], kind: str) -> dict[str, ensembles.Table]:
    return {
        name: ensembles.read_table(store.uri(f"tables/{name}/{kind}.parquet"))
        for name in names
        if store.exists(f"tables/{name}/{kind}.parquet")
    }


def _groups(store: Store) -> dict[str, str] | None:
    """image id -> group, where the run knows them: rows of a person err together."""
    import pyarrow.parquet as pq

    try:
        content = io.BytesIO(store.read("images.parquet"))
    except FileNotFoundError:
        return None
    table = pq.read_table(content, columns=["image_id", "group"])
    return dict(zip(table["image_id"].to_pylist(), table["group"].to_pylist(), strict=True))


# -- how it looks ------------------------------------------------------------------------------


def show_vote(vote: ensembles.Vote, console: Console, paths: dict[str, str]) -> None:
    title = f"{vote.mode} vote" + (f" for {vote.objective}" if vote.objective else "")
    title += f" ({vote.choice})" if vote.choice else ""
    console.print(
        f"{title}: {len(vote.weights)} members, {len(vote.ids)} photographs, {vote.seconds:.2f} s"
    )
    if vote.estimate:
        table = Table(box=None, pad_edge=False)
        for name in ("", "weight", *explain.METRICS.values()):
            table.add_column(name, justify="left" if not name else "right")
        for name, weight in vote.weights.items():
            table.add_row(name, f"{weight:.3f}", *_figures(vote.solo[name]))
        table.add_section()
        table.add_row(
            f"best single ({vote.best_single['member']})", "", *_figures(vote.best_single)
        )
        table.add_row("uniform weights", "", *_figures(vote.uniform))
        table.add_row(f"this {vote.mode} vote", "", *_figures(vote.estimate))
        console.print(table)
        if vote.objective not in (None, *explain.METRICS):
            console.print(_of_target(vote), markup=False)
        explain.show_reasons(vote.reasons, console)
        explain.show_candidates(vote.candidates, console)
        console.print(
            "Scores on out-of-fold rows; the votes' on rows that nothing was fitted to "
            "(± standard error)."
        )
        if vote.gap is not None:
            console.print(f"The weights are at most {vote.gap:.1e} above the lowest log-loss.")
    for note in vote.notes:
        console.print(f"note: {note}", markup=False)
    console.print(
        f"{'submission' if 'submission.csv' in paths else 'probabilities'}: "
        f"{paths.get('submission.csv', paths['probabilities.parquet'])}"
    )


def _of_target(vote: ensembles.Vote) -> str:
    metric, error = vote.objective, vote.estimate["standard_error"][vote.objective]
    return (
        f"{metric}: this vote {vote.estimate[metric]:.4f} ±{error:.4f}, best single "
        f"({vote.best_single['member']}) {vote.best_single[metric]:.4f}, uniform weights "
        f"{vote.uniform[metric]:.4f}"
    )


def _figures(scores: dict[str, Any]) -> list[str]:
    errors = scores.get("standard_error") or {}
    cells = []
    for metric in explain.METRICS:
        error = f" ±{errors[metric]:.3f}" if errors.get(metric) is not None else ""
        cells.append(f"{scores[metric]:.4f}{error}" if metric in scores else "")
    return cells


def leaderboard(run: Run, truth: Path | None) -> list[dict[str, Any]]:
    """Members, then votes: OOF figures, the nested estimate, and the score on the test part.

    A vote's `oof` is of the rows its weights were fitted to; its `estimate` is not. A member's own
    OOF score is a little flattered where its best epoch was chosen on the same rows. A member that
    lost to others in the search has a `note` in place of figures.
    """
    votes = [v for v in run.store.list("votes") if run.store.exists(f"votes/{v}/vote.json")]
    if not votes:
        raise WrongRequest(
            f"{run.store.root} has no votes yet: python -m orchestrator vote SPEC --mode weighted"
        )
    records = {name: _record(run.store, f"votes/{name}/vote.json") for name in votes}
    solo: dict[str, dict] = {}
    for record in records.values():
        solo |= record.solo
    rows = []
    for member in (name for name in run.spec.voters() if name in solo):
        rows.append(
            {
                "kind": "member",
                "name": member,
                "oof": solo[member],
                "estimate": None,
                "seconds": _training_seconds(run.store, member),
                **_epochs(run.store, member),
                "table": f"tables/{member}/test.parquet",
            }
        )
    for name, record in records.items():
        rows.append(
            {
                "kind": "vote",
                "name": name,
                "oof": record.oof,
                "estimate": record.estimate,
                "seconds": record.seconds,
                "table": f"votes/{name}/probabilities.parquet",
            }
        )
    for name in _left_out(run):
        rows.append(
            {
                "kind": "member",
                "name": name,
                "oof": None,
                "estimate": None,
                "seconds": None,
                "table": f"tables/{name}/test.parquet",
                "note": STOPPED,
            }
        )
    for row in rows:
        row.setdefault("note", None)
        table = row.pop("table")
        row["truth"] = None
        if truth is not None and run.store.exists(table):
            report = ensembles.evaluate(run.store.uri(table), truth)
            row["truth"] = {name: report[name] for name in explain.METRICS}
    return rows


def _record(store: Store, path: str) -> VoteRecord:
    return VoteRecord.from_json(store.read(path), store.uri(path))


def _training_seconds(store: Store, member: str) -> float:
    """Of all units that the member's tables were made from; epochs only, validation included."""
    made_from = store.read(f"tables/{member}/made_from.txt").decode().split()[0]
    folder = f"units/{member}/{made_from}"
    records = [find_record(f"{folder}/{unit}", store) for unit in store.list(folder)]
    return sum(record.seconds.train for record in records if record)


def _epochs(store: Store, member: str) -> dict[str, Any]:
    """How the epochs of a member's units were chosen, and which; nothing is known of a join."""
    path = f"tables/{member}/epochs.json"
    chosen = store.read_json(path) if store.exists(path) else {}
    return {"select": chosen.get("select"), "epochs": chosen.get("epochs")}


def show_leaderboard(run: Run, rows: list[dict[str, Any]], console: Console) -> None:
    with_truth = any(row["truth"] for row in rows)
    table = Table(
        box=None, pad_edge=False, title=f"{run.spec.name}: macro F1", title_justify="left"
    )
    table.add_column("")
    table.add_column("epochs")
    for name in ("OOF", "nested estimate", *(["test"] if with_truth else []), "seconds"):
        table.add_column(name, justify="right")
    for kind in ("member", "vote"):
        for row in sorted(
            (r for r in rows if r["kind"] == kind),
            key=lambda r: -((r["estimate"] or r["oof"] or {}).get("macro_f1", 0.0)),
        ):
            oof = _figures(row["oof"])[0] if row["oof"] and kind == "member" else _plain(row["oof"])
            oof = row["note"] or oof
            estimate = _figures(row["estimate"])[0] if row["estimate"] else ""
            cells = [oof, estimate] + ([_plain(row["truth"])] if with_truth else [])
            table.add_row(f"{kind} {row['name']}", _selected(row), *cells, _seconds(row["seconds"]))
        table.add_section()
    console.print(table)
    for row in rows:
        if row["kind"] == "vote" and run.store.exists(f"votes/{row['name']}/submission.csv"):
            path = run.store.uri(f"votes/{row['name']}/submission.csv")
            console.print(f"submission of {row['name']}: {path}")


def _selected(row: dict[str, Any]) -> str:
    """`best 4-9`, `last 10` or `common 6`."""
    if not row.get("epochs"):
        return ""
    low, high = min(row["epochs"].values()), max(row["epochs"].values())
    shown = f"{low}-{high}" if low < high else str(low)
    return f"{row['select'].removesuffix('_epoch')} {shown}"


def _plain(scores: dict[str, Any] | None) -> str:
    return f"{scores['macro_f1']:.4f}" if scores else ""


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2f}"


def show_evaluation(report: dict[str, Any], console: Console) -> None:
    errors = report["standard_error"]
    console.print(f"{report['rows']} photographs")
    for metric, entry in METRICS.items():
        if metric in report:
            console.print(f"{entry.title:<18}{report[metric]:.4f} ±{errors[metric]:.4f}")
    if "calibration_error" in report:
        console.print(f"{'calibration error':<18}{report['calibration_error']:.4f}")
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for name in ("precision", "recall", "f1", "support", "predicted"):
        table.add_column(name, justify="right")
    for row in report["per_class"]:
        shares = [f"{row[name]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(str(row["class"]), *shares, str(row["support"]), str(row["predicted"]))
    console.print(table)
    for target, scores in report["per_target"].items():
        console.print(
            f"{target}: macro F1 {scores['macro_f1']:.4f}, accuracy {scores['accuracy']:.4f}"
        )


def show_comparison(report: dict[str, Any], console: Console) -> None:
    names = report["files"]
    console.print(f"{report['rows']} rows; share of equal answers")
    table = Table(box=None, pad_edge=False)
    for name in ("", *names):
        table.add_column(name, justify="left" if not name else "right")
    for name, row in zip(names, report["agreement"], strict=True):
        table.add_row(name, *(f"{share:.4f}" for share in row))
    console.print(table)
    for same in report["identical"]:
        console.print(f"{' and '.join(same)} are the same submission")
    explain.show_differences(report, console)
