"""Which networks look at a photograph, at what of it, and how their maps become one."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from members.activation_maps.layers import find_layers
from members.activation_maps.maps import class_maps
from members.pixels.crop import crop_and_resize
from members.pixels.decode import decode
from orchestrator.activation_maps.look import Asked, look, mean_map, over
from orchestrator.errors import WrongRequest
from orchestrator.inference.parts import Seen
from orchestrator.runs.contents import recorded_spec
from orchestrator.runs.store import Store
from tests.orchestrator.activation_maps.conftest import CODEC, network_of

pytest.importorskip("torchcam", reason="torchcam is not installed")

WEIGHTS = {"one": 0.5, "two": 0.25, "three": 0.2, "joined": 0.05}


def asked_of(folder, image_id, fold, answer=1):
    kind = "test" if fold is None else "images"
    table = pq.read_table(folder / f"{kind}.parquet").to_pylist()
    path = next(row["path"] for row in table if row["image_id"] == image_id)
    return Asked(image_id, path, fold, dict.fromkeys(WEIGHTS, answer))


def looks_at(folder, *asked, weights=WEIGHTS):
    store = Store(folder)
    return look(asked, weights, recorded_spec(store), store, 64)


def by_hand(name, path, folds, answer):
    """The mean over the folds' networks of their maps (h, w), each by its own greatest."""
    maps = []
    for fold in folds:
        model, recipe = network_of(name, fold)
        pixels = crop_and_resize(decode(path), recipe.image_size, recipe.crop)[None]
        layers = find_layers(model, recipe.image_size)
        maps.append(class_maps(model, pixels, recipe, [answer], layers)[0].cells)
    mean = np.mean(maps, axis=0)
    return mean / mean.max()


@pytest.mark.parametrize(("image_id", "fold"), [("photo-3", 1), ("photo-0", 0), ("test-1", None)])
def test_a_training_photograph_is_shown_to_the_networks_of_its_fold_others_to_all(
    looked_at, image_id, fold
):
    asked = asked_of(looked_at, image_id, fold)
    looks = looks_at(looked_at, asked)
    (photo,) = looks.photos
    folds = range(3) if fold is None else [fold]
    expected = by_hand("one", asked.path, folds, 1)
    height, width = photo.pixels.shape[:2]
    assert (height, width) == (64, 48)
    shown = cv2.resize(expected.astype(np.float32), (width, height))
    np.testing.assert_allclose(photo.maps["one"], shown, atol=1e-5)
    choices = looks.networks["one"]
    assert [len(own) for own in choices] == [len(folds)]
    assert all(0 <= own.covered <= 1 for own in choices[0])


def test_a_crop_is_put_back_where_it_was_taken_from(looked_at):
    asked = asked_of(looked_at, "test-0", None)
    found = looks_at(looked_at, asked).photos[0].maps["two"]
    inside = np.zeros(found.shape, bool)
    inside[16:48, 12:36] = True
    assert not found[~inside].any()
    assert found[inside].any()


def test_the_map_of_a_join_is_the_mean_of_its_members_maps_of_their_own_classes(looked_at):
    """Joint class 9 is incorrect/female/<30: class 3 of mask and gender, class 0 of the ages."""
    assert CODEC.classes[9] == "incorrect/female/<30"
    asked = asked_of(looked_at, "test-2", None, answer=9)
    (photo,) = looks_at(looked_at, asked).photos
    ages, masks = (
        by_hand("ages", asked.path, range(3), 0),
        by_hand("masks", asked.path, range(3), 3),
    )
    size = photo.pixels.shape[1::-1]
    mean = np.mean([cv2.resize(own.astype(np.float32), size) for own in (ages, masks)], axis=0)
    np.testing.assert_allclose(photo.maps["joined"], mean / mean.max(), atol=1e-5)


def test_a_member_without_networks_is_left_out_and_the_mean_is_of_the_others(looked_at):
    asked = asked_of(looked_at, "test-0", None)
    looks = looks_at(looked_at, asked)
    (photo,) = looks.photos
    assert list(photo.maps) == ["one", "two", "joined"]
    assert "its tables are not there" in looks.left_out["three"]
    mean = (0.5 * photo.maps["one"] + 0.25 * photo.maps["two"] + 0.05 * photo.maps["joined"]) / 0.8
    np.testing.assert_allclose(photo.mean, mean, atol=1e-6)


def test_it_is_the_same_bits_again(looked_at):
    asked = [asked_of(looked_at, "photo-3", 1)]
    first, again = looks_at(looked_at, *asked), looks_at(looked_at, *asked)
    for a, b in zip(first.photos, again.photos, strict=True):
        np.testing.assert_array_equal(a.mean, b.mean)
        assert all((a.maps[name] == b.maps[name]).all() for name in a.maps)


def test_members_that_count_against_a_class_are_not_in_the_mean():
    maps = {"a": np.ones((2, 2), np.float32), "b": np.zeros((2, 2), np.float32)}
    np.testing.assert_array_equal(mean_map(maps, {"a": 0.4, "b": -0.2}), maps["a"])
    assert mean_map(maps, {"a": 0.0, "b": -0.2}) is None


def test_where_no_member_has_networks_it_is_refused(looked_at):
    asked = asked_of(looked_at, "test-0", None)
    with pytest.raises(WrongRequest, match="no member of this vote has class-activation maps"):
        looks_at(looked_at, asked, weights={"three": 1.0})


def test_a_photograph_that_cannot_be_read_is_named(looked_at, tmp_path):
    gone = Asked("gone", str(tmp_path / "gone.png"), None, dict.fromkeys(WEIGHTS, 0))
    looks = looks_at(looked_at, asked_of(looked_at, "test-0", None), gone)
    assert [own.asked.id for own in looks.photos] == ["test-0"]
    assert "gone.png" in looks.unread["gone"]


def test_a_map_lies_over_what_the_member_saw():
    cells = np.zeros((4, 4), np.float32)
    cells[3, 0] = 1  # the lower left
    found = over(cells, Seen((32, 32), (0.5, 1.0)), (200, 100), (40, 20))
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 26 <= row < 30  # the crop is the middle half of the height
    assert column < 5
