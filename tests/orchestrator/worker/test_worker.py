"""Units in one process, without Ray: alone or in company, whole or interrupted, the same result."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from sklearn.metrics import f1_score

from members.networks import saving
from members.networks.models import build_model
from members.pixels import cache
from members.training import fit
from orchestrator.photographs.cache import cache_folder
from orchestrator.photographs.table import Photographs, in_fold
from orchestrator.spec.spec import Member
from orchestrator.units import unit as units
from orchestrator.worker.job import Job, Setup
from tests.orchestrator.in_process import assert_same, runs, work

SPEC = """\
name: w
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 3, batch_size: 32, dropout: 0.2}
members:
  - {name: net, model: test_efficientnet, augmentation: flip}
  - name: rich
    model: test_resnet
    epochs: 1
    normalize: computed
    sampling: {balance: age_group}
    mixing: {kind: half_face, partners: {gender: female}}
    views: [plain, flip]
  - {name: wild, model: test_resnet, optimizer: sgd, lr: 1.0e+30, schedule: constant}
"""


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def test_a_units_result_does_not_depend_on_the_process_it_shared(run):
    together, alone = run("together"), run("alone")
    folds = together.units("net")
    together.train(folds)
    for unit in (folds[2], folds[0]):
        alone.train([unit])
        assert_same(together.result(unit), alone.result(unit))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_unit_interrupted_after_any_epoch_ends_bit_for_bit_the_same(run, epoch):
    whole, broken = run("whole"), run("broken")
    unit = whole.units("net")[1]
    whole.train([unit])
    with pytest.raises(KeyboardInterrupt):
        broken.train([unit], stop_after=epoch)
    assert not units.is_done(unit, broken.store, broken.photographs.test_hash)
    broken.train([unit])
    assert_same(whole.result(unit), broken.result(unit))
    assert broken.store.read_json(f"{unit.path}/unit.json")["resumed_after_epoch"] == epoch
    assert not broken.store.exists(f"{unit.path}/state.pt")


def test_computed_statistics_are_those_of_the_fold_s_training_part_and_serve_for_predicting(run):
    one = run("rich")
    unit = one.units("rich")[1]
    one.train([unit])
    record = one.store.read_json(f"{unit.path}/unit.json")
    frame = one.photographs.train
    pixels = cache.pixels(
        frame["path"].tolist(),
        frame["digest"].tolist(),
        size=(32, 32),
        crop=None,
        folder=cache_folder(),
    )
    train_rows, valid_rows = in_fold(frame, 1)
    mean, std = record["normalize"]["mean"], record["normalize"]["std"]
    assert mean == pytest.approx(pixels[train_rows].reshape(-1, 3).mean(0) / 255)
    model = build_model(unit.member.recipe, 18, pretrained=False)
    saving.load_bytes(model, one.store.read(f"{unit.path}/model.safetensors"))
    x = ((pixels[valid_rows] / 255 - mean) / std).transpose(0, 3, 1, 2).astype("float32")
    x = torch.from_numpy(x)
    with torch.no_grad():
        expected = (model.eval()(x).softmax(1) + model(x.flip(-1)).softmax(1)) / 2
    _, oof, _ = one.result(unit)
    got = oof[[f"p{i}" for i in range(18)]].to_numpy()
    assert got == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_unit_s_record_has_the_scores_of_each_target_it_predicts(run):
    one = run("targets")
    joint = one.units("rich")[1]
    member = Member(name="part", targets=("mask", "age"), recipe=joint.member.recipe)
    part = units.of_member(member, one.photographs)[1]
    one.train([joint, part])
    for unit, sizes in ((joint, {"mask": 3, "gender": 2, "age": 3}), (part, {"mask": 3, "age": 3})):
        recorded = one.store.read_json(f"{unit.path}/unit.json")["per_target"]
        assert set(recorded) == set(sizes)
        _, oof, _ = one.result(unit)
        probabilities = oof.filter(regex=r"^p\d+$").to_numpy().reshape(-1, *sizes.values())
        truth = one.photographs.train.set_index("image_id").loc[oof["image_id"]]
        for axis, (target, size) in enumerate(sizes.items(), start=1):
            others = tuple({*range(1, probabilities.ndim)} - {axis})
            guess = probabilities.sum(others).argmax(1)
            assert recorded[target]["accuracy"] == pytest.approx((guess == truth[target]).mean())
            assert recorded[target]["macro_f1"] == pytest.approx(
                f1_score(truth[target], guess, average="macro", labels=range(size), zero_division=0)
            )


def test_moved_age_boundaries_are_learned_and_the_official_ones_validated(run, monkeypatch):
    one = run("moved")
    unit = one.units("rich")[1]
    moved = replace(unit, member=unit.member.model_copy(update={"age_bounds": (20, 21)}))
    seen = {}

    watched = fit.fit

    def watch(recipe, train, valid, *rest, **how):
        seen["parts"] = train, valid
        return watched(recipe, train, valid, *rest, **how)

    monkeypatch.setattr(fit, "fit", watch)
    one.train([moved])
    train_rows, valid_rows = in_fold(one.photographs.train, 1)
    frame = one.photographs.train
    train, valid = seen["parts"]
    years = frame["age_years"].to_numpy()[train_rows]
    assert (train.labels % 3 == (years >= 20).astype(int) + (years >= 21)).all()
    assert (train.labels // 3 == frame["label"].to_numpy()[train_rows] // 3).all()
    assert (valid.labels == frame["label"].to_numpy()[valid_rows]).all()


def test_a_finished_unit_is_reported_again_and_not_trained_again(run):
    r = run("r")
    (unit, *_) = r.units("net")
    r.train([unit])
    first, r.reports = r.reports, []
    before = r.store.read(f"{unit.path}/unit.json")
    r.train([unit])
    assert r.store.read(f"{unit.path}/unit.json") == before
    before = [(x["event"], x["epoch"], x["score"]) for x in first if x["event"] != "predicting"]
    assert [(x["event"], x["epoch"], x["score"]) for x in r.reports] == before


def test_a_unit_whose_loss_is_no_number_fails_with_epoch_and_rate_and_the_others_go_on(run):
    r = run("r")
    wild, net = r.units("wild")[0], r.units("net")[0]
    r.train([wild, net])
    (failed,) = [x for x in r.reports if x["event"] == "failed"]
    assert failed["unit"] == wild.path
    for part in ("loss became", "epoch 1", "1e+30"):
        assert part in failed["message"]
    assert not units.is_done(wild, r.store, r.photographs.test_hash)
    assert units.is_done(net, r.store, r.photographs.test_hash)


def test_a_damaged_state_costs_its_unit_not_the_others(run):
    r = run("r")
    broken, fine = r.units("net")[:2]
    r.store.write(f"{broken.path}/state.pt", b"torn")
    r.train([broken, fine])
    assert units.is_done(fine, r.store, r.photographs.test_hash)
    assert units.is_done(broken, r.store, r.photographs.test_hash)


# -- content addressing ------------------------------------------------------------------------


def test_what_decides_a_result_decides_the_hash_and_nothing_else(run):
    photographs = run("r").photographs
    base = Member(name="a", recipe={"model": "test_resnet"})

    def hash_of(member=base, photographs=photographs):
        return units.of_member(member, photographs)[0].hash

    same = [
        Member(name="another", recipe={"model": "test_resnet"}),
        Member(name="a", recipe={"model": "test_resnet", "lr": 1e-3}),  # the default, written out
    ]
    other = [
        Member(name="a", recipe={"model": "test_vit"}),
        Member(name="a", recipe={"model": "test_resnet", "lr": 2e-3}),
        Member(name="a", recipe={"model": "test_resnet"}, targets=("age",)),
    ]
    assert {hash_of(m) for m in same} == {hash_of()}
    assert hash_of() not in {hash_of(m) for m in other}

    def changed(**columns) -> Photographs:
        train = photographs.train.assign(**columns)
        return Photographs(train, photographs.test, photographs.codec)

    train = photographs.train
    shuffled = Photographs(train.sample(frac=1, random_state=0), None, photographs.codec)
    moved = changed(path="/elsewhere/" + train["path"])
    assert hash_of(photographs=shuffled) == hash_of(photographs=moved) == hash_of()
    for columns in (
        {"digest": ["0", *train["digest"][1:]]},
        {"mask": [(train["mask"][0] + 1) % 3, *train["mask"][1:]]},
        {"fold": [(train["fold"][0] + 1) % 3, *train["fold"][1:]]},
        {"group": ["x", *train["group"][1:]]},
    ):
        assert hash_of(photographs=changed(**columns)) != hash_of(), columns.keys()


def test_a_setup_and_jobs_survive_the_way_to_a_worker(run):
    r = run("r")
    units = [*r.units("net"), *r.units("rich")]
    sent = work(r.store, units, "cache", tracking=("mlflow",), gpus=0.5, process="one").setup
    assert Setup.from_config(json.loads(json.dumps(sent.to_config()))) == sent
    for job in [Job(units[0], "accuracy", (2, 4)), *map(Job, units)]:
        assert Job.from_config(json.loads(json.dumps(job.to_config()))) == job
