"""Members that learn from others: by pseudo-labels of test photographs, or as the student of a vote."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pseudo(_Block):
    """Whose answers to the test photographs a member learns, and which of them.

    In each fold its teachers' networks of that fold answer, each teacher with the same weight: weights
    fitted to OOF rows would have seen the fold's labels.
    """

    of: tuple[str, ...] = Field(
        description="its teachers: members that predict the same, without `pseudo` or `teacher`, with "
        "select: last and no patience"
    )
    at_least: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="how probable to their mean a test photo's class must be; above 1/classes",
    )


class Teacher(_Block):
    """The vote that a member learns to answer as, beside the labels (Hinton et al. 2015, arXiv:1503.02531).

    Of a training photo the vote is that of the networks which held its fold out.
    """

    vote: Literal["soft", "weighted"] = Field(
        "weighted",
        description="soft: every teacher counts the same. weighted: weights of least log-loss, for each "
        "fold's rows fitted to rows of further folds, of which there must be three or more",
    )
    of: tuple[str, ...] | None = Field(
        None,
        description="its teachers: members that predict the same, without `pseudo` or `teacher`, with "
        "select: last and no patience; null: all such members",
    )
    temperature: float = Field(
        2.0,
        gt=0,
        le=100,
        description="T: teacher and student are compared as softmax(log p / T); above 1 what they say of "
        "improbable classes counts more",
    )
    hard: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="share of the member's own loss, on labels; the rest is T^2 times the divergence of "
        "the student from its teacher",
    )
    unlabelled: bool = Field(
        False,
        description="true: it learns the test photos, too, by what the fold's own networks say of them",
    )
