import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from members.batches.mixing import shares_of
from members.errors import BadInput
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe
from members.training.losses import LOSSES, class_weights, loss_of
from tests.members.drawn import SHAPES

# Probabilities are chosen and their logarithms given as logits, so that a loss can be worked out.
P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def loss(name, logits=None, labels=LABELS, mixed=None, weights=None, **settings):
    """`mixed`: (partners, share); weights: one a class."""
    logits = P.log() if logits is None else logits
    truth = shares_of(labels, logits.shape[1], *(mixed or ())).to(logits.dtype)
    weights = None if weights is None else torch.tensor(weights, dtype=logits.dtype)
    return loss_of(logits, truth, Recipe(model="x", loss=name, **settings), weights)


@pytest.mark.parametrize(
    ("name", "settings", "by_hand"),
    [
        # -(ln 0.7 + ln 0.3) / 2
        ("cross_entropy", {}, (0.3566749 + 1.2039728) / 2),
        # 0.9 of the above, plus 0.1/3 of -(ln of all six), halved
        ("label_smoothing", {"smoothing": 0.1}, 0.9 * 0.7803239 + 0.1 / 3 * 8.2860814 / 2),
        # (0.3^2 * 0.3566749 + 0.7^2 * 1.2039728) / 2
        ("focal", {"focal_gamma": 2}, (0.0321007 + 0.5899467) / 2),
        # -ln of sigmoid(ln p) = p / (1 + p) where it is, of 1 / (1 + p) where not:
        # .8873032 + .1823216 + .0953102, and .0953102 + .4700036 + 1.4663371
        ("bce", {"smoothing": 0}, 3.1965859 / 6),
        # class 0: 2*0.7 / (0.8 + 1); class 2: 2*0.3 / (0.4 + 1); class 1 has no photo
        ("f1", {}, 1 - (1.4 / 1.8 + 0.6 / 1.4) / 2),
        # a sum by factors
        ({"f1": 2, "cross_entropy": 0.5}, {}, 2 * 0.3968254 + 0.5 * 0.7803239),
    ],
)
def test_values_worked_out_by_hand(name, settings, by_hand):
    assert float(loss(name, **settings)) == pytest.approx(by_hand, abs=1e-6)


# three quarters of photo 1 are class 0 and a quarter is class 1; of photo 2 class 2 and class 1
MIXED = (torch.tensor([1, 1]), 0.75)


@pytest.mark.parametrize(
    ("name", "settings", "by_hand"),
    [
        # -(0.75 ln 0.7 + 0.25 ln 0.2 + 0.75 ln 0.3 + 0.25 ln 0.6) / 2
        (
            "cross_entropy",
            {},
            (0.75 * 0.3566749 + 0.25 * 1.6094379 + 0.75 * 1.2039728 + 0.25 * 0.5108256) / 2,
        ),
        # by hand as above: 0.9 of it, plus what smoothing adds without mixing
        ("label_smoothing", {"smoothing": 0.1}, 0.9 * 0.8502760 + 0.1 / 3 * 8.2860814 / 2),
        # each label's focal term by its share: (1 - p)^2 is .09, .64, .49, .16
        (
            "focal",
            {"focal_gamma": 2},
            (0.75 * 0.0321007 + 0.25 * 1.0300402 + 0.75 * 0.5899467 + 0.25 * 0.0817321) / 2,
        ),
        # photos by class .75, .5, .75; probability .8, .8, .4
        # hits .75*.7, .25*.2 + .25*.6, .75*.3
        ("f1", {}, 1 - (2 * 0.525 / 1.55 + 2 * 0.2 / 1.3 + 2 * 0.225 / 1.15) / 3),
    ],
)
def test_mixed_labels_worked_out_by_hand(name, settings, by_hand):
    assert float(loss(name, mixed=MIXED, **settings)) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "by_hand"),
    [
        ("cross_entropy", {}, (3 * 0.3566749 + 0.5 * 1.2039728) / 2),
        ("focal", {"focal_gamma": 2}, (3 * 0.0321007 + 0.5 * 0.5899467) / 2),
        # classes 0 and 2 occur: the mean of their F1 by 3 and 0.5
        ("f1", {}, 1 - (3 * 1.4 / 1.8 + 0.5 * 0.6 / 1.4) / 3.5),
    ],
)
def test_class_weights_worked_out_by_hand(name, settings, by_hand):
    assert float(loss(name, weights=[3, 1, 0.5], **settings)) == pytest.approx(by_hand, abs=1e-6)


def test_smoothing_with_class_weights_agrees_with_torch():
    weights = torch.tensor([3, 1, 0.5], dtype=torch.float64)
    smoothed = 0.9 * torch.eye(3, dtype=torch.float64)[LABELS] + 0.1 / 3
    expected = functional.cross_entropy(P.log(), smoothed, weights)  # a mean over the photos
    got = loss("label_smoothing", weights=[3, 1, 0.5], smoothing=0.1)
    assert float(got) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", LOSSES)
def test_a_share_of_one_is_the_plain_label(name):
    assert float(loss(name, mixed=(torch.tensor([1, 1]), 1.0))) == pytest.approx(float(loss(name)))


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "label_smoothing", "bce"])
def test_a_large_batch_is_the_mean_of_its_parts(name):
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1, 2, 0, 2])
    weights = [3, 1, 0.5]
    parts = [loss(name, logits[i : i + 2], labels[i : i + 2], weights=weights) for i in (0, 2, 4)]
    assert float(loss(name, logits, labels, weights=weights)) == pytest.approx(
        float(sum(parts)) / 3
    )


@pytest.mark.parametrize("name", [*LOSSES, {"f1": 1, "focal": 2}])
@pytest.mark.parametrize("mixed", [None, (torch.tensor([3, 3, 0, 1, 0, 1]), 0.3)])
@pytest.mark.parametrize("weights", [None, [0.5, 1, 2, 3]])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_agree_with_finite_differences(name, mixed, weights, gamma):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.tensor([0, 1, 1, 3, 0, 3])  # class 2 is absent

    assert torch.autograd.gradcheck(
        lambda x: loss(name, x, labels, mixed, weights, focal_gamma=gamma),
        (logits,),
        eps=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_values_and_gradients_are_finite_for_blank_and_for_certain_answers(name, scale):
    logits = (torch.eye(3)[[1, 0, 2, 1]] * scale).requires_grad_()  # two right, two wrong
    value = loss(name, logits, torch.tensor([1, 1, 2, 0]), focal_gamma=0.5)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("name", "settings"), [("label_smoothing", {"smoothing": 0}), ("focal", {"focal_gamma": 0})]
)
def test_without_their_parameter_they_are_cross_entropy(name, settings):
    assert float(loss(name, **settings)) == pytest.approx(float(loss("cross_entropy")))


def test_soft_f1_of_certain_answers_is_the_macro_f1_of_the_classes_that_occur():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3], 60)  # of four classes, class 2 never occurs
    predicted = rng.integers(0, 4, 60)
    logits = torch.eye(4, dtype=torch.float64)[predicted] * 1e3
    expected = 1 - f1_score(labels, predicted, labels=[0, 1, 3], average="macro")
    assert float(loss("f1", logits, torch.from_numpy(labels))) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_following_the_gradient_finds_the_labels(name):
    labels = torch.arange(30) % SHAPES
    logits = torch.zeros(30, SHAPES, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss(name, logits, labels).backward()
        optimizer.step()
    assert (logits.argmax(1) == labels).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("threshold", [None, 0.2])
@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize("weights", [None, [3.0, 1.0, 0.5]])
def test_bce_is_timm_s_with_plain_and_with_mixed_labels(smoothing, threshold, total, weights):
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 2, 1, 2])
    theirs = timm.loss.BinaryCrossEntropy(
        smoothing,
        threshold,
        weight=None if weights is None else torch.tensor(weights),
        sum_classes=total,
    )
    given = {"smoothing": smoothing, "bce_threshold": threshold, "bce_sum": total}
    got = loss("bce", logits, labels, weights=weights, **given)
    torch.testing.assert_close(got, theirs(logits, labels))
    truth = timm.data.mixup.mixup_target(labels, 3, 0.7, smoothing)
    got = loss("bce", logits, labels, (labels.flip(0), 0.7), weights, **given)
    torch.testing.assert_close(got, theirs(logits, truth))


@pytest.mark.parametrize("key", [{"bce_threshold": 0.2}, {"bce_sum": True}])
def test_keys_of_bce_are_refused_beside_other_losses(key):
    with pytest.raises(ValueError, match="has no effect on this loss, focal"):
        Recipe(model="x", loss="focal", **key)
    Recipe(model="x", loss={"f1": 1, "bce": 1}, **key)


# -- class weights ---------------------------------------------------------------------------------


def test_balanced_class_weights_are_scikit_learn_s():
    labels = np.array([0] * 7 + [1] * 2 + [3])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    got = class_weights(Recipe(model="x", class_weights="balanced"), labels, 4)
    assert got[[0, 1, 3]].numpy() == pytest.approx(expected)
    assert got[2] == 0


def test_class_weights_by_hand_and_none():
    assert class_weights(Recipe(model="x"), [0, 1], 2) is None
    given = class_weights(Recipe(model="x", class_weights=[1, 2.5]), [0, 1], 2)
    assert given.tolist() == [1, 2.5]


def test_class_weights_must_be_one_a_class():
    with pytest.raises(BadInput, match="2 weights for 3 classes"):
        class_weights(Recipe(model="x", class_weights=[1, 2]), [0, 1, 2], 3)
