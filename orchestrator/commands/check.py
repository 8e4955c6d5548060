"""`check`: what would be trained, on what, and everything that would go wrong."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from members.data.folds.assign import photos_by_class
from members.errors import BadInput
from orchestrator.cluster import machine
from orchestrator.cluster.joining import reach
from orchestrator.cluster.known_recipes import known_recipes
from orchestrator.cluster.preflight import (
    Room,
    batch_problems,
    cost_of,
    memory_of_unit,
    most_photos,
    room_on,
    training_problems,
)
from orchestrator.cluster.private import show_token
from orchestrator.cluster.reading import reading_at
from orchestrator.commands.damage import every_damage
from orchestrator.errors import counted
from orchestrator.photographs.prepare import prepare_photographs, report_lines
from orchestrator.photographs.streaming import Copying, copying_of
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.runs.store import Store
from orchestrator.screens.plan import fold_table, plan_table, search_line, stack_line
from orchestrator.screens.reading import reading
from orchestrator.spec.search import STOPPED
from orchestrator.spec.spec import Spec
from orchestrator.tracking.follow import tracking_problems
from orchestrator.units import unit
from orchestrator.units.assemble import asked_folds
from orchestrator.units.stacks import stack_problems


@known_recipes()
def show_plan(
    spec: Spec,
    store: Store,
    console: Console,
    *,
    deep: bool = False,
    keep_units: bool = False,
    address: str | None = None,
) -> dict[str, Any]:
    """Print the data by fold, the units and their share of the work; train nothing.

    deep: read every photo and all that is kept of them, see `prepare_photographs`. keep_units: as
    `train-members` with that option would do it. address: of a Ray whose machines read the photographs,
    where they are many.

    Raises `BadInput` with every mistake of the data and of the recipes.
    """
    if address not in (None, "local"):
        show_token()
        reach(address)
    problems: list[str] = []
    try:
        with reading(console) as progress:
            prepared = prepare_photographs(spec, progress, deep, read_by=reading_at(address))
    except BadInput as error:
        prepared, problems = None, list(error.problems)
    of_recipes = training_problems(spec)
    if prepared and not of_recipes:
        of_recipes = batch_problems(spec, prepared.photographs)
    problems += of_recipes + tracking_problems(spec.tracking, store)
    problems += stack_problems(spec, prepared.photographs if prepared else None)
    if problems or prepared is None:
        raise BadInput(problems)

    names = [member.name for member in spec.members]
    damaged = {damage.path: damage for damage in every_damage(store)}
    to_do = make_plan(spec, prepared, store, names, keep_units, damaged.values())
    damaged = {damage.path: damage for damage in to_do.damage()} | damaged
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

    for damage in damaged.values():
        console.print(f"note: {damage.line()}")
    resolved, left_out = to_do.now.spec, to_do.now.left_out
    if spec.search:
        console.print(search_line(spec.search))
    for name in left_out:
        console.print(f"{name} is left out: {STOPPED}")
    resolved = resolved.model_copy(
        update={"members": tuple(m for m in resolved.members if m.name not in left_out)}
    )
    copying = copying_of(resolved, photographs, largest=prepared.largest)
    plan = _plan(resolved, to_do, store, copying)
    console.print(plan_table(plan))
    for stacked in spec.stacks:
        console.print(stack_line(stacked))
    for text in to_do.folds():
        console.print(text)
    for own in to_do.waiting():
        console.print(own.line())
    room = _room(resolved, plan)
    console.print(room.line())
    if problem := room.refusal():
        console.print(f"note: this machine cannot train it: {problem}")
    for text in [*copying.lines(), *to_do.lines()]:
        console.print(f"note: {text}")
    left = sum(row["units"] - row["done"] for row in plan)
    n_again = len(to_do.predicted_again)
    again = f", {counted(n_again, 'unit')} to predict again" if n_again else ""
    to_train = f"{counted(left - n_again, 'unit')} to train{again} into {store.root}"
    all_there = "Everything is trained."
    if damaged:
        all_there += f" {counted(len(damaged), 'damaged file')} to make again by train-members."
    console.print(to_train if left else all_there)
    return {
        "name": spec.name,
        "photographs": len(photographs.train),
        "groups": groups,
        "to_predict": to_predict,
        "classes_by_fold": {str(k): v.to_dict() for k, v in counts.items()},
        "notes": prepared.notes,
        **prepared.leaks.record(),
        "members": plan,
        "stacks": [own.model_dump(mode="json") for own in spec.stacks],
        "memory": {
            "machine": room.memory,
            "taken": room.taken,
            "slots": room.slots,
            "enough": room.refusal() is None,
        },
        "decoded": copying.record(),
        "damage": [{"path": found.path, "why": found.why} for found in damaged.values()],
        **to_do.record(),
    }


def _room(spec: Spec, plan: list[dict[str, Any]]) -> Room:
    """On this machine, without a GPU."""
    resources = spec.resources
    wanted = max(1, machine.cpus() // (resources.cpus * resources.workers))
    return room_on(machine.memory(), wanted, {row["member"]: row["memory"] for row in plan})


def _plan(spec: Spec, plan: Plan, store: Store, copying: Copying) -> list[dict[str, Any]]:
    photographs = plan.now.photographs
    cost = cost_of(photographs)
    rows: list[dict[str, Any]] = []
    for member in spec.members:
        of_member = unit.chosen(member, photographs, store)
        found = asked_folds(member, photographs)
        left = [own for own in plan.todo if own.member.name == member.name]
        searched = member.name in plan.now.searching
        rows.append(
            {
                "member": member.name,
                "model": member.recipe.model,
                "image_size": list(member.recipe.image_size),
                "sizes": [list(size) for size in member.recipe.sizes],
                "epochs": member.recipe.epochs,
                "candidates": spec.search.candidates if spec.search and searched else 0,
                "units": len(of_member),
                "folds": found.model_dump(exclude={"asked"}) if found else None,
                "done": 0 if searched else len(of_member) - len(left),
                "memory": memory_of_unit(spec, member, photographs) + copying.memory_of(member),
                "gmacs_per_photo": cost(member)
                / (3e9 * member.recipe.epochs * most_photos(member, photographs)),
                "cost": cost(member) * len(of_member),
            }
        )
    total = sum(row["cost"] for row in rows)
    for row in rows:
        row["share"] = row.pop("cost") / total
    return rows
