"""A vote: its members, what it was chosen from and why, its scores, and where it was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

import ensembles
from ensembles.scores import metrics
from ensembles.voting.kinds import MEAN
from ensembles.voting.record import VoteRecord
from orchestrator.screens.after import show_after
from orchestrator.screens.figures import METRICS, figures


def show_vote(vote: ensembles.Vote, console: Console, paths: dict[str, str]) -> None:
    title = f"{vote.mode} vote" + (f" for {vote.objective}" if vote.objective else "")
    title += f" ({_chosen(vote)})" if vote.choice else ""
    console.print(
        f"{title}: {len(vote.weights)} members, {len(vote.ids)} photographs, {vote.seconds:.2f} s"
    )
    if vote.estimate and vote.best_single and vote.uniform:  # there are OOF tables, or none
        table = Table(box=None, pad_edge=False)
        kind = "weight" if vote.rules is None else "effective weight"
        for name in ("", kind, *METRICS.values()):
            table.add_column(name, justify="left" if not name else "right")
        for name, weight in vote.weights.items():
            table.add_row(name, f"{weight:.3f}", *figures(vote.solo[name]))
        table.add_section()
        table.add_row(f"best single ({vote.best_single['member']})", "", *figures(vote.best_single))
        table.add_row("uniform weights", "", *figures(vote.uniform))
        table.add_row(f"this {vote.mode} vote", "", *figures(vote.estimate))
        console.print(table)
        if vote.objective is not None and vote.objective not in METRICS:
            name, error = vote.objective, vote.estimate["standard_error"][vote.objective]
            console.print(
                f"{name}: this vote {vote.estimate[name]:.4f} ±{error:.4f}, best single "
                f"({vote.best_single['member']}) {vote.best_single[name]:.4f}, uniform weights "
                f"{vote.uniform[name]:.4f}",
            )
        show_reasons(vote.reasons, console)
        show_candidates(vote, console)
        console.print(
            "Scores on out-of-fold rows; the votes' on rows that nothing was fitted to "
            "(± standard error)."
        )
        if vote.averaging:
            console.print(on_test_rows(vote.estimate, vote.averaging))
        if vote.gap is not None:
            console.print(f"The weights are at most {vote.gap:.1e} above the lowest log-loss.")
        show_gradients([{"gradient": vote.gradient}, *(vote.rules or ())], console)
    show_after(vote, console)
    for note in vote.notes:
        console.print(f"note: {note}")
    console.print(
        f"{'submission' if 'submission.csv' in paths else 'probabilities'}: "
        f"{paths.get('submission.csv', paths['probabilities.parquet'])}"
    )


def show_large(record: VoteRecord, folder: str, console: Console) -> None:
    """What a vote in ranges of rows found, as text."""
    if found := record.estimate:
        errors = found["standard_error"]
        figures = (
            f"{metrics.title(name)} {found[name]:.4f} ±{error:.4f}"
            for name, error in errors.items()
        )
        console.print(f"on rows that nothing was fitted to: {', '.join(figures)}")
    for name, weight in record.weights.items():
        console.print(f"{name}: {weight:.3f}")
    show_reasons(record.reasons, console)
    show_candidates(record, console)
    show_after(record, console)
    for note in record.notes:
        console.print(f"note: {note}")
    console.print(f"{record.seconds:.1f} s, in ranges of rows. The vote is in {folder}")


def on_test_rows(estimate: dict[str, Any], gains: dict[str, float]) -> str:
    """What the mean over the folds' models adds to the estimate, in words."""
    expected = (
        f"{metrics.title(name)} {estimate[name] + gain:.4f} ({gain:+.4f})"
        for name, gain in gains.items()
    )
    return (
        "An out-of-fold row is predicted by one fold's models, a test row by the mean of all folds': "
        f"expected there, as far as those differ on the test rows, {', '.join(expected)}."
    )


def show_gradients(rules: Iterable[Mapping[str, Any]], console: Console) -> None:
    """How exact weights of a convex log-loss are, where there are any. rules: each with its `gradient`."""
    known = [own for rule in rules if (own := rule.get("gradient")) is not None]
    if known:
        console.print(
            f"Weights of pools are where their penalised log-loss is least: no entry of its gradient is "
            f"above {max(known):.1e}."
        )


def show_reasons(reasons: list[dict[str, Any]], console: Console) -> None:
    width = max((len(reason["member"]) for reason in reasons), default=0)
    for reason in reasons:
        console.print(f"{reason['member']:<{width}}  {reason['text']}")


def show_candidates(vote: VoteRecord, console: Console) -> None:
    """What the kind of vote was chosen from, and how."""
    if len(vote.candidates) < 2:
        return
    averaged = vote.rules is not None
    objective = metrics.title(vote.objective or "macro_f1")
    table = Table(box=None, pad_edge=False)
    table.add_column(
        "averaged over, simplest first" if averaged else "chosen among, simplest first"
    )
    behind = [f"{name} behind" for name in dict.fromkeys((objective, METRICS["log_loss"]))]
    for name in (*METRICS.values(), *behind, "share" if averaged else ""):
        table.add_column(name, justify="right")
    for row in vote.candidates:
        gaps = [f"{row['behind']:.4f} ±{row['standard_error']:.4f}", ""]
        if row["as_good"]:
            gaps[1] = f"{row['loss_behind']:.4f} ±{row['loss_standard_error']:.4f}"
        taken = f"{row['share']:.3f}" if averaged else "<- chosen"
        table.add_row(
            row["name"],
            *(f"{row[metric]:.4f}" for metric in METRICS),
            *gaps[: len(behind)],
            taken if row["chosen"] else "",
        )
    console.print(table)
    if vote.chosen_by == MEAN:
        many = "All" if averaged else "Chosen: the only one"
        count = " count equally" if averaged else ""
        console.print(
            f"{many} within {vote.near:g} standard errors of the best in {objective}{count} (on rows "
            "that nothing was fitted to)."
        )
    else:
        console.print(
            "Chosen: the simplest within one standard error of the best in macro F1 and, among those "
            "that are, in log-loss (both on rows that nothing was fitted to)."
        )


def _chosen(vote: VoteRecord) -> str:
    if vote.rules is None:
        return str(vote.choice)
    return f"the mean of {len(vote.rules)} kinds"
