import numpy as np
import pandas as pd
import pytest
import torch

from members.batches.photos import Photos
from members.batches.sampling import epoch_order, partner_pool, require_columns, sampling_problems
from members.data.codec import PROFILES, Codec
from members.data.columns import AGE_GROUPS, age_groups, columns_of
from members.errors import BadInput
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe

FRAME = pd.DataFrame(
    {
        "mask": [0, 0, 1, 2],
        "gender": [0, 1, 1, -1],
        "age": [0, 0, 1, 2],
        "age_years": [18, 29, 30, 60],
    }
)
COLUMNS = columns_of(FRAME, PROFILES)


def photos(labels, **columns):
    labels = np.asarray(labels)
    return Photos(np.zeros((len(labels), 8, 8, 3), np.uint8), labels, columns=columns)


def recipe(**settings):
    return Recipe(model="x", **settings)


def test_there_are_nine_age_groups_of_five_years():
    years = np.array([0, 18, 24, 25, 29, 30, 59, 60, 99])
    assert len(AGE_GROUPS) == 9
    assert [AGE_GROUPS[i] for i in age_groups(years)] == [
        "<25", "<25", "<25", "25-29", "25-29", "30-34", "55-59", ">=60", ">=60",
    ]  # fmt: skip


def test_columns_name_what_a_photo_is():
    assert COLUMNS["mask"].tolist() == ["wear", "wear", "incorrect", "normal"]
    assert COLUMNS["gender"].tolist() == ["male", "female", "female", ""]
    assert COLUMNS["age_group"].tolist() == ["<25", "25-29", "30-34", ">=60"]
    single = Codec({"label": ("cat", "dog")})
    assert columns_of(pd.DataFrame({"label": [1, 0]}), single)["label"].tolist() == [
        "dog",
        "cat",
    ]


def test_shuffled_each_photo_comes_once_in_an_order_of_the_seed_s():
    orders = [epoch_order(recipe(), photos([0] * 50), seed).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize("by", ["class", "age"])
def test_balanced_each_value_is_drawn_equally_often(by):
    values = np.repeat([0, 1, 2], [900, 90, 10])
    given = photos(values, age=values.astype(str)) if by == "age" else photos(values)
    settings = recipe(sampling={"balance": by})
    drawn = np.concatenate([epoch_order(settings, given, seed) for seed in range(9)])
    counts = np.bincount(values[drawn])
    assert counts.sum() == 9000  # an epoch stays as long as it was
    assert counts == pytest.approx([3000] * 3, abs=200)  # more than four standard deviations
    within = np.bincount(drawn, minlength=1000)[990:]  # the ten rare ones among themselves
    assert within == pytest.approx([300] * 10, abs=80)
    assert (epoch_order(settings, given, 4) == epoch_order(settings, given, 4)).all()


def test_the_pool_holds_the_rows_that_are_named():
    def pool(**mixing):
        rows = partner_pool(recipe(mixing={"kind": "mixup", **mixing}), COLUMNS)
        return None if rows is None else rows.tolist()

    assert pool(partners={"age": ">=60"}) == [3]
    assert pool(partners={"age_group": ["<25", "30-34"]}) == [0, 2]
    assert pool() is None
    assert partner_pool(recipe(), COLUMNS) is None


def test_a_pool_that_is_empty_in_one_fold_s_training_part_is_refused():
    with pytest.raises(BadInput, match="no training photo has age '>=60'"):
        require_columns(
            recipe(mixing={"kind": "mixup", "partners": {"age": ">=60"}}),
            photos([0] * 4, **COLUMNS).take([0, 1]),
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling": {"balance": "aeg"}}, "Did you mean 'age'?"),
        ({"sampling": {"balance": "race"}}, "class, mask, gender, age, age_group"),
        ({"mixing": {"kind": "mixup", "partners": {"agegroup": "x"}}}, "Did you mean 'age_group'?"),
        ({"mixing": {"kind": "mixup", "partners": {"age": ">60"}}}, "Did you mean '>=60'?"),
        (
            {"mixing": {"kind": "mixup", "partners": {"age": [">=60", "old"]}}},
            "pool would be empty",
        ),
    ],
)
def test_what_the_photos_cannot_serve_is_refused_with_the_nearest(settings, message):
    (problem,) = sampling_problems(recipe(**settings), COLUMNS)
    assert message in problem


def test_what_they_can_serve_is_not():
    settings = recipe(
        sampling={"balance": "age_group"}, mixing={"kind": "cutmix", "partners": {"age": ">=60"}}
    )
    assert sampling_problems(settings, COLUMNS) == []
    assert sampling_problems(recipe(), {}) == []
    assert sampling_problems(recipe(sampling={"balance": "class"}), {}) == []


# -- repeated augmentation -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [255, 256, 700])
@pytest.mark.parametrize("repeats", [2, 3])
def test_repeats_are_timm_s_of_one_process(n, repeats, monkeypatch):
    """timm cuts its epoch to a multiple of 256 photos where there are as many; ours has them all."""
    photos, recipe = (
        Photos(np.zeros((n, 2, 2, 3), np.uint8), np.zeros(n, np.int64)),
        Recipe(model="x", augmentation="flip", repeats=repeats),
    )
    ours = epoch_order(recipe, photos, 7)
    plain = epoch_order(recipe.model_copy(update={"repeats": 1}), photos, 7)
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: torch.from_numpy(plain))
    of_timm = timm.data.distributed_sampler.RepeatAugSampler
    theirs = list(of_timm(range(n), num_replicas=1, rank=0, num_repeats=repeats))
    assert len(ours) == n
    assert ours[: len(theirs)].tolist() == theirs
    assert n - len(theirs) < 256


def test_several_processes_of_timm_see_together_what_a_batch_here_holds(monkeypatch):
    order = np.random.default_rng(0).permutation(96)
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: torch.from_numpy(order))
    of_timm = timm.data.distributed_sampler.RepeatAugSampler
    of_ranks = [list(of_timm(range(96), num_replicas=2, rank=r, num_repeats=3)) for r in (0, 1)]
    together = [
        sorted(a + b) for a, b in zip(*(in_parts(rows, 8) for rows in of_ranks), strict=True)
    ]
    assert together == [sorted(rows) for rows in in_parts(order.repeat(3)[:96].tolist(), 16)]


def in_parts(rows, size):
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def test_balanced_drawing_repeats_too():
    labels = np.array([0] * 90 + [1] * 10)
    photos = Photos(np.zeros((100, 2, 2, 3), np.uint8), labels)
    recipe = Recipe(model="x", augmentation="flip", repeats=3, sampling={"balance": "class"})
    order = epoch_order(recipe, photos, 1)
    assert (order[:99].reshape(-1, 3) == order[:99:3, None]).all()
    assert 15 < (labels[order] == 1).sum() < 85


def test_repeats_of_photos_that_do_not_vary_are_refused():
    with pytest.raises(ValueError, match="the same each time"):
        Recipe(model="x", repeats=3)
    Recipe(model="x", repeats=3, erasing={"probability": 0.5})
    Recipe(model="x", repeats=3, auto_augment="v0")
