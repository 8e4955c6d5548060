"""The hardest photographs with each member's opinion, and labels that the vote does not believe."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from ensembles.judging.hardest import doubted, hardest
from orchestrator.report.blocks import Card, Cell, Column, Gallery, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.svg import tag
from orchestrator.report.thumbnails import Thumbnail, thumbnail

# Bounds of what is shown, so that the page stays small whatever the run is.
HARDEST, DOUBTED, DOUBTED_SHOWN = 18, 100, 24
MOST_OPINIONS = 30


class Pictures:
    """Thumbnails by image id; each is made once."""

    def __init__(self, paths: dict[str, str]):
        self._paths = paths
        self._made: dict[str, Thumbnail] = {}

    def of(self, image_id: str) -> Thumbnail:
        if image_id not in self._made:
            self._made[image_id] = thumbnail(self._paths.get(image_id))
        return self._made[image_id]

    def without(self) -> str:
        """What cannot be shown, a sentence; empty where all can."""
        reasons: dict[str, int] = {}
        for own in self._made.values():
            if own.source is None:
                reasons[own.why] = reasons.get(own.why, 0) + 1
        if not reasons:
            return ""
        told = ", ".join(f"{n} {why}" for why, n in reasons.items())
        return (
            f"Of {len(self._made)} photographs here {sum(reasons.values())} cannot be shown ({told}): "
            "they are read from the paths that images.parquet of the run has."
        )


def hardest_section(run: Material, pictures: Pictures) -> Section:
    found = Section("hardest", "Hardest photographs")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    rows = hardest(run.labels, run.probabilities)[:HARDEST].tolist()
    answers = run.answered.argmax(axis=1)
    cards = []
    for row in rows:
        label = run.labels[row]
        image_id = str(run.first.ids[row])
        own = pictures.of(image_id)
        lines = [
            _opinion(
                run, "the vote" if run.mixed is not None else "their mean", run.answered[row], label
            ),
            *(
                _opinion(run, name, run.probabilities[m, row], label)
                for m, name in list(enumerate(run.oof))[:MOST_OPINIONS]
            ),
        ]
        wrong = int((run.decided[:, row] != label).sum())
        head = (
            f"labelled {run.classes[label]}", f"answered {run.classes[answers[row]]}",
            f"{wrong} of {len(run.oof)} members err",
        )  # fmt: skip
        cards.append(Card(image_id, own.source, own.width, own.height, head, lines))
    notes = [
        "Out-of-fold photographs by the members' mean log-loss of the label, the greatest first. Beside each "
        "name: its answer, and the probability that it gives to the label."
    ]
    if left := len(run.oof) - MOST_OPINIONS:
        notes += [f"Opinions of the first {MOST_OPINIONS} members."] if left > 0 else []
    if told := pictures.without():
        notes.append(told)
    found.blocks.append(Gallery(cards, notes))
    return found


def _opinion(
    run: Material, name: str, probabilities: np.ndarray, label: int
) -> tuple[str, str, str, bool]:
    answer = int(probabilities.argmax())
    return name, run.classes[answer], f"{probabilities[label]:.3f}", answer == label


def doubted_section(run: Material, pictures: Pictures) -> Section:
    found = Section("labels", "Suspicious labels")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    every = doubted(run.labels, run.answered)
    if not len(every):
        found.say(
            "The answer is the label on every out-of-fold photograph: no label is suspicious."
        )
        return found
    found.say(
        f"Photographs whose label is not the answer of {run.subject}, by the probability that it gives to "
        "their own label, the least first. A wrong label looks like this, and so does a hard photograph: "
        f"look before you correct. {run.how}"
    )
    rows = []
    for rank, row in enumerate(every[:DOUBTED].tolist(), start=1):
        label, answer = int(run.labels[row]), int(run.answered[row].argmax())
        image_id = str(run.first.ids[row])
        agree = int((run.decided[:, row] == answer).sum())
        own, said = float(run.answered[row, label]), float(run.answered[row, answer])
        rows.append(
            [
                Cell(str(rank), float(rank)),
                Cell(_shown(pictures.of(image_id), image_id) if rank <= DOUBTED_SHOWN else "", image_id),
                Cell(image_id, kind="id"), Cell(run.classes[label]), Cell(run.classes[answer]),
                Cell(f"{own:.4f}", own), Cell(f"{said:.4f}", said),
                Cell(f"{agree} of {len(run.oof)}", float(agree)),
                Cell("" if run.groups is None else str(run.groups[row]), kind="id"),
            ]
        )  # fmt: skip
    columns = [
        Column("rank"), Column("photograph", numbers=False), Column("id", numbers=False),
        Column("label", numbers=False), Column("answer", numbers=False), Column("P(label)"),
        Column("P(answer)"), Column("members that agree", hint="with the answer"),
        Column("group", numbers=False),
    ]  # fmt: skip
    notes = []
    if len(every) > len(rows):
        notes.append(f"The first {len(rows)} of {len(every)}.")
    if told := pictures.without():
        notes.append(told)
    found.blocks.append(Grid("Labels that are not believed", columns, rows, notes=notes))
    return found


def _shown(own: Thumbnail, image_id: str) -> str | Markup:
    if own.source is None:
        return own.why
    half = own.width / 2, own.height / 2
    return tag("img", src=own.source, width=half[0], height=half[1], alt=image_id, loading="lazy")
