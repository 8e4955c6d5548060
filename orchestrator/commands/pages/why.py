"""`vote --why`: how photographs were decided, and with `--picture` where the members look in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

import ensembles
from ensembles.errors import nearest
from ensembles.files import places
from ensembles.files.ids import like_id
from ensembles.judging.hardest import hardest
from orchestrator.activation_maps.picture import KINDS, SIDE, Panel, Row, draw
from orchestrator.commands.run import Run
from orchestrator.commands.vote_options import Command
from orchestrator.errors import WrongRequest
from orchestrator.runs.ballot import Ballot
from orchestrator.runs.contents import paths_of
from orchestrator.screens.reading import reading
from orchestrator.screens.why import show_why

if TYPE_CHECKING:
    from members.activation_maps.maps import Choice
    from orchestrator.activation_maps.look import Asked, Looked, Looks

WORST = 6  # photographs that `--why worst` names
OWN = "member"  # --of-class: each member's own first choice
_WORST = re.compile(r"worst(?::(\d+))?")


def why(
    command: Command, vote: ensembles.Vote, ballot: Ballot, run: Run | None, console: Console
) -> dict[str, Any] | list[dict[str, Any]]:
    """Show how the photographs of `--why` were decided; what --json holds: of one photograph a record, of
    several a list of them. Raises WrongRequest for ids that no table has, and where maps cannot be made.
    """
    ids, problems = _ids(command.why or (), ballot)
    reasons = []
    for image_id in ids:
        reason = _decided(vote, ballot, image_id)
        if reason is None:
            problems.append(_unknown(image_id, ballot))
        else:
            reasons.append(reason)
    if problems:
        raise WrongRequest(problems)
    if command.picture and run is not None:
        _draw(command.picture, command.of_class, reasons, vote, ballot, run, console)
    for number, reason in enumerate(reasons):
        if number:
            console.print()
        show_why(reason, console)
    if command.picture:
        console.print(f"picture: {command.picture}")
    return reasons[0] if len(reasons) == 1 and ids == list(command.why or ()) else reasons


# -- which photographs ------------------------------------------------------------------------------


def _ids(given: Sequence[str], ballot: Ballot) -> tuple[list[str], list[str]]:
    """Each id once, and what is wrong. An id that is written as `worst` is that photograph."""
    found: list[str] = []
    problems: list[str] = []
    for text in given:
        matched = _WORST.fullmatch(text)
        known = any(
            bool((table.ids == text).any())
            for tables in (ballot.test, ballot.oof)
            for table in list(tables.values())[:1]
        )
        if not matched or known:
            found.append(text)
        elif problem := _no_worst(text, count := int(matched[1] or WORST), ballot):
            problems.append(problem)
        else:
            found += _worst(count, ballot)
    return list(dict.fromkeys(found)), problems


def _no_worst(text: str, count: int, ballot: Ballot) -> str | None:
    """Why there are no such hardest photographs, or None."""
    tables = list(ballot.oof.values())
    if not tables or any(table.label is None for table in tables):
        return (
            f"--why {text}: it is of photographs that were held out and whose labels are known, and these "
            "tables have none. Give --why IMAGE_ID."
        )
    if count < 1:
        return f"--why {text}: give how many, 1 or more."
    return None


def _worst(count: int, ballot: Ballot) -> list[str]:
    """The ids of the hardest held-out rows that all members have, the hardest first."""
    tables = list(ballot.oof.values())
    where = [{own: row for row, own in enumerate(table.ids.tolist())} for table in tables]
    ids = [own for own in where[0] if all(own in rows for rows in where)]
    at = [[rows[own] for own in ids] for rows in where]
    stack = np.stack([t.probabilities[rows] for t, rows in zip(tables, at, strict=True)])
    labels = np.asarray(tables[0].label)[at[0]].astype(np.int64)
    return [ids[row] for row in hardest(labels, stack)[:count].tolist()]


def _decided(vote: ensembles.Vote, ballot: Ballot, image_id: str) -> dict[str, Any] | None:
    """How the vote decided one photograph, of the test part or else of the OOF rows."""
    for tables in (ballot.test, ballot.oof):
        if not tables:
            continue
        ordered = {name: tables[name] for name in vote.weights}
        some = tables is ballot.oof and vote.missing_rows is not None
        found = ensembles.explain(vote.rule, ordered, image_id, some)
        if found and vote.prior and tables is ballot.test:
            found["corrected"] = vote.table.take(vote.ids == image_id).probabilities[0].tolist()
        if found:
            return found
    return None


def _unknown(image_id: str, ballot: Ballot) -> str:
    known = [str(i) for t in (ballot.test, ballot.oof) if t for i in next(iter(t.values())).ids]
    hint = like_id(image_id, known) or nearest(image_id, known[:20_000])
    return f"--why {image_id!r}: no photograph of that id was voted on.{hint}"


# -- where they look --------------------------------------------------------------------------------


def _draw(
    file: str,
    of: str | None,
    reasons: Sequence[dict[str, Any]],
    vote: ensembles.Vote,
    ballot: Ballot,
    run: Run,
    console: Console,
) -> None:
    """Write the picture; each reason gets `maps`, what it shows."""
    from orchestrator.activation_maps.look import look

    weights = {name: float(weight) for name, weight in vote.weights.items()}
    asked = _asked(reasons, of, ballot, run)
    with reading(console) as progress:
        looks = look(asked, weights, run.spec, run.store, SIDE, progress)
    if looks.unread:
        raise WrongRequest([f"--picture: {own}: {text}" for own, text in looks.unread.items()])
    by_id = {reason["image_id"]: reason for reason in reasons}
    rows = []
    for number, looked in enumerate(looks.photos):
        reason = by_id[looked.asked.id]
        choices = {name: own[number] for name, own in looks.networks.items()}
        rows.append(_row(looked, reason, weights, choices))
        reason["maps"] = _record(looked, reason, looks, number)
    notes = [
        "Coloured is what raises the class most, with a ring at the peak; each map is scaled to itself. Peak "
        "covered: the class's probability by these networks, and with another piece of it in a square there. "
        "A training photograph was shown to the networks that did not learn it, one to predict to all."
    ]
    notes += [f"Left out: {name}: {text}" for name, text in looks.left_out.items()]
    places.write_bytes(file, draw(rows, notes, KINDS["." + file.rpartition(".")[2].lower()]))
    for name, text in looks.left_out.items():
        console.print(f"note: no map of {name}: {text}")


def _asked(
    reasons: Sequence[dict[str, Any]], of: str | None, ballot: Ballot, run: Run
) -> list[Asked]:
    from orchestrator.activation_maps.look import Asked

    classes = list(map(str, reasons[0]["classes"]))
    if of is not None and of != OWN and of not in classes:
        raise WrongRequest(
            f"--of-class {of!r}: no class of this run.{nearest(of, [*classes, OWN])} Allowed: {OWN}, "
            f"{', '.join(classes)}"
        )
    held_out = _folds(ballot)
    paths = {False: paths_of(run.store, "test"), True: paths_of(run.store, "images")}
    found, problems = [], []
    for reason in reasons:
        image_id = reason["image_id"]
        fold = None if _of_test(image_id, ballot) else held_out.get(image_id)
        path = paths[fold is not None].get(image_id)
        if path is None:
            problems.append(
                f"--picture: {run.store.root} does not say which file {image_id} is. train-members with "
                "this spec adds it."
            )
            continue
        if of is None:
            decided = dict.fromkeys(reason["members"], vote_class(reason))
        elif of in classes:
            decided = dict.fromkeys(reason["members"], classes.index(of))
        else:
            decided = {
                name: int(np.argmax(own["probabilities"]))
                for name, own in reason["members"].items()
            }
        found.append(Asked(image_id, path, fold, decided))
    if problems:
        raise WrongRequest(problems)
    return found


def vote_class(reason: Mapping[str, Any]) -> int:
    """The number of the class that the vote answers."""
    return int(np.argmax(reason.get("corrected") or reason["final"]))


def _of_test(image_id: str, ballot: Ballot) -> bool:
    return any(bool((t.ids == image_id).any()) for t in list(ballot.test.values())[:1])


def _folds(ballot: Ballot) -> dict[str, int]:
    """OOF id -> its fold."""
    found: dict[str, int] = {}
    for table in ballot.oof.values():
        if table.fold is not None:
            found |= dict(zip(table.ids.tolist(), map(int, table.fold), strict=True))
    return found


def _row(
    looked: Looked,
    reason: Mapping[str, Any],
    weights: Mapping[str, float],
    choices: Mapping[str, Sequence[Choice]],
) -> Row:
    from orchestrator.activation_maps.overlay import overlay

    classes = list(map(str, reason["classes"]))
    answer = vote_class(reason)
    label = "" if reason["label"] is None else f", labelled {reason['label']}"
    final = (reason.get("corrected") or reason["final"])[answer]
    panels = [Panel(looked.pixels, ["the photograph"])]
    if looked.mean is not None:
        shown = overlay(looked.pixels, looked.mean)
        panels.append(Panel(shown, ["the vote", _says(classes[answer], final)], looked.mean))
    for name, own_map in looked.maps.items():
        own = reason["members"][name]["probabilities"]
        first = int(np.argmax(own))
        lines = [f"{name}, weight {weights[name]:.2f}", _says(classes[first], own[first])]
        of = looked.asked.classes[name]
        if of != first:
            lines.append(f"map of {classes[of]} {own[of]:.2f}")
        if not own_map.any():
            lines.append("nothing raises it")
        elif by := choices.get(name):  # a join's are those of its members
            lines.append(_without(by))
        panels.append(Panel(overlay(looked.pixels, own_map), lines, own_map))
    title = f"{reason['image_id']}: {classes[answer]}{label}"
    return Row(title, panels)


def _without(choices: Sequence[Choice]) -> str:
    """What the class has by a member's networks, and has left with their peaks covered, in the mean."""
    before, covered = (
        sum(own) / len(choices)
        for own in zip(*((c.before, c.covered) for c in choices), strict=True)
    )
    return f"peak covered: {before:.2f} -> {covered:.2f}"


def _says(name: str, probability: float) -> str:
    return f"{name} {probability:.2f}"


def _record(looked: Looked, reason: Mapping[str, Any], looks: Looks, number: int) -> dict[str, Any]:
    """Of one photograph what --json holds of its maps. peak: [down, across] in [0, 1]."""
    from orchestrator.activation_maps.overlay import peak

    classes = list(map(str, reason["classes"]))
    return {
        "held_out": looked.asked.fold is not None,
        "peak": None if looked.mean is None else peak(looked.mean),
        "voters": {
            name: {"class": classes[looked.asked.classes[name]], "peak": peak(own)}
            for name, own in looked.maps.items()
        },
        "networks": {
            name: [
                {
                    "rule": own.rule,
                    "layer": own.layer.name if own.layer else None,
                    "stride": own.layer.stride if own.layer else None,
                    "probability": own.before,
                    "with_peak_covered": own.covered,
                }
                for own in choices[number]
            ]
            for name, choices in looks.networks.items()
            if choices[number]
        },
        "left_out": dict(looks.left_out),
    }
