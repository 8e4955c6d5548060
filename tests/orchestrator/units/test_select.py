"""Which epoch speaks for a unit: its own best, the last, or one common to all folds and seeds."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import f1_score

from members.errors import BadInput
from members.recipe.recipe import Recipe
from members.training import fit
from orchestrator.commands.leaderboard import standings
from orchestrator.commands.run import Run
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.photographs.table import Photographs
from orchestrator.screens.leaderboard import show_leaderboard
from orchestrator.spec import load
from orchestrator.units.assemble import assemble
from orchestrator.units.selection import common_epoch, kept_epochs, mean_curve, submitted_epochs
from tests.orchestrator.in_process import assert_same, runs, vote_on

SPEC = """\
name: s
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 4, batch_size: 32, lr: 0.01, dropout: 0.2}
members:
  - {name: best}
  - {name: common, select: common_epoch}
  - {name: last, select: last, ema: 0.9}
  - {name: submitted, epochs: 2, submissions_above: 0.0}
  - {name: impatient, select: common_epoch, patience: 1, seeds: [1, 2], epochs: 6, metric: loss}
"""


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def score(oof: pd.DataFrame) -> float:
    predicted = oof.filter(regex=r"^p\d+$").to_numpy().argmax(1)
    return f1_score(oof["label"], predicted, average="macro", labels=range(18), zero_division=0)


# -- the choice ----------------------------------------------------------------------------------


def curve(*values: float) -> list[dict]:
    return [{"epoch": i, "macro_f1": v, "loss": v} for i, v in enumerate(values, start=1)]


def test_the_common_epoch_is_the_best_of_the_mean_curve_over_the_epochs_that_all_ran():
    histories = [curve(0.2, 0.5, 0.4, 0.9), curve(0.3, 0.4, 0.7), curve(0.1, 0.6, 0.4, 0.9)]
    # means .2, .5, .5; the fourth epoch would win, but one unit never ran it
    assert mean_curve(histories, "macro_f1") == pytest.approx([0.2, 0.5, 0.5])
    assert common_epoch(histories, "macro_f1") == 2  # of equal means the earlier
    assert common_epoch(histories, "loss") == 1
    assert common_epoch(histories[1:2], "macro_f1") == 3


def test_equal_means_are_equal_in_whatever_order_the_units_come():
    # as plain sums .1 + .2 + .3 and .3 + .2 + .1 differ in the last bit
    histories = [curve(0.1, 0.3), curve(0.2, 0.2), curve(0.3, 0.1)]
    assert common_epoch(histories, "macro_f1") == common_epoch(histories, "loss") == 1


def test_epochs_are_kept_where_the_recipe_asks_for_them():
    history = curve(0.2, 0.74, 0.73, 0.8)

    def recipe(**settings) -> Recipe:
        return Recipe(model="any", **settings)

    assert submitted_epochs(history, recipe(submissions_above=0.74)) == [2, 4]
    assert submitted_epochs(history, recipe(submissions_above=0.74, metric="loss")) == [1, 2, 3]
    assert kept_epochs(history, recipe()) == []
    assert kept_epochs(history, recipe(submissions_above=0.74)) == [2, 4]
    assert kept_epochs(history, recipe(select="common_epoch")) == [1, 2, 3, 4]


# -- what units leave ----------------------------------------------------------------------------


def test_every_epoch_of_a_unit_is_kept_with_the_weights_that_gave_it_its_score(run):
    r = run("r")
    best, common = r.units("best")[0], r.units("common")[0]
    r.train([best, common])
    record = r.store.read_json(f"{common.path}/unit.json")
    assert len(record["history"]) == 4
    for row in record["history"]:
        _, oof, test = r.of_epoch(common, int(row["epoch"]))
        assert score(oof) == pytest.approx(row["macro_f1"])
        assert list(test["image_id"]) == list(r.photographs.test["image_id"])
    # which epoch speaks is not known yet; the same member with `best` has its own
    assert "model.safetensors" not in r.store.list(common.path)
    assert_same(r.of_epoch(common, record["best_epoch"]), r.result(best))
    assert r.store.list(best.path) == [
        "history.csv", "model.safetensors", "oof.parquet", "predictions.png", "test.parquet",
        "unit.json",
    ]  # fmt: skip


@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_a_killed_unit_ends_with_the_same_epochs_bit_for_bit(run, epoch):
    whole, broken = run("whole"), run("broken")
    unit = whole.units("common")[1]
    whole.train([unit])
    with pytest.raises(KeyboardInterrupt):
        broken.train([unit], stop_after=epoch)
    files = broken.store.list(f"{unit.path}/epochs")
    assert files == [f"{n}.safetensors" for n in range(1, epoch + 1)]
    broken.train([unit])
    assert broken.store.list(f"{unit.path}/epochs") == whole.store.list(f"{unit.path}/epochs")
    for number in range(1, 5):
        assert_same(broken.of_epoch(unit, number), whole.of_epoch(unit, number))


def test_a_unit_that_begins_again_keeps_nothing_of_its_earlier_epochs(run):
    r = run("r")
    unit = r.units("impatient")[0]
    r.store.write(f"{unit.path}/epochs/6.safetensors", b"of another version")
    r.store.write(f"{unit.path}/state.pt", b"torn")
    r.train([unit])
    epochs = len(r.store.read_json(f"{unit.path}/unit.json")["history"])
    weights = [f for f in r.store.list(f"{unit.path}/epochs") if f.endswith(".safetensors")]
    assert weights == [f"{n}.safetensors" for n in range(1, epochs + 1)]


def test_last_keeps_the_last_epoch_s_validated_weights(run):
    r = run("r")
    unit = r.units("last")[0]
    r.train([unit])
    record = r.store.read_json(f"{unit.path}/unit.json")
    _, oof, _ = r.result(unit)
    assert score(oof) == pytest.approx(record["history"][-1]["macro_f1"])
    assert record["metrics"] == record["history"][-1]


# -- the tables ----------------------------------------------------------------------------------


def test_the_tables_are_made_from_the_common_epoch_and_its_files_stand_in_the_units(run):
    r = run("r")
    member, units = r.spec.member("impatient"), r.units("impatient")
    r.train(units[:-1])
    assert not assemble(member, r.photographs, r.store)
    r.train(units[-1:])
    assert assemble(member, r.photographs, r.store)
    histories = [r.store.read_json(f"{u.path}/unit.json")["history"] for u in units]
    means = pd.concat([pd.DataFrame(h).set_index("epoch")["loss"] for h in histories], axis=1)
    expected = int(means.dropna().mean(axis=1).idxmin())
    chosen = r.store.read_json("tables/impatient/epochs.json")
    assert chosen["epochs"] == {
        f"fold-{fold}-seed-{seed}": expected for fold in (0, 1) for seed in (1, 2)
    }
    assert chosen["mean_curve"][expected - 1] == pytest.approx(means.dropna().mean(axis=1).min())
    columns = [f"p{k}" for k in range(18)]
    oof = pd.read_parquet(r.store.uri("tables/impatient/oof.parquet")).set_index("image_id")
    test = pd.read_parquet(r.store.uri("tables/impatient/test.parquet"))
    kept = [r.of_epoch(unit, expected) for unit in units]
    for fold in (0, 1):
        one, other = (kept[2 * fold + seed][1].set_index("image_id") for seed in (0, 1))
        mean = (one[columns] + other[columns]) / 2
        np.testing.assert_allclose(oof.loc[mean.index, columns], mean, atol=1e-6)
    tests = [k[2][columns].to_numpy() for k in kept]
    np.testing.assert_allclose(test[columns], np.mean(tests, axis=0), atol=1e-6)
    for unit, files in zip(units, kept, strict=True):
        assert_same(r.result(unit), files)


def test_new_test_photographs_are_predicted_by_every_kept_epoch_without_training(run, monkeypatch):
    r = run("r")
    some = [*r.units("common"), r.units("submitted")[0]]
    member = r.spec.member("common")
    r.train(some)
    assemble(member, r.photographs, r.store)
    before = r.of_epoch(some[0], 2)
    chosen = r.store.read_json("tables/common/epochs.json")
    r.photographs = Photographs(
        r.photographs.train, r.photographs.test.iloc[3:10], r.photographs.codec
    )
    write_photographs(r.photographs, r.store)
    monkeypatch.setattr(fit, "fit", lambda *_, **__: pytest.fail("it was trained again"))
    r.train(some)
    assert assemble(member, r.photographs, r.store)
    assert r.store.read_json("tables/common/epochs.json") == chosen
    assert len(pd.read_parquet(r.store.uri("tables/common/test.parquet"))) == 7
    after = r.of_epoch(some[0], 2)
    pd.testing.assert_frame_equal(after[1], before[1])
    pd.testing.assert_frame_equal(
        after[2], before[2].iloc[3:10].reset_index(drop=True), check_exact=False, atol=1e-5
    )
    hard = pd.read_csv(r.store.uri(f"{some[2].path}/epochs/1-hard.csv"))
    assert list(hard["ImageID"]) == list(r.photographs.test["image_id"])


def test_each_epoch_above_the_bar_leaves_a_pair_of_submissions_in_the_order_of_the_test_list(run):
    r = run("r")
    unit = r.units("submitted")[0]
    r.train([unit])
    for epoch in (1, 2):
        base = r.store.uri(f"{unit.path}/epochs/{epoch}")
        hard, soft = pd.read_csv(f"{base}-hard.csv"), pd.read_csv(f"{base}-soft.csv")
        table = pd.read_parquet(f"{base}-test.parquet")
        info = pd.read_csv(r.spec.data.test + "/info.csv")
        assert list(hard.columns) == ["ImageID", "ans"]
        assert list(soft.columns) == ["ImageID", *map(str, range(18))]
        assert list(hard["ImageID"]) == list(soft["ImageID"]) == list(info["ImageID"])
        probabilities = table.filter(regex=r"^p\d+$").to_numpy()
        assert (soft.iloc[:, 1:].to_numpy(np.float32) == probabilities).all()
        assert (hard["ans"] == probabilities.argmax(1)).all()
    assert_same(
        r.of_epoch(unit, r.store.read_json(f"{unit.path}/unit.json")["best_epoch"]), r.result(unit)
    )


def test_two_ways_to_choose_stand_side_by_side_in_the_leaderboard(run):
    r = run("r")
    for name in ("best", "common", "last"):
        r.train(r.units(name))
        assert assemble(r.spec.member(name), r.photographs, r.store)
    found = Run(r.spec, r.store)
    vote = vote_on(found, "soft")
    vote.write(r.store.uri("votes/soft"))
    rows = {row["name"]: row for row in standings(found, None)}
    for name in ("best", "common", "last"):
        oof = pd.read_parquet(r.store.uri(f"tables/{name}/oof.parquet"))
        assert rows[name]["oof"]["macro_f1"] == pytest.approx(score(oof))
    assert rows["last"]["epochs"] == {"fold-0": 4, "fold-1": 4}
    assert len(set(rows["common"]["epochs"].values())) == 1
    shown = Console(file=io.StringIO(), width=120)
    show_leaderboard("r", r.store, list(rows.values()), shown)
    lines = shown.file.getvalue().splitlines()
    (last,) = [line for line in lines if line.startswith("member last")]
    assert last.split()[2:4] == ["last", "4"]
    (common,) = [line for line in lines if line.startswith("member common")]
    assert common.split()[2:4] == ["common", str(rows["common"]["epochs"]["fold-0"])]


# -- choices that nothing can be chosen by -------------------------------------------------------


@pytest.mark.parametrize(
    ("folds", "key", "test", "parts"),
    [
        ("all", "select: common_epoch", ", test: photos/eval", ["common_epoch", "use last"]),
        ("all", "submissions_above: 0.7", ", test: photos/eval", ["submissions_above", "held out"]),
        ("kfold", "submissions_above: 0.7", "", ["submissions_above", "give data.test"]),
    ],
)
def test_a_choice_without_anything_to_choose_by_is_refused(
    run, eighteen_people, folds, key, test, parts
):
    (eighteen_people / "wrong.yaml").write_text(
        f"name: w\ndata: {{train: photos/train{test}}}\nfolds: {{scheme: {folds}}}\n"
        f"members: [{{name: net, model: test_resnet, {key}}}]\n"
    )
    with pytest.raises(BadInput) as error:
        prepare_photographs(load(eighteen_people / "wrong.yaml"))
    (problem,) = error.value.problems
    for part in ("net", *parts):
        assert part in problem
