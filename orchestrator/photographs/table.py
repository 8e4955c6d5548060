"""The photographs of a run as tables, with labels and folds, and hashes of their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from members.data.codec import Codec
from members.data.columns import age_class
from members.data.folds import assign as folds
from orchestrator.photographs.reading import ReadAs
from orchestrator.spec.spec import Member


@dataclass(frozen=True)
class Photographs:
    """The photographs of one run: what members train on and what they predict.

    `train` has image_id, path, group, fold, label, one column a target, and digest; `test` has
    image_id, path, label (-1 where unknown) and digest, or is None. For each copy of the photos
    that a member sees, both also have path@NAME and digest@NAME.
    earlier: tables of the same photographs and more, in the same folds, whose finished units are
    used as they are (`--keep-units`). reading: what it takes to show members other photographs.
    """

    train: pd.DataFrame
    test: pd.DataFrame | None
    codec: Codec
    earlier: tuple[Photographs, ...] = ()
    reading: ReadAs = field(default_factory=ReadAs)

    @cached_property
    def data_hash(self) -> str:
        """Of the training rows: ids, groups, labels and file contents, in any row order."""
        columns = ["image_id", "group", "digest", *self.codec.targets]
        return _digest(self.train, columns, self.codec.to_json())

    @cached_property
    def years_hash(self) -> str:
        """Of the ages in years, where they are known; their classes stand in `data_hash`."""
        return _digest(self.train, ["age_years"]) if "age_years" in self.train else ""

    @cached_property
    def folds_hash(self) -> str:
        return _digest(self.train, ["image_id", "fold"])

    @cached_property
    def test_hash(self) -> str:
        return "" if self.test is None else _digest(self.test, ["image_id", "digest"])

    def seen_hash(self, photos: str | None) -> str:
        """Of the training pictures of a copy; empty for the originals, which `data_hash` has."""
        if photos is None:
            return ""
        return _digest(self.train, ["image_id", column("digest", photos)])

    def test_hash_of(self, photos: str | None) -> str:
        """Of the test pictures of a copy, or of the originals: `test_hash`."""
        if photos is None or self.test is None:
            return self.test_hash
        return _digest(self.test, ["image_id", column("digest", photos)])

    @property
    def n_folds(self) -> int:
        return folds.n_folds(self.train["fold"].to_numpy())


def column(name: str, photos: str | None) -> str:
    """Where `path` or `digest` of a copy stands in the tables of photographs."""
    return name if photos is None else f"{name}@{photos}"


def codec_of(member: Member, codec: Codec) -> Codec:
    """The codec of what `member` predicts: all targets, or those it names."""
    return codec if member.targets is None else codec.subset(member.targets)


def labels_of(frame: pd.DataFrame, codec: Codec) -> np.ndarray:
    """Joint labels (N,) int16 of `codec`; -1 where a target is unknown."""
    return codec.encode({target: frame[target].to_numpy() for target in codec.targets})


def training_labels(frame: pd.DataFrame, member: Member, codec: Codec) -> np.ndarray:
    """Joint labels (N,) int16 that `member` learns: of `codec`, its age boundaries its own."""
    if member.age_bounds is None:
        return labels_of(frame, codec)
    ages = [age_class(years, member.age_bounds) for years in frame["age_years"]]
    return labels_of(frame.assign(age=np.array(ages, np.int16)), codec)


def _digest(frame: pd.DataFrame, columns: list[str], salt: str = "") -> str:
    ordered = frame.sort_values("image_id")
    digest = hashlib.blake2b(salt.encode(), digest_size=8)
    for column in columns:
        digest.update("\x1f".join(ordered[column].astype(str)).encode() + b"\x1e")
    return digest.hexdigest()


def in_fold(frame: pd.DataFrame, fold: int | Literal["all"]) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the training and of the validation part of one fold; of all rows, none is in the
    latter."""
    if fold == "all":
        return np.arange(len(frame)), np.arange(0)
    held_out = frame["fold"].to_numpy() == fold
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
