import numpy as np
import pytest
import torch
from scipy.special import softmax as scipy_softmax

from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.precision import precision
from members.training.predict import VIEWS, for_test, predict, softmax
from tests.members.drawn import SHAPES, shapes

RECIPE = Recipe(model="test_resnet", image_size=32, batch_size=4)


def network(recipe=RECIPE):
    torch.manual_seed(0)
    return build_model(recipe, SHAPES)


def test_probabilities_are_the_network_s_own():
    photos = shapes(11)
    model = network()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = ((photos.pixels / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).softmax(1).numpy()
    got = predict(model.train(), photos, RECIPE)
    assert got.dtype == np.float32
    assert np.allclose(got, expected, atol=1e-5)
    assert np.allclose(got.sum(1, dtype=np.float64), 1, atol=1e-6)
    assert not model.training


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_makes_no_difference(batch_size):
    photos, model = shapes(11), network()
    other = RECIPE.model_copy(update={"validation_batch_size": batch_size})
    assert np.allclose(predict(model, photos, other), predict(model, photos, RECIPE), atol=1e-5)


def test_rows_are_answered_in_the_order_they_are_taken():
    photos, model = shapes(11), network()
    rows = [5, 0, 5, 10]
    whole = predict(model, photos, RECIPE)
    assert np.allclose(predict(model, photos.take(rows), RECIPE), whole[rows], atol=1e-5)


def test_loader_workers_make_no_difference():
    photos, model = shapes(11), network()
    assert (
        predict(model, photos, RECIPE, loader_workers=2) == predict(model, photos, RECIPE)
    ).all()


def test_views_are_averaged():
    photos, model = shapes(11), network()
    flipped = Photos(np.ascontiguousarray(photos.pixels[:, :, ::-1]))
    both = RECIPE.model_copy(update={"views": ("plain", "flip")})
    expected = (predict(model, photos, RECIPE) + predict(model, flipped, RECIPE)) / 2
    got = predict(model, photos, both)
    assert got == pytest.approx(expected, abs=1e-6)
    assert got != pytest.approx(predict(model, photos, RECIPE), abs=1e-3)


def test_crops_are_the_corners_and_the_middle_at_full_size():
    # a picture that rises by one a column and by 100 a row: any part tells where it was cut
    y, x = np.mgrid[:40, :20]
    picture = torch.from_numpy(100.0 * y + x).expand(1, 3, 40, 20)
    middles = []
    for look in VIEWS["crops"]:
        seen = look(picture)
        assert seen.shape == picture.shape
        rows, columns = np.diff(seen[0, 0, :, 10]), np.diff(seen[0, 0, 20])
        assert rows[5:-5] == pytest.approx(90)  # nine tenths, drawn apart to the whole
        assert columns[5:-5] == pytest.approx(0.9)
        middles.append(float(seen.mean()))
    # 36 x 18 of 40 x 20: the middles of the corners lie 2 rows and 1 column from that of the whole
    whole = float(picture.mean())
    assert middles == pytest.approx([whole + d for d in (-201, -199, 0, 199, 201)], abs=0.1)


def test_each_picture_of_the_views_counts_alike():
    photos, model = shapes(11), network()

    def ask(*views):
        return predict(model, photos, RECIPE.model_copy(update={"views": views}))

    expected = (ask("plain") + ask("flip") + 5 * ask("crops")) / 7
    assert ask("plain", "flip", "crops") == pytest.approx(expected, abs=1e-6)
    assert ask("crops") != pytest.approx(ask("plain"), abs=1e-3)


def test_photos_to_predict_may_be_normalised_by_figures_of_their_own():
    own = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}
    other = Recipe(**{**RECIPE.model_dump(), "test_normalize": own})
    assert for_test(RECIPE) is RECIPE
    photos, model = shapes(5), network()
    expected = predict(model, photos, Recipe(**{**RECIPE.model_dump(), "normalize": own}))
    assert (predict(model, photos, for_test(other)) == expected).all()
    assert (predict(model, photos, other) == predict(model, photos, RECIPE)).all()


def test_training_s_random_changes_stay_in_training():
    photos, model = shapes(5), network()
    custom = RECIPE.model_copy(update={"augmentation": "custom"})
    assert (predict(model, photos, custom) == predict(model, photos, RECIPE)).all()


def test_labels_are_not_needed_and_no_photos_give_no_rows():
    photos, model = shapes(5), network()
    assert predict(model, Photos(photos.pixels), RECIPE).shape == (5, SHAPES)
    assert predict(model, photos.take([]), RECIPE).shape == (0, SHAPES)


def test_photos_of_another_size_are_refused():
    with pytest.raises(BadInput, match=r"\(N, 32, 32, 3\).*got uint8 \(5, 16, 16, 3\)"):
        predict(network(), shapes(5, (16, 16)), RECIPE)


def test_softmax_agrees_with_scipy_and_takes_any_size_of_number():
    logits = np.random.default_rng(0).normal(0, 5, (20, 4)).astype(np.float32)
    assert np.allclose(softmax(logits), scipy_softmax(logits.astype(float), 1), atol=1e-7)
    assert softmax(np.array([[1e30, -1e30], [-1e4, -1e4]], np.float32)).tolist() == [
        [1, 0],
        [0.5, 0.5],
    ]


def test_bf16_on_a_cpu_gives_nearly_the_same_probabilities():
    photos, model = shapes(11), network()
    half = RECIPE.model_copy(update={"mixed_precision": "bf16"})
    got = predict(model, photos, half)
    assert got.dtype == np.float32
    assert not (got == predict(model, photos, RECIPE)).all()
    assert np.allclose(got, predict(model, photos, RECIPE), atol=0.03)


def test_precision_follows_device_and_wish():
    assert precision(RECIPE, "cpu") is None
    assert precision(RECIPE.model_copy(update={"mixed_precision": "bf16"}), "cpu") is torch.bfloat16
    with pytest.raises(BadInput, match="fp16 needs a CUDA device"):
        precision(RECIPE.model_copy(update={"mixed_precision": "fp16"}), "cpu")


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_auto_on_a_gpu_takes_bf16_only_where_the_gpu_computes_it(monkeypatch, native, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert precision(RECIPE, "cuda") is dtype


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_nearly_the_same_probabilities():
    photos, model = shapes(40), network()
    on_cpu = predict(model, photos, RECIPE)
    assert np.allclose(predict(model, photos, RECIPE, device="cuda"), on_cpu, atol=0.03)
