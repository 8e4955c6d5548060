"""Photographs of two sources that are trained on as one part."""

from __future__ import annotations

import numpy as np
import pytest

from members.batches.joined_pixels import JoinedPixels
from members.batches.photos import Photos, joined
from members.errors import BadInput
from members.recipe.recipe import Recipe
from members.training.fit import fit, last_weights


def pixels(n: int, seed: int, size=(16, 12)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *size, 3), dtype=np.uint8)


@pytest.fixture
def parts() -> tuple[np.ndarray, np.ndarray]:
    return pixels(5, 0), pixels(4, 1)


@pytest.mark.parametrize(
    "rows",
    [3, 7, -1, slice(None), slice(2, 8), slice(8, 2, -2), np.array([8, 0, 4, 5, 5]),
     np.array([], int), np.array([1, 2]), np.array([7, 6]), np.arange(9) % 2 == 0],
    ids=str,
)  # fmt: skip
def test_they_are_read_as_the_concatenation_is(parts, rows):
    whole, one = np.concatenate(parts), JoinedPixels(*parts)
    got = one[rows]
    assert got.dtype == np.uint8
    assert got.shape == whole[rows].shape
    assert (got == whole[rows]).all()
    assert (len(one), one.shape) == (9, whole.shape)
    assert (np.asarray(one) == whole).all()


def test_what_is_read_is_a_copy(parts):
    one = JoinedPixels(*parts)
    one[np.array([0, 6])][:] = 0
    assert (np.asarray(one) == np.concatenate(parts)).all()


def test_pictures_of_different_sizes_are_refused(parts):
    with pytest.raises(BadInput, match=r"\(16, 12, 3\).*\(8, 12, 3\)"):
        JoinedPixels(parts[0], pixels(2, 0, (8, 12)))
    with pytest.raises(BadInput, match="float32"):
        JoinedPixels(parts[0], parts[1].astype(np.float32))


def of(pictures: np.ndarray, labels, columns=None, sizes=None) -> Photos:
    return Photos(pictures, np.array(labels), None, columns or {}, sizes or {})


def test_taken_rows_labels_columns_and_sizes_stand_behind_each_other(parts):
    sizes = [
        {(8, 6): pixels(5, 2, (8, 6)), (4, 4): pixels(5, 3, (4, 4))},
        {(8, 6): pixels(4, 4, (8, 6))},
    ]
    names = [np.array(list("abcde")), np.array(list("vwxy"))]
    first = of(parts[0], range(5), {"sex": names[0], "age": names[0]}, sizes[0]).take([4, 1])
    second = of(parts[1], range(5, 9), {"sex": names[1]}, sizes[1]).take([3, 3, 0])
    both = joined(first, second)
    assert len(both) == 5
    assert list(both.labels) == [4, 1, 8, 8, 5]
    assert list(both.columns["sex"]) == list("ebyyv")
    assert list(both.columns["age"]) == ["e", "b", "", "", ""]
    expected = np.concatenate([parts[0][[4, 1]], parts[1][[3, 3, 0]]])
    assert (both.read(np.arange(5)) == expected).all()
    assert [*both.sizes] == [(8, 6)]
    small = np.concatenate([sizes[0][8, 6][[4, 1]], sizes[1][8, 6][[3, 3, 0]]])
    assert (both.in_size((8, 6)).read(np.arange(5)) == small).all()
    again = both.take([4, 0])
    assert list(again.labels) == [5, 4]
    assert (again.read(np.arange(2)) == expected[[4, 0]]).all()


def test_labels_are_wanted_and_joining_is_done_once(parts):
    with pytest.raises(BadInput, match="both parts need labels"):
        joined(of(parts[0], range(5)), Photos(parts[1]))
    both = joined(of(parts[0], range(5)), of(parts[1], range(4)))
    with pytest.raises(BadInput, match="joined already"):
        joined(both, of(parts[1], range(4)))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_network_learns_from_them_what_it_does_from_one_array(workers):
    first, second = pixels(12, 0, (32, 32)), pixels(8, 1, (32, 32))
    labels = np.arange(20) % 2
    recipe = Recipe(model="test_resnet", image_size=(32, 32), epochs=1, batch_size=8, select="last")

    def weights(train: Photos) -> dict:
        (epoch,) = fit(recipe, train, None, 2, seed=0, loader_workers=workers)
        return last_weights(epoch.state())

    one = weights(of(np.concatenate([first, second]), labels))
    two = weights(joined(of(first, labels[:12]), of(second, labels[12:])))
    assert one.keys() == two.keys()
    for name, values in one.items():
        assert (values == two[name]).all(), name
