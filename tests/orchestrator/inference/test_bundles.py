"""A bundle says what the ensemble said that it was made of; what is wrong with it is said at once."""

from __future__ import annotations

import ast
import errno
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from ensembles.files.digests import sealed
from members.recipe.recipe import Recipe
from orchestrator import Ensemble
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.inference.bundles import export as exporting
from orchestrator.inference.bundles import networks, record
from orchestrator.inference.bundles.export import Request, export_bundle
from orchestrator.inference.bundles.folder import write_zip
from orchestrator.inference.bundles.origin import origin_of
from tests.orchestrator.inference import made

KINDS = ("onnx", "torch", "safetensors")
DATA = {"photographs": 90, "groups": 30, "folds": "3 folds, kfold", "data_hash": "0123",
        "by_class": dict(zip(made.CODEC.classes, (40, 20, 10, 5, 10, 5), strict=True))}  # fmt: skip


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    return made.made(tmp_path_factory.mktemp("made"), made.rules()["log-linear"], prior=made.PRIOR)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    sizes = [(40, 30), (20, 24), (64, 48), (15, 90), (25, 27)]
    colours = [(256, 256, 256), (256, 20, 20), (20, 256, 20), (20, 20, 256), (20, 20, 20)]
    return [
        rng.integers(0, colour, (*size, 3)).astype(np.uint8)
        for size, colour in zip(sizes, colours, strict=True)
    ]


@pytest.fixture(scope="module")
def bundle(ensemble, tmp_path_factory):
    """`bundle(kind, half)`: the folder of one, exported once."""
    there: dict[tuple[str, bool], Path] = {}

    def bundle(kind: str, half: bool = False) -> Path:
        if (kind, half) not in there:
            folder = tmp_path_factory.mktemp("bundles") / f"{kind}{'-half' * half}"
            export_bundle(ensemble, DATA, Request(str(folder), kind, half))
            there[kind, half] = folder
        return there[kind, half]

    return bundle


@pytest.fixture
def copied(bundle, tmp_path) -> Path:
    """A bundle of safetensors that a test may spoil."""
    return Path(shutil.copytree(bundle("safetensors"), tmp_path / "bundle"))


def problem(place: Path, **given) -> str:
    with pytest.raises(WrongRequest) as error:
        Ensemble.load(place, **given).open()
    return "\n".join(error.value.problems)


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_what_it_was_made_of(kind, bundle, ensemble, photos):
    expected = Ensemble(ensemble, "cpu").predict_proba(photos)
    assert np.ptp(expected, axis=0).max() > 0.05, "the answers differ"
    back = Ensemble.load(bundle(kind), device="cpu")
    np.testing.assert_allclose(back.predict_proba(photos), expected, atol=1e-6)
    np.testing.assert_allclose(back.predict_proba(photos[:1]), expected[:1], atol=1e-6)
    assert back.classes_.tolist() == list(made.CODEC.classes)
    tables = back.answers(photos, tables=True).tables
    assert set(tables) == {"views", "plain", "ages", "kinds", "joined", "second"}


@pytest.mark.parametrize("kind", [pytest.param("onnx", marks=pytest.mark.slow), "safetensors"])
def test_half_is_half_as_large_and_says_how_far_it_is_off(kind, bundle, ensemble, photos):
    expected = Ensemble(ensemble, "cpu").predict_proba(photos)
    found = Ensemble.load(bundle(kind, True), device="cpu").predict_proba(photos)
    assert 0 < np.abs(found - expected).max() < 0.05
    sizes = [
        sum(file.stat().st_size for file in (bundle(kind, half) / "networks").iterdir())
        for half in (False, True)
    ]
    assert sizes[1] < 0.6 * sizes[0]
    off = record.read_manifest(str(bundle(kind, True))).checked["half"]
    assert f"differ by up to {off:.1g}" in (bundle(kind, True) / "MODEL_CARD.md").read_text()
    assert 0 < off < 0.05


def test_every_rule_is_read_back(tmp_path, ensemble):
    for name, rule in made.rules().items():
        parts = made.of_parts(ensemble.members, rule, ensemble.stacks)
        folder = tmp_path / name.replace(" ", "-")
        export_bundle(parts, {}, Request(str(folder), "safetensors"))
        back = record.trained_of_bundle(str(folder))
        tables = made.simplex(np.random.default_rng(2), len(made.VOTERS), 50, made.K)
        # a log-linear rule's weights are written with a sum of 1: the rest is temperature
        np.testing.assert_allclose(back.rule.apply(tables), rule.apply(tables), atol=1e-6)
        assert back.voters == made.VOTERS
        assert [part.seen for part in back.members] == [part.seen for part in ensemble.members]


# -- the folder ------------------------------------------------------------------------------------


def test_its_programs_are_short_and_need_what_they_say(bundle):
    needs = {"onnx": {"numpy", "onnxruntime", "PIL"}, "torch": {"numpy", "torch", "PIL"}}
    for kind in needs:
        text = (bundle(kind) / "predict.py").read_text()
        assert len(text.splitlines()) <= 80
        both = text + (bundle(kind) / "pixels.py").read_text()
        found = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(both))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            )
        }
        assert found - set(sys.stdlib_module_names) - {"pixels"} == needs[kind]


def test_its_program_answers_photographs(bundle, ensemble, photos, tmp_path):
    from PIL import Image

    for i, pixels in enumerate(photos):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    names = [*(f"{i}.png" for i in range(len(photos))), "broken.jpg"]
    done = subprocess.run(
        [sys.executable, str(bundle("onnx") / "predict.py"), *names],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    head, *rows = [line.split(",") for line in done.stdout.splitlines()]
    assert head == ["image_id", "answer", "confidence", "problem", *made.CODEC.classes]
    expected = Ensemble(ensemble, "cpu").predict_proba(photos)
    np.testing.assert_allclose(np.array([row[4:] for row in rows[:-1]], float), expected, atol=1e-5)
    assert [row[1] for row in rows[:-1]] == [made.CODEC.classes[k] for k in expected.argmax(1)]
    assert rows[-1][0] == "broken.jpg"
    assert "cannot identify" in rows[-1][3]


def test_the_card_has_the_scores_of_held_out_rows_and_what_is_not_known(bundle, ensemble):
    text = (bundle("onnx") / "MODEL_CARD.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["library_name"] == "onnx"
    assert front["license"] == "unknown"
    assert "0.7100 ± 0.0110" in text  # the estimate, nested
    for said in (
        "90 photographs of 30 groups",
        "`0123`",
        "| cat/very old | 10 |",
        "random weights",
    ):
        assert said in text
    assert "Fewer than 30 photographs were of: cat/old" in text
    found = record.read_manifest(str(bundle("onnx")))
    assert not any("/" in str(n.recipe["pretrained"]) for m in found.members for n in m.networks)
    everything = b"".join(f.read_bytes() for f in bundle("onnx").rglob("*") if f.is_file())
    assert str(Path(ensemble.members[0].networks[0].place).parent).encode() not in everything


def test_where_weights_come_from():
    of = {
        "timm": origin_of(Recipe(model="resnet34.a1_in1k", pretrained=True)),
        "file": origin_of(Recipe(model="resnet34", pretrained="/home/somebody/secret/mine.pth")),
        "gone": origin_of(Recipe(model="resnet34", pretrained="package:no-such-package")),
        "none": origin_of(Recipe(model="resnet34")),
    }
    assert {name: own["license"] for name, own in of.items()} == {
        "timm": "apache-2.0", "file": "unknown", "gone": "unknown", "none": None
    }  # fmt: skip
    assert of["timm"]["source"] == "https://huggingface.co/timm/resnet34.a1_in1k"
    assert "secret" not in str(of["file"])


def test_a_zip_is_the_folder_and_the_same_bytes_each_time(copied):
    first = write_zip(copied).read_bytes()
    os.utime(copied / "ensemble.json", (10**9, 10**9))
    assert write_zip(copied).read_bytes() == first
    with zipfile.ZipFile(copied.with_name("bundle.zip")) as archive:
        archive.extractall(copied.parent / "out")
    files = [p.relative_to(copied) for p in copied.rglob("*") if p.is_file()]
    out = copied.parent / "out/bundle"
    assert all((out / own).read_bytes() == (copied / own).read_bytes() for own in files)


def test_what_stands_there_is_replaced_only_where_asked_and_only_a_bundle(copied, ensemble):
    before = (copied / "README.md").read_text()
    (copied / "more").touch()
    with pytest.raises(WrongRequest, match="there already"):
        export_bundle(ensemble, {}, Request(str(copied), "safetensors"))
    assert (copied / "more").exists()
    export_bundle(ensemble, {}, Request(str(copied), "safetensors", overwrite=True))
    assert not (copied / "more").exists()
    assert (copied / "README.md").read_text() == before
    (copied / "ensemble.json").unlink()
    with pytest.raises(WrongRequest, match="not replaced"):
        export_bundle(ensemble, {}, Request(str(copied), "safetensors", overwrite=True))
    assert (copied / "README.md").exists()


@pytest.mark.parametrize("there", [False, True])
def test_nothing_half_written_stays_where_the_disk_fills(there, copied, ensemble, monkeypatch):
    target = copied if there else copied.with_name("new")
    kept = sorted(copied.rglob("*"))

    def full(*given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(exporting.card, "model_card", full)  # after the networks
    with pytest.raises(OSError, match="No space left") as error:
        export_bundle(ensemble, {}, Request(str(target), "safetensors", overwrite=True))
    assert error.value.filename == str(target)
    assert sorted(copied.parent.iterdir()) == [copied]
    assert sorted(copied.rglob("*")) == kept


def test_a_file_that_answers_otherwise_is_refused(ensemble, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "TOLERANCE", -1.0)
    with pytest.raises(RunFailed, match="answers otherwise than the network"):
        export_bundle(ensemble, {}, Request(str(tmp_path / "b"), "safetensors"))
    assert not [*tmp_path.iterdir()]


def test_what_a_program_cannot_do_is_said_before_anything_is_written(tmp_path, ensemble):
    from dataclasses import replace

    first, *others = ensemble.members
    cut = replace(first, seen=replace(first.seen, cut_out=True))
    with pytest.raises(WrongRequest, match="views sees photographs without their background"):
        export_bundle(replace(ensemble, members=(cut, *others)), {}, Request(str(tmp_path / "b")))
    (tmp_path / "file").touch()
    for out, why in ((str(tmp_path / "file"), "a file"), ("s3://bucket/x", "of this machine")):
        with pytest.raises(WrongRequest, match=why):
            export_bundle(ensemble, {}, Request(out, "safetensors"))


# -- wrong bundles ---------------------------------------------------------------------------------


def changed(place: Path, seal: bool = True, **values) -> None:
    found = json.loads((place / "ensemble.json").read_text()) | values
    (place / "ensemble.json").write_text(json.dumps(sealed(found) if seal else found))


def test_every_file_that_is_missing_is_named(copied):
    (copied / "networks/plain-fold-0.safetensors").unlink()
    (copied / "stacks/second.safetensors").unlink()
    text = problem(copied)
    assert "plain-fold-0.safetensors: there is no such file" in text
    assert "second.safetensors: there is no such file" in text


@pytest.mark.parametrize("file", ["networks/views-fold-1.safetensors", "stacks/second.safetensors"])
def test_a_damaged_file_is_found(copied, file):
    content = bytearray((copied / file).read_bytes())
    content[-3] ^= 1
    (copied / file).write_bytes(content)
    text = problem(copied)
    assert file in text
    assert "damaged" in text
    assert "export" in text


def test_a_damaged_network_of_onnx_is_found_by_its_own_program_too(bundle, tmp_path):
    place = Path(shutil.copytree(bundle("onnx"), tmp_path / "bundle"))
    file = place / "networks/plain-fold-0.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert "damaged" in problem(place)
    from PIL import Image

    Image.new("RGB", (30, 40)).save(tmp_path / "a.png")
    done = subprocess.run(
        [sys.executable, str(place / "predict.py"), str(tmp_path / "a.png")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "plain-fold-0.onnx: damaged" in done.stderr


def test_a_newer_format_is_refused(copied):
    changed(copied, format=2)
    text = problem(copied)
    assert "a bundle of format 2, and this version reads 1." in text
    assert "pip install --upgrade" in text


def test_classes_that_are_not_those_of_the_networks_are_refused(copied):
    changed(copied, classes=["a", "b"])
    assert "its 2 classes (a, b, ...) are not those of its targets (6: cat/young" in problem(copied)


def test_a_record_that_was_changed_is_refused(copied):
    changed(copied, seal=False, name="other")
    assert "damaged" in problem(copied)
    (copied / "ensemble.json").write_text("{")
    assert "damaged, or of something else" in problem(copied)
    changed_files = {"format": 1, "kind": "onnx"}
    (copied / "ensemble.json").write_text(json.dumps(changed_files))
    assert "classes: Field required" in problem(copied)


def test_a_record_names_no_file_outside_the_bundle(copied):
    found = json.loads((copied / "ensemble.json").read_text())
    files = {**found["files"], "../../etc/passwd": "0" * 64}
    changed(copied, files=files)
    assert "'../../etc/passwd' is no file of the bundle" in problem(copied)


def test_a_bundle_has_one_vote(copied):
    assert "was exported with the weighted vote" in problem(copied, vote="hard")
    assert Ensemble.load(copied, "weighted").trained.vote == "weighted"
