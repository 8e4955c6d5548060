import itertools
import json

import numpy as np
import pytest

from members.data.codec import PROFILES, Codec
from members.data.columns import age_class
from tests.members.data_fixtures import problems_of


def test_joint_class_of_the_competition_is_mask_6_gender_3_age():
    cases = np.array(list(itertools.product(range(3), range(2), range(3))))
    labels = PROFILES.encode(dict(zip(("mask", "gender", "age"), cases.T, strict=True)))
    assert labels.tolist() == [m * 6 + g * 3 + a for m, g, a in cases]
    assert labels.dtype == np.int16
    assert len(PROFILES.classes) == 18
    assert PROFILES.classes[13] == "normal/male/30-59"


def test_decode_is_the_inverse_of_encode_and_unknown_stays_unknown():
    labels = np.array([-1, *range(18)])
    targets = PROFILES.decode(labels)
    assert [targets[name][0] for name in targets] == [-1, -1, -1]
    assert (PROFILES.encode(targets) == labels).all()


def test_one_unknown_target_makes_the_label_unknown():
    labels = PROFILES.encode({"mask": [0, 1], "gender": [1, -1], "age": [2, 2]})
    assert labels.tolist() == [5, -1]


def test_subset_keeps_the_codecs_order():
    codec = PROFILES.subset(["age", "mask"])
    assert list(codec.targets) == ["mask", "age"]
    assert codec.classes[4] == "incorrect/30-59"


def test_a_wrong_target_is_named_with_its_nearest():
    assert "Did you mean 'gender'" in problems_of(PROFILES.subset, ["gendr"])


def test_numbers_outside_the_classes_are_refused():
    text = problems_of(PROFILES.encode, {"mask": [3], "gender": [0], "age": [-2]})
    assert "'mask': 3" in text
    assert "'age': -2" in text
    assert "label 18" in problems_of(PROFILES.decode, [18])


def test_json_round_trip_keeps_the_order_even_when_keys_are_sorted():
    codec = Codec({"z": ("b", "a"), "a": ("x", "y")})
    text = json.dumps(json.loads(codec.to_json()), sort_keys=True)
    assert Codec.from_json(text) == codec
    assert list(Codec.from_json(text).targets) == ["z", "a"]


@pytest.mark.parametrize(("years", "expected"), [(29, 0), (30, 1), (59, 1), (60, 2)])
def test_age_classes_begin_at_30_and_60(years, expected):
    assert age_class(years) == expected
