"""Spec -> units (member x fold x seed), their content hash, what is done, what is left.

A unit's folder is named by a hash of everything that decides its result: a changed member gets a
new folder, an unchanged one is never trained twice, and adding a member trains that one only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from members.data import folds
from members.data.codec import Codec
from members.data.columns import age_class
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member, Spec
from orchestrator.units.record import find_record


@dataclass(frozen=True)
class Unit:
    """One member on one fold with one seed: what is trained, and where its files go."""

    member: Member
    hash: str
    fold: int
    seed: int | None

    @property
    def path(self) -> str:
        seed = "" if self.seed is None else f"-seed-{self.seed}"
        return f"units/{self.member.name}/{self.hash}/fold-{self.fold}{seed}"

    @property
    def title(self) -> str:
        seed = "" if self.seed is None else f" seed {self.seed}"
        return f"{self.member.name} fold {self.fold}{seed}"

    def to_config(self) -> dict[str, Any]:
        """Plain values that `from_config` turns back into the unit."""
        return {
            "member": self.member.model_dump(mode="json"),
            "hash": self.hash,
            "fold": self.fold,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Unit:
        return cls(Member(**config["member"]), config["hash"], config["fold"], config["seed"])


@dataclass(frozen=True)
class Photographs:
    """The photographs of one run: what members train on and what they predict.

    `train` has image_id, path, group, fold, label, one column a target, and digest; `test` has
    image_id, path, label (-1 where unknown) and digest, or is None. For each copy of the photos
    that a member sees, both also have path@NAME and digest@NAME.
    """

    train: pd.DataFrame
    test: pd.DataFrame | None
    codec: Codec

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


def member_hash(member: Member, photographs: Photographs) -> str:
    """16 hex digits of what decides a member's result, its name and its fold and seed apart."""
    content = {
        # defaults left out: a key that a later version adds does not retrain everything
        "recipe": member.recipe.model_dump(mode="json", exclude_defaults=True),
        "targets": member.targets,
        "data": photographs.data_hash,
        "folds": photographs.folds_hash,
        "weights": _weights_digest(member.recipe.pretrained),
    }
    if member.age_bounds is not None:
        content["age_bounds"] = member.age_bounds
    if member.photos is not None:
        content["photos"] = photographs.seen_hash(member.photos)
    if _asks_for_years(member):
        content["years"] = photographs.years_hash
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _asks_for_years(member: Member) -> bool:
    sampling, mixing = member.recipe.sampling, member.recipe.mixing
    columns = [] if sampling == "shuffle" else [sampling.balance]
    columns += [] if mixing is None or mixing.partners == "random" else mixing.partners
    return member.age_bounds is not None or "age_group" in columns


def _weights_digest(pretrained: bool | str) -> str | None:
    """Of the file that training starts from: another file under the same name is another start."""
    if not isinstance(pretrained, str) or pretrained.startswith("package:"):
        return None
    try:
        with Path(pretrained).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    except OSError:
        return None  # `check` says that it is missing


def of_member(member: Member, photographs: Photographs) -> list[Unit]:
    """Every unit of one member, fold by fold."""
    digest = member_hash(member, photographs)
    return [
        Unit(member, digest, fold, seed)
        for fold in range(photographs.n_folds)
        for seed in (member.seeds or (None,))
    ]


def of_spec(spec: Spec, photographs: Photographs) -> list[Unit]:
    return [unit for member in spec.members for unit in of_member(member, photographs)]


def is_done(unit: Unit, store: Store, test_hash: str) -> bool:
    """Complete, its predictions for today's test photographs included.

    Raises `WrongRequest` where its record cannot be read.
    """
    record = find_record(unit.path, store)
    return record is not None and record.test_hash == test_hash


def left(units: Iterable[Unit], store: Store, test_hash: str) -> list[Unit]:
    return [unit for unit in units if not is_done(unit, store, test_hash)]


def in_fold(frame: pd.DataFrame, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the training and of the validation part of one fold."""
    held_out = frame["fold"].to_numpy() == fold
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
