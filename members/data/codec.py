"""Class names <-> numbers: several targets of one photograph as one joint class, and back."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from members.errors import BadInput, nearest


@dataclass(frozen=True)
class Codec:
    """Targets and their class names, in order. The joint class is their mixed radix number.

    The last target changes fastest: for PROFILES it is mask * 6 + gender * 3 + age. A data set
    with one label a photograph has the single target "label".
    """

    targets: dict[str, tuple[str, ...]]

    def __post_init__(self):
        object.__setattr__(self, "targets", {t: tuple(n) for t, n in self.targets.items()})
        if not self.targets or not all(self.targets.values()):
            raise BadInput(f"targets: {self.targets!r}, but each target must have classes.")
        if math.prod(len(names) for names in self.targets.values()) > np.iinfo(np.int16).max:
            raise BadInput(
                f"targets: {self.sizes} classes make more than 32767 joint classes. "
                "Is the label column an id?"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each target."""
        return tuple(len(names) for names in self.targets.values())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the joint classes in label order, e.g. "wear/male/<30"."""
        return tuple("/".join(names) for names in itertools.product(*self.targets.values()))

    def encode(self, values: Mapping[str, ArrayLike]) -> np.ndarray:
        """One int array (N,) a target -> joint labels (N,) int16; -1 where any target is -1.

        Raises BadInput for a target that is missing or a number outside its classes.
        """
        problems = []
        columns = []
        for target, names in self.targets.items():
            if target not in values:
                problems.append(f"target {target!r} is missing; got {sorted(values)}.")
                continue
            column = np.asarray(values[target], dtype=np.int64)
            outside = column[(column < -1) | (column >= len(names))]
            if outside.size:
                problems.append(
                    f"target {target!r}: {outside[0]}, but allowed are 0..{len(names) - 1} "
                    f"({', '.join(names)}) and -1 for unknown."
                )
            columns.append(column)
        if problems:
            raise BadInput(problems)
        labels = np.zeros_like(columns[0])
        for column, size in zip(columns, self.sizes, strict=True):
            labels = labels * size + column
        unknown = np.any([column < 0 for column in columns], axis=0)
        return np.where(unknown, -1, labels).astype(np.int16)

    def decode(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Joint labels (N,) int -> {target: (N,) int16}; -1 stays -1 in every target.

        Raises BadInput for a label outside -1..K-1.
        """
        rest = np.asarray(labels, dtype=np.int64)
        count = math.prod(self.sizes)
        outside = rest[(rest < -1) | (rest >= count)]
        if outside.size:
            raise BadInput(
                f"label {outside[0]} is outside the classes: allowed are 0..{count - 1} "
                "and -1 for unknown."
            )
        unknown = rest < 0
        found = {}
        for target, names in reversed(self.targets.items()):
            rest, digit = np.divmod(rest, len(names))
            found[target] = np.where(unknown, -1, digit).astype(np.int16)
        return {target: found[target] for target in self.targets}

    def subset(self, names: Iterable[str]) -> Codec:
        """The codec of some of the targets, in this codec's order whatever the order of `names`.

        Raises BadInput for an unknown target or none at all.
        """
        names = list(names)
        problems = [
            f"target {name!r} is unknown: allowed are {', '.join(self.targets)}."
            + nearest(name, self.targets)
            for name in names
            if name not in self.targets
        ]
        if not names:
            problems.append(f"no targets given: allowed are {', '.join(self.targets)}.")
        if problems:
            raise BadInput(problems)
        return Codec({t: n for t, n in self.targets.items() if t in names})

    def to_json(self) -> str:
        """JSON text `{"targets": [[name, [class, ...]], ...]}`: a list, so that order survives."""
        return json.dumps({"targets": [[t, list(n)] for t, n in self.targets.items()]})

    @staticmethod
    def from_json(text: str | dict) -> Codec:
        """The inverse of `to_json`; takes its text or the parsed object."""
        found = json.loads(text) if isinstance(text, str) else text
        return Codec({target: tuple(names) for target, names in found["targets"]})


PROFILES = Codec(
    {
        "mask": ("wear", "incorrect", "normal"),
        "gender": ("male", "female"),
        "age": ("<30", "30-59", ">=60"),
    }
)


def joint(parts: Mapping[str, np.ndarray], codecs: Mapping[str, Codec], codec: Codec) -> np.ndarray:
    """Probabilities (N, K) float32 of the joint classes of `codec`: products of the marginals.

    parts: name -> (N, k) of the joint classes of `codecs[name]`, whose targets together are those
    of `codec`, each in one part. The product takes targets of different parts as independent given
    the photo.
    """
    product = np.ones((1,) * (1 + len(codec.targets)))
    for name, probabilities in parts.items():
        own = codecs[name].targets
        shape = [len(names) if target in own else 1 for target, names in codec.targets.items()]
        product = product * probabilities.astype(np.float64).reshape(-1, *shape)
    joined = product.reshape(len(product), -1)
    return (joined / joined.sum(axis=1, keepdims=True)).astype(np.float32)
