import numpy as np
import pytest

from members.data.codec import PROFILES, Codec
from members.data.columns import age_groups
from members.data.folds.assign import (
    absent_classes,
    assign_folds,
    n_folds,
    photos_by_class,
    require_whole_groups,
)
from members.errors import BadInput
from tests.members.data_fixtures import made_up_frame

TWO = Codec({"label": ("a", "b")})


def competition(people: int, seed: int = 0):
    """Profiles of seven photos with the competition's uneven ages and genders."""
    rng = np.random.default_rng(seed)
    gender = rng.choice(2, people, p=(0.386, 0.614)).repeat(7)
    age = rng.choice(3, people, p=(0.474, 0.455, 0.071)).repeat(7)
    mask = np.tile([0, 0, 0, 0, 0, 1, 2], people)
    labels = PROFILES.encode({"mask": mask, "gender": gender, "age": age})
    return made_up_frame(labels, np.arange(people).repeat(7))


def shuffled(frame, seed: int):
    order = np.random.default_rng(seed).permutation(len(frame))
    return frame.iloc[order].reset_index(drop=True)


@pytest.mark.parametrize("seed", range(25))
def test_groups_never_straddle_folds_and_every_photo_has_one(seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(4, 40))
    owner = np.concatenate([np.arange(groups), rng.integers(0, groups, 5 * groups)])
    frame = made_up_frame(rng.integers(0, 2, len(owner)), owner)
    k = int(rng.integers(2, 5))
    fold = assign_folds(frame, "kfold", k=k, seed=seed)
    assert fold.dtype == np.int16
    assert set(fold) == set(range(k))
    assert all(len(set(fold[owner == group])) == 1 for group in range(groups))
    held = assign_folds(frame, "holdout", ratio=0.3, seed=seed)
    assert set(held) == {-1, 0}
    assert all(len(set(held[owner == group])) == 1 for group in range(groups))


@pytest.mark.parametrize("seed", range(5))
def test_each_folds_class_shares_stay_close_to_the_wholes(seed):
    frame = competition(600, seed)
    labels = frame["label"].to_numpy()
    whole = np.bincount(labels, minlength=18) / len(labels)
    for scheme, named in (("kfold", {"k": 5}), ("holdout", {"ratio": 0.2})):
        fold = assign_folds(frame, scheme, seed=seed, **named)
        for number in range(n_folds(fold)):
            share = np.bincount(labels[fold == number], minlength=18) / (fold == number).sum()
            assert np.abs(share - whole).max() < 0.01
            assert abs((fold == number).mean() - 0.2) < 0.01


@pytest.mark.parametrize("ratio", [0.1, 0.25, 1 / 3, 0.5])
def test_a_holdout_takes_its_ratio_of_every_large_class(ratio):
    frame = competition(600)
    labels = frame["label"].to_numpy()
    held = assign_folds(frame, "holdout", ratio=ratio) == 0
    for label in range(18):
        of_class = labels == label
        people = frame["group"][of_class].nunique()
        assert abs(held[of_class].mean() - ratio) <= 0.5 / people + 1e-9


@pytest.mark.parametrize("scheme", ["kfold", "holdout"])
def test_same_seed_same_folds_in_whatever_order_the_rows_come(scheme):
    frame = competition(60)
    mixed = shuffled(frame, 1)
    one = dict(zip(frame["image_id"], assign_folds(frame, scheme, k=3, seed=7), strict=True))
    two = dict(zip(mixed["image_id"], assign_folds(mixed, scheme, k=3, seed=7), strict=True))
    other = dict(zip(frame["image_id"], assign_folds(frame, scheme, k=3, seed=8), strict=True))
    assert one == two
    assert one != other


def test_all_holds_nothing_out_and_trains_one_model():
    frame = competition(4)
    fold = assign_folds(frame, "all")
    assert set(fold) == {-1}
    assert n_folds(fold) == 1


def test_number_of_models_is_k_or_one():
    frame = competition(30)
    assert n_folds(assign_folds(frame, "kfold", k=4)) == 4
    assert n_folds(assign_folds(frame, "holdout")) == 1


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"scheme": "kfold", "k": 1}, "must be a whole number >= 2"),
        ({"scheme": "kfold"}, "None, but must be a whole number"),
        ({"scheme": "kfold", "k": 2.5}, "2.5, but must be a whole number"),
        ({"scheme": "kfold", "k": 5}, "have 4 groups.*Choose k <= 4"),
        ({"scheme": "kfolds", "k": 3}, "Did you mean 'kfold'"),
        ({"scheme": "holdout", "ratio": 1.0}, "between 0 and 1"),
        ({"scheme": "holdout", "ratio": "half"}, "between 0 and 1"),
    ],
)
def test_wrong_requests(named, message):
    with pytest.raises(BadInput, match=message):
        assign_folds(competition(4), **named)


def test_a_holdout_of_a_single_group_is_refused():
    with pytest.raises(BadInput, match="at least 2"):
        assign_folds(competition(1), "holdout")


def test_more_folds_than_photos_of_any_class_is_refused_with_the_largest_k():
    frame = made_up_frame([0, 0, 1, 1, 2, 2], range(6))
    with pytest.raises(BadInput, match="Choose k <= 2"):
        assign_folds(frame, "kfold", k=3)


def test_a_rare_class_warns_by_name_and_never_on_the_console(recwarn):
    frame = made_up_frame([0] * 8 + [1], range(9))
    fold = assign_folds(frame, "kfold", k=4)
    assert not recwarn.list
    texts = absent_classes(frame, fold, TWO)
    where = fold[8]
    assert texts == [
        f"class b is absent from the training part of fold {where}: "
        "all its 1 photos are held out there."
    ]


def test_a_class_without_photos_is_reported_once():
    frame = made_up_frame([0, 0, 0, 0], range(4))
    assert absent_classes(frame, np.array([0, 0, 1, 1]), TWO) == ["class b has no photos."]
    assert absent_classes(frame, np.full(4, -1), TWO) == ["class b has no photos."]


def test_a_group_in_two_folds_is_refused():
    frame = made_up_frame([0, 0, 1, 1], ["x", "x", "y", "y"])
    require_whole_groups(frame, np.array([0, 0, 1, 1]))
    with pytest.raises(BadInput, match="1 groups stand in more than one fold: x"):
        require_whole_groups(frame, np.array([0, 1, 1, 1]))
    with pytest.raises(BadInput, match="x"):
        require_whole_groups(frame, np.array([0, -1, 1, 1]))


def test_counts_of_classes_by_fold():
    frame = made_up_frame([0, 1, 1, 0, -1], range(5))
    table = photos_by_class(frame, np.array([0, 0, 1, -1, 1]), TWO)
    assert table.index.tolist() == ["a", "b", "unknown"]
    assert table.columns.tolist() == [-1, 0, 1]
    assert table.to_numpy().tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]


def aged(years):
    """One person with seven photos for each age in `years`."""
    frame = made_up_frame(np.zeros(7 * len(years)), np.arange(len(years)).repeat(7))
    return frame.assign(age_years=np.repeat(years, 7).astype(np.int16))


def test_a_balanced_holdout_takes_as_many_people_from_each_of_nine_age_groups():
    rng = np.random.default_rng(0)
    frame = aged(np.concatenate([rng.integers(18, 61, 500), [60] * 8]))
    fold = assign_folds(frame, "balanced_holdout", n=5)
    held = frame[fold == 0].drop_duplicates("group")
    counts = np.bincount(age_groups(held["age_years"].to_numpy()))
    assert counts.tolist() == [5] * 9
    assert (fold == 0).sum() == 9 * 5 * 7  # whole people
    assert set(fold) == {-1, 0}
    other = shuffled(frame, 1)
    again = assign_folds(other, "balanced_holdout", n=5)
    assert set(other["group"][again == 0]) == set(held["group"])
    assert set(frame["group"][assign_folds(frame, "balanced_holdout", n=5, seed=1) == 0]) != set(
        held["group"]
    )


def test_a_balanced_holdout_leaves_a_group_of_each_age_group_to_train_on():
    with pytest.raises(BadInput, match="25-29: 2, >=60: 1"):
        assign_folds(aged([20] * 9 + [26] * 2 + [60]), "balanced_holdout", n=2)
    with pytest.raises(BadInput, match="needs ages in years"):
        assign_folds(competition(5), "balanced_holdout")
