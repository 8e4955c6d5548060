import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from members.batches.mixing import (
    Mix,
    Way,
    apply_mix,
    draw_mix,
    mixed_rows,
    part_of,
    rectangle,
    rows_to_read,
    seen,
    shares_of,
)
from members.networks.timm_import import timm
from members.recipe.blocks import Mixing

X = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
LABELS = torch.tensor([7, 8])
SWAPPED = np.array([1, 0])


def mixed(kind, share=0.5, centre=(0.5, 0.5), partners=SWAPPED, from_pool=False, x=X):
    mix = Mix((Way(kind, share, centre),), partners, from_pool)
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
    shares = np.array([mix.ways[0].share for mix in draws(2000, alpha=0.4)])
    assert shares.mean() == pytest.approx(0.5, abs=0.04)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.1)


def test_the_seed_decides():
    first, again, other = (draw_mix(Mixing(kind="cutmix"), 0, 6, None, seed) for seed in (3, 3, 4))
    assert first.ways == again.ways != other.ways
    assert (first.partners == again.partners).all()


# -- beside timm's Mixup ---------------------------------------------------------------------------

SWITCHED = {"kind": "mixup", "alpha": 0.8, "switch": {"kind": "cutmix", "probability": 0.3}}


def of_timm(**settings):
    return timm.data.mixup.Mixup(
        **{"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "switch_prob": 0.3, "label_smoothing": 0,
           "num_classes": 9, **settings}
    )  # fmt: skip


def give_rectangles(drawn, monkeypatch):
    """timm draws the rectangles of `drawn`, one after the other."""
    rectangles = iter([way for way in drawn if way.kind == "cutmix" and way.share != 1])

    def same_rectangle(shape, lam, **_):
        way = next(rectangles)
        top, bottom, left, right = rectangle(way.share, way.centre, *shape[-2:])
        share = 1 - (bottom - top) * (right - left) / (shape[-2] * shape[-1])
        return (top, bottom, left, right), share

    monkeypatch.setattr(timm.data.mixup, "cutmix_bbox_and_lam", same_rectangle)


@pytest.mark.parametrize("mode", ["elem", "pair"])
def test_photos_mixed_each_in_a_way_of_its_own_are_timm_s(mode, monkeypatch):
    n = 6
    x = torch.randn(n, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n)
    mix = draw_mix(Mixing(**SWITCHED, mode=mode, probability=0.8), 0, n, None, seed=5)
    mix = Mix(mix.ways, np.arange(n)[::-1].copy(), False)  # timm's partners
    assert len({way.kind for way in mix.ways}) == 2
    assert len(mix.ways) == n

    drawn = mix.ways[: n if mode == "elem" else n // 2]
    give_rectangles(drawn, monkeypatch)
    theirs = of_timm(mode=mode)
    shares = np.array([way.share for way in drawn], np.float32)
    cut = np.array([way.kind == "cutmix" for way in drawn])
    monkeypatch.setattr(theirs, "_params_per_elem", lambda size: (shares.copy(), cut))
    expected, truth = theirs(x.clone(), labels)
    got, own, partners, share = apply_mix(mix, x.clone(), labels)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(shares_of(own, 9, partners, share), truth)


@pytest.mark.parametrize("probability", [1.0, 0.6])
def test_half_of_a_batch_is_timm_s(probability, monkeypatch):
    n = 10
    photos = np.random.default_rng(0).integers(0, 256, (n, 3, 12, 10), dtype=np.uint8)
    labels = torch.arange(n) % 9
    settings = Mixing(**SWITCHED, mode="half", probability=probability)
    mix = draw_mix(settings, 0, n, None, seed=5)
    assert seen(settings, 0, n) == len(mix.ways) == n // 2

    give_rectangles(mix.ways, monkeypatch)
    theirs = timm.data.mixup.FastCollateMixup(
        0.8, 1.0, label_smoothing=0, num_classes=9, mode="half"
    )
    shares = np.array([way.share for way in mix.ways], np.float32)
    cut = np.array([way.kind == "cutmix" for way in mix.ways])
    monkeypatch.setattr(theirs, "_params_per_elem", lambda size: (shares.copy(), cut))
    expected, truth = theirs([*zip(photos.copy(), labels.tolist(), strict=True)])
    got, own, partners, share = apply_mix(mix, torch.from_numpy(photos).float(), labels)
    assert len(got) == len(expected) == n // 2
    # timm rounds what it has mixed to whole levels
    assert (got - expected.float()).abs().max() <= 0.501
    torch.testing.assert_close(shares_of(own, 9, partners, share), truth)


def test_half_ends_with_the_last_mixed_epoch_and_keeps_the_middle_of_an_odd_batch():
    settings = Mixing(kind="mixup", mode="half", last_epoch=2)
    assert [seen(settings, epoch, 7) for epoch in range(4)] == [4, 4, 7, 7]
    assert seen(Mixing(kind="mixup"), 0, 7) == seen(None, 0, 7) == 7
    x = torch.rand(7, 3, 4, 4)
    got, *_ = apply_mix(draw_mix(settings, 0, 7, None, 1), x.clone(), torch.arange(7))
    assert torch.equal(got[3], x[3])


@pytest.mark.parametrize("mode", ["batch", "elem"])
def test_kinds_and_shares_are_drawn_as_timm_draws_them(mode):
    np.random.seed(0)
    theirs, n = of_timm(mode=mode, prob=0.6), 3000
    if mode == "batch":
        shares, cut = map(
            np.array, zip(*(theirs._params_per_batch() for _ in range(n)), strict=True)
        )
    else:
        shares, cut = theirs._params_per_elem(n)
    settings = Mixing(**SWITCHED, mode=mode, probability=0.6)
    if mode == "batch":
        mixes = [draw_mix(settings, 0, 6, None, seed) for seed in range(n)]
        ways = [mix.ways[0] for mix in mixes if mix]
    else:
        ways = [way for way in draw_mix(settings, 0, n, None, 1).ways if way.share != 1]
    assert len(ways) == pytest.approx((shares != 1).sum(), abs=120)
    for kind, theirs_are in (("cutmix", cut), ("mixup", ~cut)):
        ours = np.array([way.share for way in ways if way.kind == kind])
        expected = shares[theirs_are & (shares != 1)]
        assert len(ours) == pytest.approx(len(expected), rel=0.15)
        assert ks_2samp(ours, expected).pvalue > 0.001


def test_the_area_that_is_cut_is_distributed_as_timm_s():
    np.random.seed(0)
    theirs, ours = [], []
    for seed in range(2000):
        theirs.append(timm.data.mixup.cutmix_bbox_and_lam((3, 64, 48), np.random.beta(1, 1))[1])
        (way,) = draw_mix(Mixing(kind="cutmix"), 0, 4, None, seed).ways
        top, bottom, left, right = rectangle(way.share, way.centre, 64, 48)
        ours.append(1 - (bottom - top) * (right - left) / (64 * 48))
    assert ks_2samp(ours, theirs).pvalue > 0.001


def test_what_a_teacher_says_is_mixed_by_each_photo_s_share():
    mix = Mix((Way("mixup", 0.25, (0, 0)), Way("mixup", 0.5, (0, 0))), SWAPPED, False)
    *_, share = apply_mix(mix, X.clone(), LABELS)
    values = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.allclose(mixed_rows(mix, values, share), torch.tensor([[0.25, 0.75], [0.5, 0.5]]))


@pytest.mark.parametrize("mode", ["elem", "pair", "half"])
@pytest.mark.parametrize("n", [6, 7])
def test_a_part_of_a_batch_is_mixed_as_in_the_whole(mode, n):
    x = torch.randn(n, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n)
    mix = draw_mix(Mixing(**SWITCHED, mode=mode), 0, n, None, seed=3)
    whole, own, partners, share = apply_mix(mix, x.clone(), labels)
    n_seen = seen(Mixing(**SWITCHED, mode=mode), 0, n)
    assert len(whole) == len(partners) == n_seen
    for part in (slice(0, 2), slice(2, n_seen)):
        places, of_part = part_of(mix, n, part)
        got = apply_mix(of_part, x[places].clone(), labels[places])
        assert torch.equal(got[0], whole[part])
        assert torch.equal(
            shares_of(*got[1:2], 9, *got[2:]), shares_of(own, 9, partners, share)[part]
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mixup", "switch": {"kind": "mixup"}}, "switch to mixup has no effect"),
        ({"kind": "mixup", "switch": {"kind": "cutmix", "probability": 1}}, "less than 1"),
        ({"kind": "mixup", "mode": "pair", "partners": {"age": "x"}}, "Write `mode: elem`"),
        ({"kind": "mixup", "mode": "half", "partners": {"age": "x"}}, "Write `mode: elem`"),
        ({"kind": "mixup", "mode": "whole"}, "'batch', 'elem', 'pair' or 'half'"),
    ],
)
def test_what_has_no_effect_is_refused(settings, message):
    with pytest.raises(ValueError, match="validation error") as caught:
        Mixing(**settings)
    assert message in str(caught.value)
