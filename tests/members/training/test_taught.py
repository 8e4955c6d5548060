"""The loss of a student, against torch and by hand, and the batches that it is taken of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from members.batches.photos import joined
from members.batches.soft import Soft, tempered
from members.errors import BadInput
from members.recipe.recipe import Recipe
from members.training.feed import Feed
from members.training.losses import LOSSES, divergence, loss_of, taught_loss
from members.training.ranks import Ranks
from tests.members.drawn import SHAPES
from tests.members.trained import TRAIN, recipe, same_weights, states

RNG = np.random.default_rng(3)
N, K = 6, 4
LOGITS = torch.tensor(RNG.normal(0, 2, (N, K)))
SAID = torch.tensor(RNG.dirichlet(np.ones(K), N))
TRUTH = functional.one_hot(torch.tensor(RNG.integers(0, K, N)), K).double()


def loss(hard, temperature=2.0, logits=LOGITS, truth=TRUTH, said=SAID, weights=None, **settings):
    """hard: of each photo, or of all."""
    shares = torch.tensor(tempered(said.numpy(), temperature)).double()
    own = torch.as_tensor(hard, dtype=torch.float64).expand(len(logits))[:, None]
    given = Recipe(model="x", **settings)
    return taught_loss(logits, torch.cat([truth, shares, own], 1), given, weights, temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_it_is_the_divergence_of_torch_and_the_own_loss_by_their_shares(temperature):
    teacher = functional.softmax(SAID.log() / temperature, dim=1)
    student = functional.log_softmax(LOGITS / temperature, dim=1)
    kl = functional.kl_div(student, teacher, reduction="batchmean")
    own = functional.cross_entropy(LOGITS, TRUTH.argmax(1))
    expected = 0.3 * own + 0.7 * temperature**2 * kl
    assert float(loss(0.3, temperature)) == pytest.approx(float(expected), rel=1e-6)


def test_a_case_worked_by_hand():
    """Teacher (0.8, 0.2) at temperature 2: 0.8944 to 0.4472, so 2/3 and 1/3. The student says 1/2 and 1/2."""
    said, logits = torch.tensor([[0.8, 0.2]]).double(), torch.zeros(1, 2).double()
    truth = torch.tensor([[0.0, 1.0]]).double()
    kl = 2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3)
    expected = 0.25 * np.log(2) + 0.75 * 4 * kl
    assert float(loss(0.25, 2, logits, truth, said)) == pytest.approx(expected, abs=1e-6)


def test_at_high_temperatures_it_pulls_logits_together_as_hinton_et_al_say():
    """The slope of T^2 KL goes to (z - v) / K, v the teacher's logits, both of mean 0 (their eq. 4)."""
    logits = (LOGITS - LOGITS.mean(1, keepdim=True)).requires_grad_()
    loss(0.0, 1000.0, logits).backward()
    v = SAID.log() - SAID.log().mean(1, keepdim=True)
    expected = (logits.detach() - v) / K / N
    assert logits.grad.numpy() == pytest.approx(expected.numpy(), abs=1e-3)


def test_classes_that_the_teacher_rules_out_cost_nothing_and_break_nothing():
    said = torch.tensor([[0.0, 1.0], [0.5, 0.5]]).double()
    logits = torch.tensor([[3.0, -2.0], [0.0, 0.0]]).double().requires_grad_()
    found = divergence(logits, said, 1.0)
    assert found.tolist() == pytest.approx([np.log(1 + np.exp(5)), 0])
    found.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert (tempered(said.numpy(), 3)[0] == [0, 1]).all()


@pytest.mark.parametrize("name", LOSSES)
def test_of_photos_without_a_label_the_teacher_alone_counts(name):
    """And the own loss, which need not be a mean over photos, is of the others."""
    hard = torch.tensor([0.3, 0.0, 0.3, 0.3, 0.0, 0.3]).double()
    known = hard > 0
    weights = torch.tensor([1.0, 3.0, 0.5, 2.0]).double()
    own = loss_of(LOGITS[known], TRUTH[known], Recipe(model="x", loss=name), weights)
    teacher = torch.tensor(tempered(SAID.numpy(), 2)).double()
    soft = (1 - hard) * 4 * divergence(LOGITS, teacher, 2)
    expected = 0.3 * 4 / 6 * own + soft.mean()
    assert float(loss(hard, weights=weights, loss=name)) == pytest.approx(float(expected), rel=1e-6)
    other = TRUTH.clone()
    other[~known] = other[~known].flip(1)
    assert float(loss(hard, truth=other, weights=weights, loss=name)) == float(
        loss(hard, weights=weights, loss=name)
    )


def test_without_any_label_in_a_batch_it_is_the_teacher_s_alone():
    teacher = torch.tensor(tempered(SAID.numpy(), 2)).double()
    expected = 4 * divergence(LOGITS, teacher, 2).mean()
    assert float(loss(0.0, loss="f1")) == pytest.approx(float(expected), rel=1e-6)


def test_without_a_teacher_it_is_the_own_loss():
    given = Recipe(model="x", loss="focal")
    assert taught_loss(LOGITS, TRUTH, given) == loss_of(LOGITS, TRUTH, given)


# -- photographs ---------------------------------------------------------------------------------------


def certain(photos, hard=0.3, temperature=1.0, labelled=True):
    """A teacher that says the labels."""
    said = np.eye(SHAPES, dtype=np.float32)[photos.labels]
    return replace(photos, soft=Soft.of(said, temperature, hard, labelled))


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "half_face"])
@pytest.mark.parametrize("partners", ["random", {"class": ["a"]}])
@pytest.mark.parametrize("ranks", [Ranks(), Ranks(0, 2), Ranks(1, 2)])
def test_what_the_teacher_says_is_mixed_as_the_labels_are(kind, partners, ranks):
    mixing = {"kind": kind, "probability": 1, "partners": partners}
    given = recipe(mixing=mixing)
    photos = certain(replace(TRAIN, columns={"class": np.array(["a"] * len(TRAIN.labels))}))
    feed = Feed(
        given, photos, SHAPES, size=(32, 32), seed=0, device="cpu", workers=0, ranks=ranks, least=1
    )  # fmt: skip
    pieces = [rows for step in feed.steps(0) for rows in step]
    mixed = 0
    for _, truth, _ in feed.batches(pieces, 0):
        labels, said, hard = truth[:, :SHAPES], truth[:, SHAPES:-1], truth[:, -1]
        assert said.numpy() == pytest.approx(labels.numpy(), abs=1e-6)
        assert hard.numpy() == pytest.approx(0.3)
        mixed += int((labels.max(1).values < 0.999).sum())
    assert mixed


def test_taken_and_joined_photos_keep_their_teacher():
    first, second = certain(TRAIN), certain(TRAIN, labelled=False)
    both = joined(first.take([3, 1]), second.take([0]))
    assert both.soft.shares.argmax(1).tolist() == TRAIN.labels[[3, 1, 0]].tolist()
    assert both.soft.labelled.tolist() == [True, True, False]
    with pytest.raises(BadInput, match="with a teacher"):
        joined(first, TRAIN)
    with pytest.raises(BadInput, match="different shares"):
        joined(first, certain(TRAIN, hard=0.5))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((np.full((2, 2), 0.4), 2.0, 0.3), "of sum 1"),
        ((np.full((2, 2), 0.5), 0.0, 0.3), "temperature: 0.0"),
        ((np.full((2, 2), 0.5), 2.0, 1.0), "hard: 1.0"),
    ],
)
def test_what_is_no_teacher_is_refused(given, words):
    with pytest.raises(BadInput, match=words):
        Soft.of(*given)


def test_a_teacher_of_other_photos_is_refused():
    wrong = replace(TRAIN, soft=certain(TRAIN).soft.take(np.arange(3)))
    with pytest.raises(BadInput, match="a row a photograph"):
        states(recipe(), wrong)


def test_classes_are_weighed_by_the_photos_that_have_a_label():
    """Photos without count in no class: the same weights, whatever they are taken for."""
    half = certain(TRAIN, hard=0.5)
    labelled = np.arange(len(TRAIN.labels)) % 2 == 0
    half = replace(half, soft=replace(half.soft, labelled=labelled))
    other = replace(half, labels=np.where(labelled, TRAIN.labels, 0))
    settings = recipe(class_weights="balanced", epochs=1)
    ends = [states(settings, photos)[1][-1]["model"] for photos in (half, other)]
    assert same_weights(*ends)
