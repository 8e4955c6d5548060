"""Where the photographs of a spec are, and how they are read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from members.data.lists.read import READERS
from members.data.name_groups import NameRule
from orchestrator.spec.blocks.block import Block, Name


class PhotoCopy(Block):
    """Folders with other pictures of the same photographs, by the same relative paths."""

    train: str = Field(description="the folder with the copy of the training photographs")
    test: str | None = Field(None, description="the same of those to predict")


class Columns(Block):
    """What the columns of a table are called; those that are not named here: path, label, ..."""

    path: str | None = Field(None, description="of the photos' paths, or of the photos themselves")
    label: str | tuple[str, ...] | None = Field(
        None, description="of the classes; or a list of columns, one a class, of 0 and 1"
    )
    group: str | None = Field(
        None, description="of what must stay in one fold: a patient, a person"
    )
    image_id: str | None = Field(None, description="of the ids; by default the paths are ids")

    @field_validator("label")
    @classmethod
    def _several(cls, label: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if isinstance(label, tuple) and (len(label) < 2 or len({*label}) < len(label)):
            raise ValueError(f"a list names a column for each of two classes or more, each once; "
                             f"got {list(label)}")  # fmt: skip
        return label

    @model_validator(mode="after")
    def _apart(self) -> Columns:
        labels = self.label if isinstance(self.label, tuple) else (self.label or "label",)
        if (self.path or "path") in labels:
            raise ValueError(f"path and label are both the column {self.path or 'path'!r}")
        return self


Repair = Literal[
    "backslash", "percent", "prefix", "folder", "unicode", "case", "zeros", "ending"
]  # of members/data/lists/lookup.py


class Data(Block):
    """Where the photographs are, and how they are laid out."""

    layout: Literal["profiles", "table", "folders"] = Field(
        "profiles", description="how labels are found: folders of people, a table, class folders"
    )
    train: str = Field(description="labelled photographs: a folder, or the file of a table")
    test: str | None = Field(
        None, description="photographs to predict; null: OOF tables and their vote only"
    )
    root: str | None = Field(
        None, description="what the paths of a table are relative to; null: the table's own folder"
    )
    columns: Columns | None = Field(
        None, description="other names of a table's columns, for the layout table"
    )
    repair: tuple[Repair, ...] = Field(
        (), description="how photos of a table that are not where it says may be found: see `check`"
    )
    groups: NameRule | None = Field(
        None,
        description="which part of a file's name photos of one group have in common, where no column or "
        "folder says it; parts are divided by _, - or blanks: of cell-7_left.jpg, first_part is cell and "
        "all_but_last_part cell-7; null: each photo is a group of its own",
    )
    corrections: str | None = Field(
        None,
        description="a CSV of corrected labels: by image id, or by profile with layout profiles",
    )
    contradictions: Literal["refuse", "allow"] = Field(
        "refuse", description="what becomes of a picture that stands under two labels"
    )
    bits: Literal[8, 10, 12, 14, 16] | None = Field(
        None,
        description="how many of 16 bits a sample uses, where photos do not say it themselves; "
        "null: what the largest sample of the training photos needs",
    )
    copies: dict[Name, PhotoCopy] = Field(
        {}, description="other pictures of the same photographs by name; a member takes one: photos"
    )

    @field_validator("repair", mode="before")
    @classmethod
    def _one_or_several(cls, repair: Any) -> Any:
        return [repair] if isinstance(repair, str) else repair

    @model_validator(mode="after")
    def _table_only(self) -> Data:
        if self.groups and self.layout == "profiles":
            raise ValueError(
                "groups: for photos of a table or of class folders; with layout profiles a group is a "
                "profile. Leave it out"
            )
        if self.groups and self.columns and self.columns.group:
            raise ValueError("groups and columns.group both say what a group is: give one of them")
        given = [key for key in ("columns", "repair") if getattr(self, key) not in (None, ())]
        lists = self.layout == "folders" and (self.test or "").lower().endswith((*READERS,))
        if given and not (lists or self.layout == "table"):
            raise ValueError(
                f"{' and '.join(given)}: only for photos that a table lists (layout table, or a test "
                f"list of layout folders); with layout {self.layout} leave it out"
            )
        return self
