import numpy as np
import pytest
import torch

from members.batches.loader import Loader, add_noise, derived_seed, in_batches, on_device, to_input
from members.batches.photos import Photos
from members.batches.statistics import pixel_statistics, with_statistics
from members.recipe.blocks import Statistics
from members.recipe.chains import CHAINS
from members.recipe.recipe import Recipe
from tests.members.drawn import shapes


def test_taking_rows_copies_no_pixels_and_composes():
    photos = shapes(10)
    some = photos.take([7, 3, 3, 9]).take([3, 1])
    assert some.pixels is photos.pixels
    assert len(some) == 2
    assert (some.read(np.arange(2)) == photos.pixels[[9, 3]]).all()
    assert (some.labels == photos.labels[[9, 3]]).all()


def test_photos_may_live_in_a_file(tmp_path):
    photos = shapes(10)
    np.save(tmp_path / "pixels.npy", photos.pixels)
    mapped = Photos(np.load(tmp_path / "pixels.npy", mmap_mode="r"), photos.labels)
    pieces = in_batches(np.array([8, 1, 4]), 2)
    for (a, _), (b, _) in zip(
        Loader(mapped, CHAINS["light"]).batches(pieces),
        Loader(photos, CHAINS["light"]).batches(pieces),
        strict=True,
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [
        (6, 3, [3, 3]),
        (7, 4, [4, 3]),
        (7, 3, [3, 4]),  # the one left over joins the batch before it
        (3, 1, [1, 1, 1]),  # as given
        (1, 3, [1]),
        (0, 3, []),
    ],
)
def test_batches_cover_each_photo_once_and_leave_none_alone(n, batch_size, sizes):
    pieces = in_batches(np.arange(n), batch_size)
    assert [len(piece) for piece in pieces] == sizes
    assert np.concatenate([[], *pieces]).tolist() == list(range(n))


def test_seeds_of_different_purposes_never_meet():
    keys = [(s, p, e, i) for s in range(3) for p in range(8) for e in range(4) for i in range(50)]
    assert len({derived_seed(*key) for key in keys}) == len(keys)


@pytest.mark.parametrize("channels_last", [False, True])
def test_input_is_normalised_as_numpy_does_it(channels_last):
    photos = shapes(3, (9, 7))
    statistics = Statistics(mean=(0.1, 0.5, 0.7), std=(0.2, 0.3, 0.4))
    x = to_input(torch.from_numpy(photos.pixels), statistics, channels_last=channels_last)
    expected = (photos.pixels / 255 - statistics.mean) / statistics.std
    assert x.dtype == torch.float32
    assert np.allclose(x.numpy().transpose(0, 2, 3, 1), expected, atol=1e-5)
    assert x.is_contiguous(
        memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )


def test_computed_statistics_are_numpy_s_over_every_pixel_of_the_training_part():
    photos = shapes(600, (9, 7)).take(np.arange(300))  # more than are read at once
    recipe = Recipe(model="x", normalize="computed")
    found = with_statistics(recipe, photos).normalize
    scaled = photos.pixels[:300] / 255
    assert found.mean == pytest.approx(scaled.mean((0, 1, 2)), abs=1e-9)
    assert found.std == pytest.approx(scaled.std((0, 1, 2)), abs=1e-9)
    shuffled = photos.take(np.random.default_rng(0).permutation(300))
    assert with_statistics(recipe, shuffled).normalize == found
    given = Recipe(model="x", normalize="imagenet")
    assert with_statistics(given, photos) is given


def test_a_colour_that_never_changes_can_be_normalised():
    assert pixel_statistics(Photos(np.full((2, 4, 4, 3), 7, np.uint8))).std == pytest.approx(
        [1 / 255] * 3
    )


def test_noise_has_the_given_spread_and_follows_its_seed():
    zeros = [torch.zeros(4, 3, 50, 50) for _ in range(3)]
    a, b, c = (add_noise(x, 0.3, seed) for x, seed in zip(zeros, (5, 5, 6), strict=True))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert float(a.std()) == pytest.approx(0.3, rel=0.02)
    assert float(a.mean()) == pytest.approx(0, abs=0.01)


def test_an_epoch_is_the_same_however_many_workers_prepare_it():
    photos = shapes(20)
    loaders = [Loader(photos, CHAINS["custom"], seed=3, workers=n) for n in (0, 1, 2)]
    for epoch in (0, 1):  # the workers live on from one epoch to the next
        pieces = in_batches(np.random.default_rng(epoch).permutation(20), 6)
        alone, *others = [list(loader.batches(pieces, epoch)) for loader in loaders]
        assert len(alone) == 4
        for other in others:
            for (x, y), (x_, y_) in zip(alone, other, strict=True):
                assert torch.equal(x, x_)
                assert torch.equal(y, y_)


def test_photos_are_varied_anew_in_each_epoch_and_never_in_place():
    photos = shapes(6)
    before = photos.pixels.copy()
    loader = Loader(photos, CHAINS["light"], seed=0)
    first, second, again = (
        next(iter(loader.batches([np.arange(6)], epoch)))[0] for epoch in (0, 1, 0)
    )
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    assert (photos.pixels == before).all()


def test_a_photo_drawn_twice_in_an_epoch_is_varied_twice():
    loader = Loader(shapes(1), CHAINS["custom"], seed=0)
    pixels, _ = next(iter(loader.batches([np.array([0, 0])])))
    assert not torch.equal(pixels[0], pixels[1])


def test_photos_without_labels_come_with_an_empty_tensor():
    pixels, labels = next(iter(Loader(Photos(shapes(2).pixels)).batches([np.arange(2)])))
    assert len(pixels) == 2
    assert len(labels) == 0


def test_pixels_go_to_a_gpu_by_way_of_pinned_memory_and_to_a_cpu_as_they_are(monkeypatch):
    x = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    assert on_device(x, "cpu") is x
    copies = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: copies.append("pinned") or self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *how, **keys: copies.append((how, keys)))
    on_device(x, "cuda:0")
    assert copies == ["pinned", (("cuda:0",), {"non_blocking": True})]
