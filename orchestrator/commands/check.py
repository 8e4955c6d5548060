"""`check`: what would be trained, on what, and everything that would go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ensembles.files import places
from members.data.folds import photos_by_class
from members.errors import BadInput
from orchestrator.cluster.preflight import cost_of, training_problems
from orchestrator.errors import counted
from orchestrator.photographs.prepare import prepare_photographs, report_lines
from orchestrator.runs.store import Store
from orchestrator.search.candidates import resolve
from orchestrator.spec.search import STOPPED, Search
from orchestrator.spec.spec import Spec
from orchestrator.tracking.follow import tracking_problems
from orchestrator.units import unit


def check(spec: Spec, store: Store, console: Console, json_file: Path | None = None) -> None:
    """Print the data by fold, the units and their share of the work; train nothing.

    Raises `BadInput` with every mistake of the data and of the recipes.
    """
    problems: list[str] = []
    try:
        prepared = prepare_photographs(spec)
    except BadInput as error:
        prepared, problems = None, list(error.problems)
    problems += training_problems(spec) + tracking_problems(spec.tracking, store)
    if problems or prepared is None:
        raise BadInput(problems)

    photographs = prepared.photographs
    counts = photos_by_class(
        photographs.train, photographs.train["fold"].to_numpy(), photographs.codec
    )
    groups = photographs.train["group"].nunique()
    asked = 0 if photographs.test is None else len(photographs.test)
    console.print(
        f"{spec.name}: {len(photographs.train)} photographs of {groups} groups in "
        f"{len(photographs.codec.classes)} classes; {asked} to predict"
    )
    console.print(_fold_table(counts))
    for line in report_lines(prepared):
        console.print(line, markup=False)
    if not prepared.leaks:
        console.print("No leaks: no group in two folds, no photograph in two groups.")

    resolved, searching, left_out = resolve(spec, photographs, store)
    if spec.search:
        console.print(_search_line(spec.search), markup=False)
    for name in left_out:
        console.print(f"{name} is left out: {STOPPED}", markup=False)
    resolved = resolved.model_copy(
        update={"members": tuple(m for m in resolved.members if m.name not in left_out)}
    )
    plan = _plan(resolved, set(searching), photographs, store)
    console.print(_plan_table(plan))
    left = sum(row["units"] - row["done"] for row in plan)
    to_train = f"{counted(left, 'unit')} to train into {store.root}"
    console.print(to_train if left else "Everything is trained.")
    if json_file:
        report = {
            "name": spec.name,
            "photographs": len(photographs.train),
            "groups": groups,
            "to_predict": asked,
            "classes_by_fold": {str(k): v.to_dict() for k, v in counts.items()},
            "notes": prepared.notes,
            "leaks": [list(ids) for ids in prepared.leaks],
            "members": plan,
        }
        places.write_json(json_file, report)


def _search_line(search: Search) -> str:
    hours = f", none begun after {search.hours:g} hours" if search.hours else ""
    rivals = "members compete" if search.scope == "ensemble" else "each member for itself"
    return (
        f"search ({search.sampler}) over {', '.join(search.space)}: at most {search.candidates} "
        f"candidates of each of {', '.join(search.members)}{hours}; {rivals}"
    )


def _fold_table(counts) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for fold in counts.columns:
        table.add_column("never held out" if fold == -1 else f"fold {fold}", justify="right")
    table.add_column("all", justify="right")
    for name, row in counts.iterrows():
        table.add_row(str(name), *map(str, row), str(row.sum()))
    return table


def _plan(spec: Spec, searching: set[str], photographs, store: Store) -> list[dict[str, Any]]:
    cost = cost_of(photographs)
    rows = []
    for member in spec.members:
        of_member = unit.of_member(member, photographs)
        left = unit.left(of_member, store, photographs.test_hash_of(member.photos))
        searched = member.name in searching
        rows.append(
            {
                "member": member.name,
                "model": member.recipe.model,
                "image_size": list(member.recipe.image_size),
                "epochs": member.recipe.epochs,
                "candidates": spec.search.candidates if searched else 0,
                "units": len(of_member),
                "done": 0 if searched else len(of_member) - len(left),
                "gmacs_per_photo": cost(member)
                / (3e9 * member.recipe.epochs * len(photographs.train)),
                "cost": cost(member) * len(of_member),
            }
        )
    total = sum(row["cost"] for row in rows)
    for row in rows:
        row["share"] = row.pop("cost") / total
    return rows


def _plan_table(plan: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, justify in [
        ("member", "left"),
        ("model", "left"),
        ("size", "left"),
        ("epochs", "right"),
        ("candidates", "right"),
        ("units", "right"),
        ("done", "right"),
        ("GMAC/photo", "right"),
        ("share of work", "right"),
    ]:
        table.add_column(name, justify=justify)
    for row in plan:
        table.add_row(
            row["member"],
            row["model"],
            "x".join(map(str, row["image_size"])),
            str(row["epochs"]),
            str(row["candidates"] or "-"),
            str(row["units"]),
            str(row["done"]),
            f"{row['gmacs_per_photo']:.3f}",
            f"{row['share']:.0%}",
        )
    return table
