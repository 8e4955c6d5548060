import subprocess
import sys

import numpy as np
import pytest

from members.networks import timm_import
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.predict import predict
from tests.members.drawn import shapes


def recipe(model="test_resnet", **settings):
    return Recipe(**{"model": model, "image_size": [32, 48], **settings})


def test_a_package_that_is_not_to_be_found_is_found_again_after(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with timm_import.not_found("slow_to_import"), pytest.raises(ImportError):
        import slow_to_import
    import slow_to_import

    with timm_import.not_found("slow_to_import"):
        assert sys.modules["slow_to_import"] is slow_to_import


def test_nothing_is_declared_where_the_extension_loads(monkeypatch):
    monkeypatch.setattr(timm_import, "_extension_loads", lambda: True)
    assert timm_import.declare() is None


def test_the_extension_counts_as_loaded_only_where_it_is():
    code = (
        "import members.networks.timm_import as f; from torchvision.extension import _has_ops;"
        "assert (f.LIBRARY is None) == _has_ops(); f.timm.create_model('test_resnet'); print('ok')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "ok", result.stderr


def test_photos_and_networks_meet():
    photos = shapes(4, (32, 48))
    assert np.isfinite(predict(build_model(recipe(), 3), photos, recipe())).all()
