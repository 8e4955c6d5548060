"""The largest ensemble that ends in the time allowed, by costs that are added up here by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from members.errors import BadInput
from members.networks.models import model_problem, pretrained_config
from members.recipe.recipe import Recipe
from orchestrator.first_spec.choice import Chooser, Chosen, epochs_for
from orchestrator.first_spec.cost import Folds, Load, Measured, cost, unit_seconds
from orchestrator.first_spec.layout import Asked, find_layout
from orchestrator.first_spec.machine import Machine
from orchestrator.first_spec.networks import EVERY, FEWEST, TIERS, image_size
from orchestrator.first_spec.photos import Seen, look
from orchestrator.first_spec.steps import Steps
from orchestrator.first_spec.weights import Weights
from tests.orchestrator.first_spec.made import Stopwatch, photos

TWO_CORES = Machine(2, 24 << 30)
NO_WEIGHTS = Weights(frozenset(), False, "no")
SOME = TIERS[:2]  # the larger ones take longer to look at
ALL_WEIGHTS = Weights(frozenset(), True)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Seen:
    names = [f"{own}/{i}.png" for own in ("cat", "dog", "emu") for i in range(20)]
    folder: Path = photos(tmp_path_factory.mktemp("photos"), names)
    return look(find_layout(folder, Asked()))


def choose(
    seen: Seen,
    seconds: float,
    watch: Stopwatch | None = None,
    machine: Machine = TWO_CORES,
    weights: Weights = NO_WEIGHTS,
    **how: bool,
) -> Chosen:
    watch = watch or Stopwatch()
    chooser = Chooser(seen, machine, weights, watch, seconds)  # type: ignore[arg-type]
    return chooser.choose(SOME, **how)


# -- cost ------------------------------------------------------------------------------------------


def test_a_unit_is_its_steps_its_looks_and_its_files():
    member = Measured(
        "m", "", {"batch_size": 16, "image_size": [64, 64]}, Steps(0.1, 0.01, 2.0, 0.5)
    )
    load = Load(n_train=300, n_test=50, read=0.001, start=0.0)
    # 200 photos in 13 steps; 100 held out; then those and 50 others predicted
    epoch = 13 * 0.1 + 100 * 0.01 + 0.5
    by_hand = 2.0 + 4 * epoch + 150 * 0.01 + 0.5
    assert unit_seconds(member, load, Folds("kfold", 3), 4) == pytest.approx(by_hand)


def test_slots_divide_units_among_them():
    member = Measured(
        "m", "", {"batch_size": 10, "image_size": [64, 64]}, Steps(1.0, 0.0, 0.0, 0.0)
    )
    load = Load(n_train=100, n_test=0, read=0.0, start=0.0)
    folds = Folds("kfold", 2)  # of 5 steps an epoch
    assert cost([member], load, folds, 6, slots=1).total == pytest.approx(60)
    assert cost([member], load, folds, 6, slots=2).total == pytest.approx(30)
    assert cost([member], load, folds, 6, slots=2).members == {"m": 60}


def test_photographs_are_read_once_and_decoded_for_each_size():
    load = Load(n_train=90, n_test=10, read=0.1, start=0.0)
    free = Steps(0.0, 0.0, 0.0, 0.0)
    sizes = [[64, 64], [64, 64], [96, 96]]
    members = [
        Measured(str(i), "", {"batch_size": 10, "image_size": own}, free)
        for i, own in enumerate(sizes)
    ]
    assert cost(members, load, Folds("kfold", 3), 1, 2).total == pytest.approx(10 + 2 * 10)


def test_photographs_without_copies_are_decoded_in_every_epoch():
    free = Steps(0.0, 0.0, 0.0, 0.0)
    member = Measured("m", "", {"batch_size": 10, "image_size": [64, 64]}, free)
    load = Load(n_train=90, n_test=10, read=0.1, start=0.0, cpus=2, room=0)
    # alone a process takes .2 s a photo: all in each of 4 epochs, then the fold's 30 and 10 more
    each = 0.2 * (4 * 90 + 30 + 10)
    found = cost([member], load, Folds("kfold", 3), 4, slots=1)
    assert found.streamed
    assert found.total == pytest.approx(10 + 3 * each)
    # room for the 90 alone, each of 12,292 bytes
    some = Load(n_train=90, n_test=10, read=0.1, start=0.0, cpus=2, room=91 * 12_292)
    assert cost([member], some, Folds("kfold", 3), 4, 1).total == pytest.approx(
        10 + 9 + 3 * 0.2 * 10
    )


# -- choice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [60, 200, 1200])
def test_the_time_is_kept_and_used(seen, seconds):
    found = choose(seen, seconds)
    assert found.cost.total <= seconds
    limits = epochs_for(seen.n_train, found.from_weights)
    if found.epochs < limits.most:
        more = cost(found.members, Load(60, 0, seen.sizes.seconds, 5.0), found.folds,
                    found.epochs + 1, found.slots)  # fmt: skip
        assert more.total > seconds


def test_more_time_is_never_less_of_an_ensemble(seen):
    work = []
    for seconds in (60, 120, 400):
        found = choose(seen, seconds)
        work.append((TIERS.index(found.tier), found.folds.k, found.epochs))
    assert [own[0] for own in work] == sorted(own[0] for own in work)


def test_members_differ_in_family(seen):
    found = choose(seen, 1200)
    assert len(found.members) >= FEWEST
    assert len({own.family for own in found.members}) == len(found.members)


def test_slow_networks_are_left_for_smaller_ones(seen):
    slow = {
        own.model.partition(".")[0]: 60.0 for tier in SOME[1:] for own in tier.networks
    }  # a minute a step
    found = choose(seen, 600, Stopwatch(step=slow))
    assert found.tier is TIERS[0]


def test_too_little_time_is_refused_with_the_least_that_is_needed(seen):
    with pytest.raises(BadInput, match=r"--hours 0\.002.*least") as error:
        choose(seen, 7.2)
    least = float(str(error.value).partition("--hours ")[2].partition("--hours ")[2].split(".  ")[0]
                  .split(". ")[0])  # fmt: skip
    assert choose(seen, 3600 * least).members


def test_a_first_try_takes_what_it_takes(seen):
    found = choose(seen, 1.0, trial=True)
    assert len(found.members) == 2
    assert found.folds.scheme == "holdout"


def test_few_groups_make_few_folds(tmp_path):
    names = [f"{own}/s{i}/{j}.png" for own in ("a", "b") for i in range(3) for j in range(8)]
    found = look(find_layout(photos(tmp_path, names), Asked()))
    assert found.n_groups == 6
    assert choose(found, 3600).folds.k in (3, 5)
    assert not found.allows({"scheme": "kfold", "k": 7})


def test_a_gpu_without_room_gets_smaller_batches(seen):
    gpu = Machine(8, 64 << 30, 1, "a GPU", 8 << 30)
    models = [own.model.partition(".")[0] for own in EVERY]
    watch = Stopwatch(fails=dict.fromkeys(models, "CUDA out of memory"), at=8)
    found = choose(seen, 3600, watch, gpu)
    assert {own.batch for own in found.members} == {8}


def test_what_cannot_be_trained_is_left_out_with_its_reason(seen):
    found = choose(seen, 60, Stopwatch(fails={"test_resnet": "no such layer"}))
    if found.tier is TIERS[0]:
        assert found.left_out == {"resnet": "no such layer"}
    assert "test_resnet" not in {own.recipe["model"] for own in found.members}


def test_weights_are_for_all_members_or_for_none(seen):
    with_weights = choose(seen, 1200, weights=ALL_WEIGHTS)
    assert with_weights.from_weights
    assert all("." in own.recipe["model"] for own in with_weights.members)
    without = choose(seen, 1200)
    assert not any("." in own.recipe["model"] for own in without.members)
    assert not any(own.needs_weights for own in without.networks)


# -- networks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", EVERY, ids=lambda own: own.model)
def test_every_network_has_published_weights_and_keys_of_a_recipe(network):
    assert model_problem(network.model) is None
    assert pretrained_config(Recipe(model=network.model)).has_weights
    for from_weights in (True, False):
        Recipe(**network.keys(from_weights))


@pytest.mark.parametrize("tier", TIERS, ids=lambda own: own.name)
def test_a_tier_has_three_families_with_weights_and_without(tier):
    for from_weights in (True, False):
        families = [own.family for own in tier.usable(from_weights)]
        assert len({*families}) >= min(FEWEST, len(families))
        assert len(families) >= 2
    names = [own.name for own in tier.networks]
    assert len({*names}) == len(names)


@pytest.mark.parametrize(
    ("photo", "side", "size"),
    [
        ((32, 32), 224, (64, 64)),  # less leaves nothing to see
        ((256, 192), 96, (128, 96)),
        ((1080, 1920), 224, (224, 400)),
        ((4000, 500), 224, (448, 224)),  # not longer than two to one
        ((100, 100), 224, (96, 96)),
    ],
)
def test_the_size_follows_the_photographs(photo, side, size):
    assert image_size(TIERS[0].networks[0], side, photo) == size


def test_sides_suit_the_network():
    vit = next(own for own in EVERY if own.multiple == 16)
    assert all(side % 16 == 0 for side in image_size(vit, 160, (300, 210)))
    swin = next(own for own in EVERY if own.fixed)
    assert image_size(swin, 320, (300, 200)) == (swin.fixed, swin.fixed)


def test_least_hours_are_said_with_two_digits():
    from orchestrator.first_spec.choice import _up

    for hours in (0.0123, 0.2, 1.234, 7.0, 12.3, 80.0):
        assert hours <= _up(hours) <= hours * 1.5 + 1e-9
        assert math.isclose(_up(hours), float(f"{_up(hours):.2g}")) or hours > 10
