"""What a run's OOF tables and photographs say against its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ensembles.files.align import align
from ensembles.files.table import OofTable, Table
from ensembles.judging.label_errors import Suspicion, suspicion
from ensembles.judging.shared_by_groups import inconstant_groups
from members.data.codec import Codec
from orchestrator.audit.contradictions import COPIES, GROUP, Contradiction, rarest_first

Progress = Callable[[int, int], None]


@dataclass
class Audit:
    """frame: image_id, path, group, label and a column a target, of the N rows that members held out,
    in the order of `found`. members: whose tables were asked; by: what ranks the rows, in words.
    compared: (n,) rows whose photographs could be read, so that `copies` may have them."""

    frame: pd.DataFrame
    codec: Codec
    members: list[str]
    found: Suspicion
    by: str
    groups: list[Contradiction] = field(default_factory=list)
    copies: list[Contradiction] = field(default_factory=list)
    compared: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    notes: list[str] = field(default_factory=list)

    def name(self, label: int) -> str:
        return self.codec.classes[label]

    def differing(self, row: int) -> dict[str, tuple[str, str]]:
        """Of a row, target -> the class that its label says and the one that members suggest, where
        these are two."""
        pair = np.array([self.frame["label"].iloc[row], self.found.other[row]])
        return {
            target: (names[int(old)], names[int(new)])
            for target, names in self.codec.targets.items()
            for old, new in [self.codec.decode(pair)[target]]
            if old != new
        }


def audit_labels(
    tables: dict[str, OofTable],
    photographs: pd.DataFrame,
    codec: Codec,
    voted: Table | None = None,
) -> Audit:
    """Ask members' OOF tables. photographs: of `images.parquet`, at least the tables' rows. voted: what a
    vote says of these rows, each without its fold; None, or of other rows: the members' mean ranks them."""
    aligned = align(tables, "oof")
    first = next(iter(aligned.values()))
    frame = photographs.set_index("image_id").loc[list(first.ids)].reset_index()
    stacked = np.stack([table.probabilities for table in aligned.values()])
    rows = {image_id: row for row, image_id in enumerate(voted.ids)} if voted is not None else {}
    mixed, by = None, "the mean of the members"
    if voted is not None and all(image_id in rows for image_id in first.ids):
        mixed = voted.probabilities[[rows[image_id] for image_id in first.ids]]
        by = "the run's vote, fitted without each one's fold"
    numbers, _ = pd.factorize(frame["group"])
    value_of = codec.decode(np.arange(len(codec.classes)))
    found = suspicion(stacked, np.asarray(first.label, int), mixed, numbers, value_of)
    if found.contradicts.any():
        by += " and by their groups"
    audit = Audit(frame, codec, list(aligned), found, by)
    audit.groups = [
        _contradiction(audit, GROUP, str(frame["group"].iloc[rows[0]]), target, rows)
        for target in codec.targets
        for rows in inconstant_groups(frame[target].to_numpy(int), numbers)
    ]
    return audit


def _contradiction(
    audit: Audit, kind: str, where: str, target: str, rows: Sequence[int] | np.ndarray
) -> Contradiction:
    """The photographs with the rarest values first."""
    names = audit.codec.targets.get(target, audit.codec.classes)
    column = target if target in audit.codec.targets else "label"
    own = audit.frame.iloc[list(map(int, rows))]
    ids, values = own["image_id"].tolist(), [names[int(value)] for value in own[column]]
    return Contradiction(kind, where, target, rarest_first(ids, values))


def contradicting_copies(audit: Audit, progress: Progress) -> list[Contradiction]:
    """Pairs of photographs that look the same (saved again, resized, mirrored) under two labels.

    Photographs that are not on this machine are left out; `audit.notes` gets how many.
    """
    from members.duplicates.fingerprint import Fingerprints
    from members.duplicates.search import equal_pixels, look_alike
    from members.reading.scan import scan
    from orchestrator.photographs.cache import scan_memo

    rows = audit.compared = readable(audit)
    if len(rows) < len(audit.frame):
        audit.notes.append(
            f"{len(audit.frame) - len(rows)} of {len(audit.frame)} photographs are not where the run "
            "found them, so they were not compared and are not on the sheets."
        )
    if not len(rows):
        return []
    scanned = scan(audit.frame["path"].iloc[rows].tolist(), scan_memo(), progress)
    fingerprints = Fingerprints.of(scanned)
    labels = audit.frame["label"].to_numpy(int)[rows]
    alike = look_alike(fingerprints, np.arange(len(rows)))
    pairs: list[tuple[str, Sequence[int]]] = [("look the same", pair) for pair in alike]
    pairs += [("equal pixel by pixel", own) for own in equal_pixels(fingerprints.pixels)]
    return [
        _contradiction(audit, COPIES, how, "label", [rows[i] for i in own])
        for how, own in pairs
        if len({int(labels[i]) for i in own}) > 1
    ]


def readable(audit: Audit) -> np.ndarray:
    """(n,) rows whose photographs are files of this machine."""
    return np.flatnonzero([Path(path).is_file() for path in audit.frame["path"]])
