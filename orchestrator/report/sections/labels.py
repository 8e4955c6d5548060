"""Labels that are probably wrong, and labels that contradict each other: what `audit` says, on the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from ensembles.judging.label_errors import Suspicion, suspicion
from ensembles.judging.shared_by_groups import inconstant_groups
from orchestrator.audit.contradictions import COPIES, GROUP, Contradiction, rarest_first
from orchestrator.program import called
from orchestrator.report.blocks import Cell, Column, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.sections.photographs import Pictures
from orchestrator.report.svg import tag
from orchestrator.report.thumbnails import Thumbnail

# Bounds of what is shown, so that the page stays small whatever the run is.
SUSPECTS, CONTRADICTIONS, WITH_PICTURE = 100, 50, 24
_NAMED = 3  # photographs of a contradiction


def section(run: Material, pictures: Pictures) -> Section:
    found = Section("labels", "Suspicious labels")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    groups = None if run.groups is None else np.unique(run.groups, return_inverse=True)[1]
    voted = run.mixed if run.gives_probabilities else None
    of = suspicion(run.probabilities, run.labels, voted, groups, run.targets or None)
    _say_suspects(run, of, found, pictures)
    _say_contradictions(run, groups, found, pictures)
    if told := pictures.without():
        found.say(told)
    return found


def _say_suspects(run: Material, of: Suspicion, found: Section, pictures: Pictures) -> None:
    every = of.suspects
    if not len(every):
        found.say("No other class is more probable than the label: no label is suspicious.")
        return
    by, how = "the plain mean of the members", ""
    if run.gives_probabilities:
        by, how = f"the vote {run.vote}", f" {run.how}"
    against = int(of.contradicts[every].sum())
    groups = ""
    if against:
        groups = (
            " Where the photographs of a group nearly always share a label, one that differs from the "
            f"others of its group is less probable for it, marked below ({against})."
        )
    found.say(
        f"Photographs to which {by} gives another class more probability than their own label, by the "
        f"probability of the label, the least first. A wrong label looks like this, and so does a hard "
        f"photograph: look before you correct. {called()} audit --run {run.place} proposes corrections in "
        f"the form that specs take.{groups}{how}"
    )
    rows = []
    for rank, row in enumerate(every[:SUSPECTS].tolist(), start=1):
        other = int(of.other[row])
        image_id = str(run.first.ids[row])
        agree, own, said = int(of.agree[row]), float(of.own[row]), float(of.of_other[row])
        shown = _shown(pictures.of(image_id), image_id) if rank <= WITH_PICTURE else ""
        rows.append(
            [
                Cell(str(rank), float(rank)), Cell(shown, image_id), Cell(image_id, kind="id"),
                Cell(run.classes[run.labels[row]]), Cell(run.classes[other]),
                Cell("differs" if of.contradicts[row] else ""),
                Cell(f"{own:.4f}", own), Cell(f"{said:.4f}", said),
                Cell(f"{agree} of {len(run.oof)}", float(agree)),
                Cell("yes" if of.proposed[row] else ""),
                Cell("" if run.groups is None else str(run.groups[row]), kind="id"),
            ]
        )  # fmt: skip
    columns = [
        Column("rank"), Column("photograph", numbers=False), Column("id", numbers=False),
        Column("label", numbers=False), Column("suggested", numbers=False),
        Column("from its group", numbers=False, hint="its label is not what the others of its group share"),
        Column("P(label)"), Column("P(suggested)"),
        Column("members that agree", hint="with what is suggested"),
        Column("proposed", numbers=False, hint="as a correction, by audit"), Column("group", numbers=False),
    ]  # fmt: skip
    notes = [f"The first {len(rows)} of {len(every)}."] if len(every) > len(rows) else []
    found.blocks.append(Grid("Labels that are not believed", columns, rows, notes=notes))


def _say_contradictions(
    run: Material, groups: np.ndarray | None, found: Section, pictures: Pictures
) -> None:
    every = [*(run.copies or []), *_in_groups(run, groups)]
    if run.copies is None:
        found.say(
            "Look-alikes under two labels are not known of this run: to find them the photographs are read, "
            f"which {called()} audit --run {run.place} does; the next report has them."
        )
    if not every:
        found.say(
            "No labels contradict each other within a group in what groups share"
            + ("." if run.copies is None else ", and audit found no look-alikes under two labels.")
        )
        return
    rows = []
    for number, own in enumerate(every[:CONTRADICTIONS]):
        counts = Counter(own.values.values())
        odd = list(own.values)[: 2 if own.kind == COPIES else 1]
        shown: str | Markup = ""
        if number < WITH_PICTURE:
            shown = Markup(" ").join(_shown(pictures.of(i), i) for i in odd)
        named = ", ".join(f"{i} is {value}" for i, value in list(own.values.items())[:_NAMED])
        more = len(own.values) - _NAMED
        rows.append(
            [
                Cell(own.kind), Cell(shown, odd[0]), Cell(own.where, kind="id"), Cell(own.target),
                Cell(", ".join(f"{n} {value}" for value, n in reversed(counts.items()))),
                Cell(named + (f", and {more} more" if more > 0 else ""), kind="id"),
            ]
        )  # fmt: skip
    columns = [
        Column("kind", numbers=False), Column("photograph", numbers=False),
        Column("group, or how alike", numbers=False), Column("what", numbers=False),
        Column("labels", numbers=False), Column("photographs", numbers=False, hint="the rarest labels first"),
    ]  # fmt: skip
    notes = [
        "Look-alikes are the same picture, saved again, resized or mirrored. Groups are shown in what groups "
        "nearly always share (Krippendorff's alpha of at least 0.8)."
    ]
    if len(every) > len(rows):
        notes.append(f"The first {len(rows)} of {len(every)}.")
    found.blocks.append(Grid("Labels that contradict each other", columns, rows, notes=notes))


def _in_groups(run: Material, groups: np.ndarray | None) -> Sequence[Contradiction]:
    """As `audit` finds them: of tables alone."""
    if groups is None or run.groups is None:
        return []
    found = []
    for target, value_of in (run.targets or {"label": np.arange(len(run.classes))}).items():
        names = run.values_of(target) if run.targets else run.classes
        values = value_of[run.labels]
        for rows in inconstant_groups(values, groups):
            told = rarest_first(run.first.ids[rows].tolist(), [names[int(v)] for v in values[rows]])
            found.append(Contradiction(GROUP, str(run.groups[rows[0]]), target, told))
    return found


def _shown(own: Thumbnail, image_id: str) -> str | Markup:
    if own.source is None:
        return own.why
    half = own.width / 2, own.height / 2
    return tag("img", src=own.source, width=half[0], height=half[1], alt=image_id, loading="lazy")
