"""`check`: what would be trained, on what, and everything that would go wrong."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from members.data.folds import photos_by_class
from members.errors import BadInput
from orchestrator.cluster.preflight import batch_problems, cost_of, training_problems
from orchestrator.commands.damage import every_damage
from orchestrator.errors import counted
from orchestrator.photographs.prepare import prepare_photographs, report_lines
from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store
from orchestrator.screens.plan import fold_table, plan_table, search_line
from orchestrator.screens.reading import reading
from orchestrator.search.candidates import resolve
from orchestrator.spec.search import STOPPED
from orchestrator.spec.spec import Spec
from orchestrator.tracking.follow import tracking_problems
from orchestrator.units import unit


def show_plan(spec: Spec, store: Store, console: Console, *, deep: bool = False) -> dict[str, Any]:
    """Print the data by fold, the units and their share of the work; train nothing.

    deep: read every photo and all that is kept of them, see `prepare_photographs`.
    Raises `BadInput` with every mistake of the data and of the recipes.
    """
    problems: list[str] = []
    try:
        with reading(console) as progress:
            prepared = prepare_photographs(spec, progress, deep)
    except BadInput as error:
        prepared, problems = None, list(error.problems)
    of_recipes = training_problems(spec)
    if prepared and not of_recipes:
        of_recipes = batch_problems(spec, prepared.photographs)
    problems += of_recipes + tracking_problems(spec.tracking, store)
    if problems or prepared is None:
        raise BadInput(problems)

    photographs = prepared.photographs
    counts = photos_by_class(
        photographs.train, photographs.train["fold"].to_numpy(), photographs.codec
    )
    groups = photographs.train["group"].nunique()
    to_predict = 0 if photographs.test is None else len(photographs.test)
    console.print(
        f"{spec.name}: {len(photographs.train)} photographs of {groups} groups in "
        f"{len(photographs.codec.classes)} classes; {to_predict} to predict"
    )
    console.print(fold_table(counts))
    for line in report_lines(prepared):
        console.print(line)
    if not prepared.leaks:
        console.print(prepared.leaks.none_found())

    for damage in every_damage(store):
        console.print(f"note: {damage.line()}")
    resolved, searching, left_out = resolve(spec, photographs, store)
    if spec.search:
        console.print(search_line(spec.search))
    for name in left_out:
        console.print(f"{name} is left out: {STOPPED}")
    resolved = resolved.model_copy(
        update={"members": tuple(m for m in resolved.members if m.name not in left_out)}
    )
    plan = _plan(resolved, set(searching), photographs, store)
    console.print(plan_table(plan))
    left = sum(row["units"] - row["done"] for row in plan)
    to_train = f"{counted(left, 'unit')} to train into {store.root}"
    console.print(to_train if left else "Everything is trained.")
    return {
        "name": spec.name,
        "photographs": len(photographs.train),
        "groups": groups,
        "to_predict": to_predict,
        "classes_by_fold": {str(k): v.to_dict() for k, v in counts.items()},
        "notes": prepared.notes,
        **prepared.leaks.record(),
        "members": plan,
    }


def _plan(
    spec: Spec, searching: set[str], photographs: Photographs, store: Store
) -> list[dict[str, Any]]:
    cost = cost_of(photographs)
    rows: list[dict[str, Any]] = []
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
                "candidates": spec.search.candidates if spec.search and searched else 0,
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
