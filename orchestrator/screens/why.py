"""How a vote decided one photograph, and what its score costs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ensembles.scores import metrics
from orchestrator.screens.vote import show_gradients


def show_why(reason: dict[str, Any], console: Console) -> None:
    classes, decision = reason["classes"], reason["decision"]
    truth = "" if reason["label"] is None else f" (labelled {reason['label']})"
    console.print(f"{reason['image_id']}: {decision}{truth}")
    final = reason["final"]
    order = sorted(range(len(classes)), key=lambda k: -final[k])[:4]
    table = Table(box=None, pad_edge=False)
    for name in ("", "weight", *(classes[k] for k in order), "says"):
        table.add_column(str(name), justify="left" if not name else "right")
    for name, member in reason["members"].items():
        own = member["probabilities"]
        shown = (f"{own[k]:.3f}" for k in order)
        first = classes[max(range(len(own)), key=own.__getitem__)]
        table.add_row(name, f"{member['weight']:.3f}", *shown, str(first))
    table.add_section()
    for rule in reason["rules"]:
        own = rule["probabilities"]
        first = classes[max(range(len(own)), key=own.__getitem__)]
        shown = (f"{own[k]:.3f}" for k in order)
        table.add_row(rule["name"], f"{rule['share']:.3f}", *shown, str(first))
    if reason["rules"]:
        table.add_section()
    pool = "their mean" if reason["rules"] else f"{reason['pool']} pool"
    table.add_row(pool, "", *(f"{reason['pooled'][k]:.3f}" for k in order))
    table.add_row("the vote", "", *(f"{final[k]:.3f}" for k in order), str(decision))
    if corrected := reason.get("corrected"):
        answer = classes[max(range(len(classes)), key=corrected.__getitem__)]
        shown = (f"{corrected[k]:.3f}" for k in order)
        table.add_row("for the class shares (--prior test)", "", *shown, str(answer))
    console.print(table)
    show_gradients([reason, *reason["rules"]], console)
    votes = ", ".join(f"{name} {count}" for name, count in reason["votes"].items())
    console.print(f"first choices: {votes}")
    if lacking := reason.get("lacking"):
        console.print(f"Not held out by any network of {', '.join(lacking)}: the others decided.")
    if reason["offsets_decided"]:
        console.print("The class offsets decided: without them the pool says another class.")
    if reason["turned_by"]:
        names = ", ".join(reason["turned_by"])
        console.print(f"Without any one of these it would be another class: {names}")
    else:
        console.print("No single member's absence would change it.")


def show_pareto(front: dict[str, Any], console: Console) -> None:
    """The points of the front, that of all members after them, and the cheapest as good as the best."""
    metric, whole = front["metric"], front["whole"]
    table = Table(box=None, pad_edge=False)
    for name in ("ms a photo", metrics.title(metric), "± s.e.", "members"):
        table.add_column(name, justify="left" if name == "members" else "right")

    def add(point: dict[str, Any], members: str) -> None:
        table.add_row(
            f"{point['milliseconds']:.2f}",
            f"{point[metric]:.4f}",
            f"{point['standard_error']:.4f}",
            members,
        )

    for point in front["points"]:
        if point["front"]:
            add(point, ", ".join(point["members"]))
    table.add_section()
    add(whole, f"all {len(whole['members'])}")
    console.print(table)
    chosen = f" ({front['chosen_by']})" if front["chosen_by"] else ""
    console.print(
        f"Each line is the vote{chosen} fitted to these members alone, scored on rows that nothing was "
        f"fitted to. Last that of all members; before it those of {len(front['points'])} such votes that "
        "are better than all cheaper ones."
    )
    cheapest, best = front["cheapest"], front["best"]
    console.print(
        f"Cheapest within one standard error of the best: {', '.join(cheapest['members'])}: "
        f"{cheapest['milliseconds']:.2f} ms a photo against {best['milliseconds']:.2f}, "
        f"{metrics.title(metric)} {cheapest[metric]:.4f} against {best[metric]:.4f}.",
    )
