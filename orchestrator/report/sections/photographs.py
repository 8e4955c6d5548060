"""The hardest photographs with each member's opinion."""

from __future__ import annotations

import numpy as np

from ensembles.judging.hardest import hardest
from orchestrator.report.blocks import Card, Gallery, Section
from orchestrator.report.material import Material
from orchestrator.report.thumbnails import Kept, Thumbnail, thumbnail

# Bounds of what is shown, so that the page stays small whatever the run is.
HARDEST = 18
MOST_OPINIONS = 30


class Pictures:
    """Thumbnails by image id; each is made once, or taken of those that are kept."""

    def __init__(self, paths: dict[str, str], kept: Kept):
        self._paths, self._kept = paths, kept
        self._made: dict[str, Thumbnail] = {}

    def of(self, image_id: str) -> Thumbnail:
        if image_id not in self._made:
            self._made[image_id] = thumbnail(self._paths.get(image_id), self._kept)
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


def hardest_rows(run: Material) -> list[int]:
    """The rows that are shown as the hardest."""
    return hardest(run.labels, run.probabilities)[:HARDEST].tolist()


def hardest_section(run: Material, pictures: Pictures) -> Section:
    found = Section("hardest", "Hardest photographs")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    rows = hardest_rows(run)
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
        maps = run.maps.get(image_id, ())
        cards.append(Card(image_id, own.source, own.width, own.height, head, lines, maps))
    notes = [
        "Out-of-fold photographs by the members' mean log-loss of the label, the greatest first. Beside each "
        "name: its answer, and the probability that it gives to the label."
    ]
    if left := len(run.oof) - MOST_OPINIONS:
        notes += [f"Opinions of the first {MOST_OPINIONS} members."] if left > 0 else []
    notes += run.about_maps
    if told := pictures.without():
        notes.append(told)
    found.blocks.append(Gallery(cards, notes))
    return found


def _opinion(
    run: Material, name: str, probabilities: np.ndarray, label: int
) -> tuple[str, str, str, bool]:
    answer = int(probabilities.argmax())
    return name, run.classes[answer], f"{probabilities[label]:.3f}", answer == label
