"""Pictures that stand where they make a score too good: in two groups, in the test part, or under
two labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from members.data.codec import Codec
from members.duplicates.fingerprint import Fingerprints
from members.duplicates.search import equal_pixels, look_alike, plain
from members.files import Progress
from orchestrator.errors import counted

_SHOWN = 3  # examples of a kind; `--json` has them all


@dataclass(frozen=True)
class Leaks:
    """Image ids of the photographs that show the same picture, a tuple for each picture or pair.

    A photo to predict comes before those to train on. `plain`: photographs of nearly one colour,
    which were compared by their pixels alone. `relabelled`: how many of `alike` have two labels.
    """

    equal: list[tuple[str, ...]]  # equal pixels in several groups
    alike: list[tuple[str, str]]  # copies in different groups
    equal_in_test: list[tuple[str, ...]]
    alike_in_test: list[tuple[str, str]]
    contradictions: list[tuple[str, ...]]  # equal pixels under several labels
    relabelled: int
    plain: int
    compared: int
    has_test: bool

    def lines(self) -> list[str]:
        """One line for each kind that was found."""
        kinds: list[tuple[str, Sequence[tuple[str, ...]]]] = [
            (f"{_pictures(self.equal)} in several groups, pixel by pixel", self.equal),
            (f"{_pairs(self.alike)} of different groups look the same{self._labels()}", self.alike),
            (
                f"{_pictures(self.equal_in_test)} both to predict and to train on",
                self.equal_in_test,
            ),
            (
                f"{_pairs(self.alike_in_test)}, one to predict and one to train on, look the same",
                self.alike_in_test,
            ),
        ]
        lines = [f"leak: {text}: {_examples(found)}" for text, found in kinds if found]
        if self.contradictions:
            lines.append(
                f"note: {_pictures(self.contradictions)} under several labels, which "
                f"`data.contradictions: allow` lets pass: {_examples(self.contradictions)}"
            )
        if self.plain:
            lines.append(
                f"note: {counted(self.plain, 'photograph')} of nearly one colour "
                f"{'was' if self.plain == 1 else 'were'} compared pixel by pixel only"
            )
        return lines

    def __bool__(self) -> bool:
        return any([self.equal, self.alike, self.equal_in_test, self.alike_in_test])

    def none_found(self) -> str:
        """What was compared, in a sentence for `check` where there is no leak."""
        test = " or is among those to predict" if self.has_test else ""
        return (
            f"No leaks: no group in two folds, and none of {self.compared} photographs stands in "
            f"two groups{test}, pixel by pixel or as a copy (saved again, resized, mirrored)."
        )

    def record(self) -> dict[str, object]:
        """Every one of them, for programs."""
        return {
            "leaks": self.equal,
            "look_alike": self.alike,
            "look_alike_under_two_labels": self.relabelled,
            "leaks_into_test": self.equal_in_test,
            "look_alike_in_test": self.alike_in_test,
            "contradictions": self.contradictions,
            "of_one_colour": self.plain,
        }

    def _labels(self) -> str:
        return f" ({self.relabelled} under different labels)" if self.relabelled else ""


def contradicting(train: pd.DataFrame, scanned: pd.DataFrame) -> list[np.ndarray]:
    """Rows of readable training photos with equal pixels and several labels, an array a picture."""
    labelled = np.flatnonzero(
        (scanned["pixels"] != "").to_numpy() & (train["label"] >= 0).to_numpy()
    )
    labels = train["label"].to_numpy()
    found = equal_pixels(scanned["pixels"].to_numpy(object)[labelled])
    return [rows for rows in map(labelled.take, found) if len(set(labels[rows])) > 1]


def contradiction_problems(train: pd.DataFrame, found: list[np.ndarray], codec: Codec) -> list[str]:
    """The problem that the same picture stands under two labels: at most one text."""
    if not found:
        return []
    ids, labels = train["image_id"].tolist(), train["label"].tolist()
    examples = [
        " and ".join(f"{ids[row]} is {codec.classes[labels[row]]}" for row in rows[:_SHOWN])
        for rows in found[:_SHOWN]
    ]
    rest = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return [
        f"data.train: {_pictures(found)} under several labels, pixel by pixel: "
        f"{'; '.join(examples)}{rest}. Correct the labels or take the photos out of the list; to "
        "train on them as they are, write `contradictions: allow` under `data`."
    ]


def find_leaks(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    scanned: Sequence[pd.DataFrame],
    progress: Progress | None = None,
) -> Leaks:
    """Compare the training photos of different groups, and those to predict with all of them.

    scanned: of the training photos and, where there is a test part, of that, in their orders.
    """
    fingerprints = Fingerprints.of(pd.concat(scanned, ignore_index=True))
    n = len(train)
    groups = pd.factorize(train["group"])[0]
    labels = train["label"].to_numpy()
    ids = train["image_id"].tolist()
    if test is not None:  # the photos to predict are one group: they are compared with all others
        groups = np.concatenate([groups, np.full(len(test), groups.max(initial=0) + 1)])
        ids += test["image_id"].tolist()
    equal, equal_in_test = [], []
    for rows in equal_pixels(fingerprints.pixels):
        own, other = [row for row in rows if row < n], [row for row in rows if row >= n]
        if len({groups[row] for row in own}) > 1:
            equal.append(tuple(ids[row] for row in own))
        if own and other:
            equal_in_test.append(tuple(ids[row] for row in (*other, *own)))
    pairs = look_alike(fingerprints, groups, progress)
    within, across = pairs[pairs[:, 1] < n], pairs[pairs[:, 1] >= n]
    return Leaks(
        equal,
        [(ids[a], ids[b]) for a, b in within],
        equal_in_test,
        [(ids[b], ids[a]) for a, b in across],
        [tuple(ids[row] for row in rows) for rows in contradicting(train, scanned[0])],
        int((labels[within[:, 0]] != labels[within[:, 1]]).sum()),
        int(plain(fingerprints).sum()),
        len(fingerprints),
        test is not None,
    )


def _pictures(found: Sequence[object]) -> str:
    return f"{counted(len(found), 'picture')} {'stands' if len(found) == 1 else 'stand'}"


def _pairs(found: Sequence[object]) -> str:
    return f"{counted(len(found), 'pair')} of photographs"


def _examples(found: Sequence[tuple[str, ...]]) -> str:
    shown = ["; ".join([" = ".join(ids[:_SHOWN]) for ids in found[:_SHOWN]])]
    if len(found) > _SHOWN:
        shown.append(f"and {len(found) - _SHOWN} more, all in --json FILE of `check`")
    return "; ".join(shown)
