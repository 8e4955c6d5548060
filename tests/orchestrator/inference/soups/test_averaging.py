"""Networks of one basin have a mean as good as they are; those of two have none, and it is not taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import update_bn

from members.batches.photos import Photos
from members.errors import BadInput
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.predict import predict
from members.training.swa import retake_from_photos
from orchestrator.inference.parts import Network
from orchestrator.inference.soups import choice
from orchestrator.inference.soups.averaging import Pot, Soups, averaged, mean_recipe
from orchestrator.inference.soups.choice import Rows

N, K = 64, 3
RECIPE = Recipe(model="test_resnet", image_size=(24, 24), batch_size=16, views=("plain", "flip"))
RNG = np.random.default_rng(2)
# patches of few colours, so that networks as they are drawn tell them apart
COARSE = RNG.integers(0, 256, (N, 3, 3, 3), dtype=np.uint8)
PIXELS = COARSE.repeat(8, axis=1).repeat(8, axis=2)
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def network() -> Weights:
    """One that is sure of its answers: a drawn one, each class about as likely as the others."""
    torch.manual_seed(5)
    model = build_model(RECIPE, K)
    norms = [n for n, _ in model.named_modules() if f"{n}.running_var" in model.state_dict()]
    retake_from_photos(model, norms, Photos(PIXELS), RECIPE)
    with torch.no_grad():
        x = (torch.from_numpy(PIXELS).permute(0, 3, 1, 2) / 255 - 0.45) / 0.225
        features = model.forward_head(model.forward_features(x), pre_logits=True)
        head = torch.randn(K, features.shape[1])
        spread = (features @ head.T).std(dim=0, keepdim=True).T
        model.fc.weight.copy_(4 * head / spread)
        model.fc.bias.copy_(-(features @ model.fc.weight.T).mean(0))
    return model.state_dict()


def permuted(own: Weights) -> Weights:
    """The same function with other weights: units of hidden layers in another order."""
    rng, found = np.random.default_rng(0), dict(own)

    def turn(n: int, out: list[str], into: str) -> None:
        order = torch.from_numpy(rng.permutation(n))
        for layer in out:
            for name in [name for name in found if name.rpartition(".")[0] == layer]:
                found[name] = found[name][order] if found[name].ndim else found[name]
        found[into] = found[into][:, order]

    turn(16, ["conv1.0", "conv1.1"], "conv1.3.weight")
    turn(16, ["conv1.3", "conv1.4"], "conv1.6.weight")
    last = ["conv2", "bn2", "downsample.1", "downsample.2"]
    turn(96, [f"layer4.0.{name}" for name in last], "fc.weight")
    return found


def shaken(own: Weights, seed: int) -> Weights:
    torch.manual_seed(seed)
    return {
        n: t + 0.01 * t.std(correction=0) * torch.randn_like(t) if t.ndim else t
        for n, t in own.items()
    }


def kept(folder: Path, weights: Weights, name: str) -> Network:
    content = saving.to_bytes(weights)
    (folder / f"{name}.safetensors").write_bytes(content)
    return Network(str(folder / f"{name}.safetensors"), hashlib.sha256(content).hexdigest(), RECIPE)


def judged(folder: Path, weights: list[Weights]) -> tuple[Soups, choice.Judged, np.ndarray]:
    networks = tuple(kept(folder, own, str(i)) for i, own in enumerate(weights))
    soups = Soups([Pot(networks, np.arange(N), lambda: PIXELS)], PIXELS, K)
    labels = soups((0,)).argmax(1)  # what the first says is true
    rows = Rows(labels, np.arange(N), np.arange(N) % 4)
    return soups, choice.judge(soups, len(networks), rows, choice.measured_by(None, {})), labels


def test_neighbours_have_a_mean_that_is_as_good(network, tmp_path):
    soups, found, labels = judged(tmp_path, [network, shaken(network, 1), shaken(network, 2)])
    assert np.bincount(labels, minlength=K).min() > N / 10
    assert found.accepted == choice.UNIFORM
    (own,) = soups.write((0, 1, 2), tmp_path, ["soup"])
    assert own.place.endswith("soup/model.safetensors")
    model = saving.load(build_model(RECIPE, K), own.place)
    np.testing.assert_allclose(predict(model, Photos(PIXELS), RECIPE), soups((0, 1, 2)), atol=1e-6)


def test_the_same_function_from_elsewhere_has_a_mean_that_is_not_taken(network, tmp_path):
    other = permuted(network)
    soups, found, labels = judged(tmp_path, [network, other])
    np.testing.assert_allclose(soups((1,)), soups((0,)), atol=1e-4)  # alone it is as good
    wrong = (soups((0, 1)).argmax(1) != labels).mean()
    assert wrong > 0.2, "their mean is another network"
    gap, error = found.behind[choice.UNIFORM]["log_loss"]
    assert gap > 3 * error > 0
    # greedy sees that, and takes one of them, which is as good as both
    assert len(found.chosen[choice.GREEDY]) == 1
    assert found.accepted == choice.GREEDY
    (own,) = soups.write(found.chosen[choice.GREEDY], tmp_path, ["soup"])
    assert Path(own.place).parent == tmp_path, "one alone is where it was, not written again"


def test_weights_and_statistics_are_those_of_torch(network, tmp_path):
    both = [network, shaken(network, 1)]
    pot = Pot(tuple(kept(tmp_path, own, str(i)) for i, own in enumerate(both)), np.arange(N),
              lambda: PIXELS[:50])  # fmt: skip
    model, _ = averaged(pot, (0, 1), K, "cpu")
    expected = build_model(RECIPE, K)
    expected.load_state_dict(
        {n: (t + both[1][n]) / 2 if t.is_floating_point() else t for n, t in network.items()}
    )
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((torch.from_numpy(PIXELS[:48]) / 255 - mean) / std).permute(0, 3, 1, 2)
    update_bn(x.split(16), expected)
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)


def test_each_fold_is_answered_by_its_own(network, tmp_path):
    networks = [kept(tmp_path, own, str(i)) for i, own in enumerate([network, shaken(network, 9)])]
    first, second = np.arange(0, N, 2), np.arange(1, N, 2)
    pots = [Pot((networks[0],), first, lambda: PIXELS), Pot((networks[1],), second, lambda: PIXELS)]
    found = Soups(pots, PIXELS, K)((0,))
    for rows, place in ((first, networks[0].place), (second, networks[1].place)):
        model = saving.load(build_model(RECIPE, K), place)
        np.testing.assert_allclose(
            found[rows], predict(model, Photos(PIXELS[rows]), RECIPE), atol=1e-6
        )


def test_statistics_of_the_photographs_are_averaged_where_they_differ():
    own = [
        RECIPE.model_copy(update={"normalize": Recipe(model="x", normalize=one).normalize})
        for one in ({"mean": [0.2] * 3, "std": [0.1] * 3}, {"mean": [0.4] * 3, "std": [0.3] * 3})
    ]
    found = mean_recipe(own).normalize
    np.testing.assert_allclose([found.mean, found.std], [[0.3] * 3, [0.2] * 3])
    assert mean_recipe([own[0], own[0]]) is own[0]


def test_damaged_weights_are_named(network, tmp_path):
    one, two = kept(tmp_path, network, "one"), kept(tmp_path, network, "two")
    Path(two.place).write_bytes(b"damaged")
    with pytest.raises(BadInput, match=r"two.safetensors: damaged"):
        averaged(Pot((one, two), np.arange(N), lambda: PIXELS), (0, 1), K, "cpu")
