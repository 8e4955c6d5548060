import numpy as np
import pytest
import torch

from members.batches.mixing import Mix, apply_mix, draw_mix, rectangle, rows_to_read
from members.recipe.blocks import Mixing

X = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
LABELS = torch.tensor([7, 8])
SWAPPED = np.array([1, 0])


def mixed(kind, share=0.5, centre=(0.5, 0.5), partners=SWAPPED, from_pool=False, x=X):
    mix = Mix(kind, share, centre, partners, from_pool)
    return apply_mix(mix, x.clone(), LABELS if len(x) == 2 else torch.tensor([7, 8, 1, 2]))


def draws(n, **settings):
    settings = Mixing(**{"kind": "mixup", **settings})
    return [draw_mix(settings, 0, 6, None, seed) for seed in range(n)]


def test_mixup_is_the_weighted_mean():
    x, labels, partners, share = mixed("mixup", 0.75)
    assert torch.allclose(x, 0.75 * X + 0.25 * X.flip(0))
    assert (labels.tolist(), partners.tolist(), share) == ([7, 8], [8, 7], 0.75)


def test_half_face_joins_two_photos_along_the_vertical_middle():
    x, labels, partners, share = mixed("half_face")
    assert torch.equal(x[..., :2], X[..., :2])  # 5 columns: 2 of the photo
    assert torch.equal(x[..., 2:], X.flip(0)[..., 2:])
    assert share == pytest.approx(2 / 5)  # by pixels, so an odd width is not a lie
    assert (labels.tolist(), partners.tolist()) == ([7, 8], [8, 7])
    assert mixed("half_face", x=X[..., :4])[3] == 0.5


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_s_share_is_the_part_of_the_pixels_that_stay(seed):
    rng = np.random.default_rng(seed)
    x, _, _, share = mixed("cutmix", rng.random(), tuple(rng.random(2)))
    stays = (x == X).all(dim=(0, 1))
    assert share == pytest.approx(float(stays.float().mean()))
    assert torch.equal(x, torch.where(stays, X, X.flip(0)))
    rows, columns = np.nonzero(~stays.numpy())
    if len(rows):  # what was replaced is a whole rectangle
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_a_rectangle_in_the_middle_has_the_area_that_was_drawn():
    top, bottom, left, right = rectangle(0.75, (0.5, 0.5), 100, 60)
    assert (bottom - top, right - left) == (50, 30)
    assert rectangle(1.0, (0.3, 0.9), 100, 60)[1] == 30  # nothing replaced
    assert rectangle(0.0, (0.5, 0.5), 100, 60) == (0, 100, 0, 60)


def test_partners_of_a_pool_are_read_after_the_batch():
    pool = np.array([40, 50])
    mix = draw_mix(Mixing(kind="mixup", partners={"age": ">=60"}), 0, 5, pool, seed=1)
    rows = rows_to_read(np.arange(5), mix)
    assert rows[:5].tolist() == list(range(5))
    assert len(rows) == 10
    assert set(rows[5:]) == {40, 50}
    both = torch.cat([X, X + 1000])
    x, labels, partners, _ = mixed("half_face", partners=pool, from_pool=True, x=both)
    assert torch.equal(x[..., 2:], X[..., 2:] + 1000)
    assert (labels.tolist(), partners.tolist()) == ([7, 8], [1, 2])


def test_partners_at_random_are_those_of_the_batch_each_once():
    for mix in draws(5):
        assert sorted(mix.partners) == list(range(6))
        assert (rows_to_read(np.arange(6), mix) == np.arange(6)).all()
    assert len({tuple(mix.partners) for mix in draws(20)}) > 10


def test_probability_and_last_epoch_are_kept():
    batches = draws(1000, probability=0.3)
    assert sum(mix is not None for mix in batches) == pytest.approx(300, abs=60)
    settings = Mixing(kind="mixup", last_epoch=2)
    assert [draw_mix(settings, e, 4, None, 0) is not None for e in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert draw_mix(None, 0, 4, None, 0) is None


def test_shares_follow_the_beta_distribution():
    shares = np.array([mix.share for mix in draws(2000, alpha=0.4)])
    assert shares.mean() == pytest.approx(0.5, abs=0.04)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.1)


def test_the_seed_decides():
    first, again, other = (draw_mix(Mixing(kind="cutmix"), 0, 6, None, seed) for seed in (3, 3, 4))
    assert (first.share, first.centre) == (again.share, again.centre) != (other.share, other.centre)
    assert (first.partners == again.partners).all()
