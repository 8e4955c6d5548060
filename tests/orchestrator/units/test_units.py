"""What a unit's hash is made of: everything that decides its result, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from members.data.codec import PROFILES
from orchestrator.photographs.table import Photographs, training_labels
from orchestrator.spec.spec import Member
from orchestrator.units.unit import member_hash


def photographs(years=(18, 29, 30, 61)):
    labels = np.arange(4)
    frame = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "group": list("abcd"),
            "fold": [0, 0, 1, 1],
            "digest": "x",
            **PROFILES.decode(labels),
            "age_years": years,
        }
    )
    return Photographs(frame, None, PROFILES)


def member(bounds=None, **recipe):
    return Member(name="m", age_bounds=bounds, recipe={"model": "test_resnet", **recipe})


DEFAULTS = {"sampling": "shuffle", "accumulate": 1, "views": ["plain"], "mixing": None}


def test_a_key_that_is_written_with_its_default_changes_no_hash():
    plain = member_hash(member(), photographs())
    assert member_hash(member(**DEFAULTS), photographs()) == plain


@pytest.mark.parametrize(
    "changed",
    [
        {"bounds": (29, 58)},
        {"sampling": {"balance": "age"}},
        {"loss": {"f1": 1}},
        {"class_weights": "balanced"},
        {"augmentation": ["HorizontalFlip"]},
        {"freeze": "backbone"},
    ],
)
def test_what_changes_the_result_changes_the_hash(changed):
    assert member_hash(member(**changed), photographs()) != member_hash(member(), photographs())


@pytest.mark.parametrize(
    ("asks", "depends"),
    [
        ({}, False),
        ({"sampling": {"balance": "age"}}, False),
        ({"bounds": (29, 58)}, True),
        ({"sampling": {"balance": "age_group"}}, True),
        ({"mixing": {"kind": "mixup", "partners": {"age_group": "<25"}}}, True),
    ],
)
def test_corrected_years_matter_to_those_who_ask_for_years(asks, depends):
    before = member_hash(member(**asks), photographs((18, 29, 30, 61)))
    after = member_hash(member(**asks), photographs((20, 29, 30, 61)))
    assert (before != after) is depends


def test_training_labels_follow_the_member_s_boundaries():
    frame = photographs().train
    moved = PROFILES.decode(training_labels(frame, member((29, 58)), PROFILES))
    assert moved["age"].tolist() == [0, 1, 1, 2]
    assert moved["gender"].tolist() == frame["gender"].tolist()
    assert (training_labels(frame, member(), PROFILES) == np.arange(4)).all()
    age = PROFILES.subset(["age"])
    assert training_labels(frame, member((29, 58)), age).tolist() == [0, 1, 1, 2]
