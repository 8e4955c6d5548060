import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from members.losses import LOSSES
from members.recipe import Recipe
from tests.members.drawn import SHAPES

# Probabilities are chosen and their logarithms given as logits, so that a loss can be worked out.
P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def loss(name, logits=None, labels=LABELS, **settings):
    logits = P.log() if logits is None else logits
    return LOSSES[name](logits, labels, Recipe(model="x", loss=name, **settings))


@pytest.mark.parametrize(
    ("name", "settings", "by_hand"),
    [
        # -(ln 0.7 + ln 0.3) / 2
        ("cross_entropy", {}, (0.3566749 + 1.2039728) / 2),
        # 0.9 of the above, plus 0.1/3 of -(ln of all six), halved
        ("label_smoothing", {"smoothing": 0.1}, 0.9 * 0.7803239 + 0.1 / 3 * 8.2860814 / 2),
        # (0.3^2 * 0.3566749 + 0.7^2 * 1.2039728) / 2
        ("focal", {"focal_gamma": 2}, (0.0321007 + 0.5899467) / 2),
        # class 0: 2*0.7 / (0.8 + 1); class 2: 2*0.3 / (0.4 + 1); class 1 has no photo
        ("f1", {}, 1 - (1.4 / 1.8 + 0.6 / 1.4) / 2),
    ],
)
def test_values_worked_out_by_hand(name, settings, by_hand):
    assert float(loss(name, **settings)) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_agree_with_finite_differences(name, gamma):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.tensor([0, 1, 1, 3, 0, 3])  # class 2 is absent

    assert torch.autograd.gradcheck(
        lambda x: loss(name, x, labels, focal_gamma=gamma), (logits,), eps=1e-6, atol=1e-6
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
    answers = rng.integers(0, 4, 60)
    logits = torch.eye(4, dtype=torch.float64)[answers] * 1e3
    expected = 1 - f1_score(labels, answers, labels=[0, 1, 3], average="macro")
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
