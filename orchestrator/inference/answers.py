"""What an ensemble says of photographs, as arrays and as columns with a row a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.inference.parts import Trained


@dataclass(frozen=True)
class Answers:
    """What an ensemble says of photographs.

    ids: (N,) str. problems: (N,) what is wrong with a photograph that could not be read, else None.
    probabilities: (n, K) float32 of the others, in their order. tables: name -> (n, K) float32 of the
    members, joins and stacks, where they were asked for (k classes of one that predicts some targets).
    asked: (n,) int, of a lazy vote how many voters were asked, else None; where those are not all, the
    answer is that of the whole vote, and the probabilities are what those that were asked say.
    """

    ids: list[str]
    problems: list[str | None]
    probabilities: np.ndarray
    tables: dict[str, np.ndarray] = field(default_factory=dict)
    asked: np.ndarray | None = None

    @property
    def answered(self) -> np.ndarray:
        """(N,) bool."""
        return np.array([problem is None for problem in self.problems], bool)

    @classmethod
    def joined(cls, parts: Sequence[Answers], n_classes: int) -> Answers:
        """One after the other."""
        empty = np.empty((0, n_classes), np.float32)
        names = parts[0].tables if parts else ()
        asked = [part.asked for part in parts if part.asked is not None]
        return cls(
            [own for part in parts for own in part.ids],
            [own for part in parts for own in part.problems],
            np.concatenate([empty, *(part.probabilities for part in parts)]),
            {name: np.concatenate([part.tables[name] for part in parts]) for name in names},
            np.concatenate(asked) if asked else None,
        )


def columns_of(answers: Answers, trained: Trained, members: bool = False) -> dict[str, Any]:
    """The columns of `Ensemble.predict`, each (N,). A class of the name of another column is called
    `class <name>`.
    """
    there, n = answers.answered, len(answers.ids)
    classes = np.array(trained.classes, object)
    answer = np.full(n, None, object)
    answer[there] = classes[answers.probabilities.argmax(axis=1)]
    found: dict[str, Any] = {
        "image_id": answers.ids,
        "answer": answer,
        "confidence": _spread(answers.probabilities.max(axis=1, initial=0), there),
        "problem": answers.problems,
    }
    if answers.asked is not None:
        asked = np.full(n, None, object)
        asked[there] = answers.asked
        found["asked"] = asked
    for k, name in enumerate(trained.classes):
        own = name if name not in found else f"class {name}"
        found[own] = _spread(answers.probabilities[:, k], there)
    if members:
        codecs = {part.name: trained.codec_of(part) for part in trained.members}
        for name, table in answers.tables.items():
            names = codecs[name].classes if name in codecs else trained.classes
            found |= {f"{name}/{own}": _spread(table[:, k], there) for k, own in enumerate(names)}
    return found


def _spread(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(N,) float32 from those of the rows that are there; NaN of the others."""
    found = np.full(len(there), np.nan, np.float32)
    found[there] = values
    return found
