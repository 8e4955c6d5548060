import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from ensembles import BadInput, cast, evaluate, read_table, write_table
from ensembles.scores import metrics
from ensembles.scores.metrics import METRICS
from ensembles.voting.cast import MODES

META = {"classes": ["w", "x", "y", "z"], "answers": ["W", "X", "Y", "Z"], "data_hash": "d"}


@pytest.fixture
def both(make_tables):
    return make_tables(meta=META), make_tables(meta=META, kind="test", n_rows=40)


@pytest.mark.parametrize(
    ("mode", "objective"),
    [(mode, o) for mode in MODES for o in (METRICS if mode == "weighted" else (None,))],
)
def test_every_vote_writes_its_three_files(tmp_path, both, mode, objective):
    vote = cast(*both, mode, objective)
    paths = vote.write(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(paths)
    table = read_table(paths["probabilities.parquet"])
    lines = (tmp_path / "out/submission.csv").read_text().splitlines()
    assert lines[0] == "ImageID,ans"
    assert lines[1:] == [
        f"{i},{'WXYZ'[k]}" for i, k in zip(table.ids, table.probabilities.argmax(1), strict=True)
    ]
    assert table.classes == META["classes"]
    record = json.loads((tmp_path / "out/vote.json").read_text())
    assert record["mode"] == mode
    assert record["objective"] == objective
    assert sum(record["members"].values()) == pytest.approx(1)
    assert list(record["members"]) == ["a", "b", "c"]
    figures = {"macro_f1", "accuracy", "log_loss"}
    figures |= {objective} if objective else set()
    assert record["oof"].keys() == figures
    for name in ("estimate", "best_single", "uniform"):
        assert figures | {"standard_error"} <= record[name].keys()
        assert record[name]["standard_error"].keys() == figures
    assert record["best_single"]["member"] in record["members"]
    assert record["solo"].keys() == record["members"].keys()
    assert record["seconds"] > 0
    assert ("gap" in record) == (mode == "weighted" and objective == "log_loss")
    assert record.get("gap", 0) <= 1e-8


def test_the_figures_are_scikit_learns_on_the_oof_rows(both):
    oof, _ = both
    vote = cast(oof, None, "soft")
    mean = np.mean([t.probabilities for t in oof.values()], axis=0)
    labels = oof["a"].label
    expected = f1_score(labels, mean.argmax(1), average="macro", labels=range(4), zero_division=0)
    for figures in (vote.oof, vote.estimate, vote.uniform):
        assert figures["macro_f1"] == pytest.approx(expected)
    own = f1_score(labels, oof["b"].probabilities.argmax(1), average="macro")
    assert vote.solo["b"]["macro_f1"] == pytest.approx(own)


def test_fitted_weights_are_best_on_their_own_rows(both):
    oof, _ = both
    votes = {o: cast(oof, None, "weighted", o).oof for o in METRICS}
    votes["uniform"] = cast(oof, None, "soft").oof
    assert min(votes, key=lambda v: votes[v]["log_loss"]) == "log_loss"
    for objective in ("macro_f1", "accuracy"):
        best = max(figures[objective] for figures in votes.values())
        assert votes[objective][objective] == best


def test_the_best_single_member_is_chosen_inside_the_folds(make_tables):
    """Each member errs in its own fold only, where, as the best elsewhere, it is the one chosen."""
    oof = make_tables()
    labels, folds = oof["a"].label, oof["a"].fold
    wrong, right = (np.eye(4, dtype=np.float32)[(labels + s) % 4] for s in (1, 0))
    for member, table in enumerate(oof.values()):
        own = folds != member
        table.probabilities = np.where(own[:, None], right, wrong)
    vote = cast(oof, None, "hard")
    assert vote.best_single["oof"]["accuracy"] == pytest.approx(2 / 3)
    assert vote.best_single["accuracy"] == 0


def test_without_test_tables_the_oof_rows_are_written_and_no_submission(tmp_path, both):
    oof, test = both
    cast(oof, test, "soft").write(tmp_path)
    vote = cast(oof, None, "weighted", "log_loss")
    vote.write(tmp_path)
    files = ["held_out.parquet", "probabilities.parquet", "vote.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == files
    table = read_table(tmp_path / "probabilities.parquet")
    np.testing.assert_array_equal(table.ids, oof["a"].ids)
    np.testing.assert_array_equal(table.fold, oof["a"].fold)
    assert metrics.score_all(table.label, table.probabilities) == pytest.approx(vote.oof, abs=1e-6)
    assert json.loads((tmp_path / "vote.json").read_text())["rows"] == "oof"


def test_without_oof_tables_hard_and_soft_vote_but_know_no_score(tmp_path, both):
    for mode in ("hard", "soft"):
        vote = cast({}, both[1], mode)
        vote.write(tmp_path)
        assert vote.estimate is None
        assert any("no OOF" in note for note in vote.notes)
        assert json.loads((tmp_path / "vote.json").read_text())["estimate"] is None


def test_a_weighted_vote_without_oof_tables_is_refused_with_what_to_do(both):
    with pytest.raises(BadInput, match=r"needs OOF tables.*oof\.parquet.*--mode soft"):
        cast(None, both[1], "weighted")
    with pytest.raises(BadInput, match="no tables"):
        cast({}, {}, "hard")


def test_an_unknown_mode_and_objective_are_refused_together(both):
    with pytest.raises(BadInput) as refused:
        cast(*both, "weigthed", "f1")
    assert len(refused.value.problems) == 2
    assert "Did you mean weighted?" in refused.value.problems[0]
    assert all(name in refused.value.problems[1] for name in METRICS)


def test_the_same_members_are_needed_on_both_sides(both):
    oof, test = both
    del test["b"], oof["c"]
    with pytest.raises(
        BadInput, match=r"no test table of members: b.*\n.*no OOF table of members: c"
    ):
        cast(oof, test, "soft")


def test_problems_of_both_kinds_come_at_once(both):
    oof, test = both
    oof["b"] = oof["b"].take(np.arange(1, 90))
    test["c"] = test["c"].take(np.arange(1, 40))
    with pytest.raises(BadInput, match=r"oof tables: member b.*\n.*test tables: member c"):
        cast(oof, test, "hard")


def test_test_tables_of_other_classes_are_refused(both):
    oof, test = both
    for table in test.values():
        table.meta["classes"] = ["w", "x", "z", "y"]
    with pytest.raises(BadInput, match="test table: class 2 is 'z'"):
        cast(oof, test, "soft")


def test_members_and_rows_in_another_order_change_nothing(both):
    oof, test = both
    expected = cast(oof, test, "weighted", "log_loss")
    shuffled = {n: oof[n] for n in "cab"} | {"b": oof["b"].take(np.arange(90)[::-1])}
    other = cast(shuffled, {n: test[n] for n in "bca"}, "weighted", "log_loss")
    assert other.weights == pytest.approx(expected.weights, abs=1e-4)
    np.testing.assert_allclose(other.probabilities, expected.probabilities, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_one_member_only_works_and_says_so(both, mode):
    oof, test = ({"a": tables["a"]} for tables in both)
    vote = cast(oof, test, mode)
    assert vote.weights == {"a": 1.0}
    assert any("one member only" in note for note in vote.notes)
    np.testing.assert_array_equal(vote.labels, test["a"].probabilities.argmax(1))


def test_groups_make_the_standard_error_honest(make_tables):
    """Each row four times over: as rows the error is half of what it is as groups, but that a hit
    and a miss that have not been seen are fewer among four times the rows."""
    oof = make_tables()
    many = {
        name: replace(
            table.take(np.arange(90).repeat(4)),
            ids=np.array([f"{i}/{copy}" for i in table.ids for copy in range(4)], object),
        )
        for name, table in oof.items()
    }
    groups = {i: i.split("/")[0] for i in many["a"].ids}
    once = cast(oof, None, "soft").estimate["standard_error"]
    grouped = cast(many, None, "soft", groups=groups).estimate["standard_error"]
    alone = cast(many, None, "soft").estimate["standard_error"]
    assert grouped == pytest.approx(once)
    p = np.mean([table.probabilities for table in oof.values()], axis=0)
    right = int((p.argmax(axis=1) == oof["a"].label).sum())
    for rows, found in ((90, once), (360, alone)):
        share, hits = (right * rows / 90 + 0.5) / (rows + 1), right * rows / 90
        squares = hits * (1 - share) ** 2 + (rows - hits) * share**2
        unseen = 0.5 * (1 - share) ** 2 + 0.5 * share**2
        expected = np.sqrt(squares * rows / (rows - 1) + unseen) / rows
        assert found["accuracy"] == pytest.approx(expected, rel=1e-9)
    assert alone["log_loss"] == pytest.approx(once["log_loss"] / 2, rel=0.01)


def test_rows_of_no_group_are_named(both):
    with pytest.raises(BadInput, match="90 OOF rows are of no group: oof-0"):
        cast(both[0], None, "soft", groups={})


def test_a_hold_outs_weights_are_refitted_inside_parts_of_it(make_tables):
    oof = make_tables()
    for table in oof.values():
        table.fold[:] = 0
    vote = cast(oof, None, "weighted", "macro_f1")
    assert any("of one fold" in note for note in vote.notes)
    assert vote.estimate["macro_f1"] < vote.oof["macro_f1"]


def test_what_cannot_be_helped_is_noted(make_tables):
    oof = make_tables(meta=META)
    for table in oof.values():
        table.label[table.label == 3] = 0
        table.probabilities[7] = np.eye(4, dtype=np.float32)[(table.label[7] + 1) % 4]
    notes = "\n".join(cast(oof, None, "weighted", "log_loss").notes)
    assert "count as 0 in macro F1: z" in notes
    assert "1 rows whose true class every member rules out" in notes


def test_a_vote_json_appears_only_after_the_files_it_speaks_of(tmp_path, both, monkeypatch):
    cast(*both, "soft").write(tmp_path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("ensembles.voting.result.write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        cast(*both, "hard").write(tmp_path)
    assert not (tmp_path / "vote.json").exists()


def test_the_probability_table_says_what_made_it(tmp_path, both):
    cast(*both, "weighted", "accuracy").write(tmp_path)
    metadata = pq.read_schema(tmp_path / "probabilities.parquet").metadata
    meta = json.loads(metadata[b"ensemble"])
    assert meta == {**META, "member": "weighted-accuracy"}


def test_real_votes_weighted_for_accuracy_have_a_nested_estimate(cifar):
    from ensembles.files.table import Table

    choices, labels = cifar
    ids = np.array([str(i) for i in range(len(labels))], object)
    folds = (np.arange(len(labels)) % 5).astype(np.int16)
    oof = {
        f"m{i}": Table(ids, np.eye(10, dtype=np.float32)[own], folds, labels.astype(np.int16))
        for i, own in enumerate(choices)
    }
    vote = cast(oof, None, "weighted", "log_loss")
    assert vote.gap <= 1e-8
    assert vote.estimate["log_loss"] > vote.oof["log_loss"]
    error = vote.estimate["standard_error"]["accuracy"]
    assert vote.estimate["accuracy"] > vote.best_single["accuracy"] - 2 * error


TARGETS = {"targets": [["cover", ["off", "on"]], ["age", ["young", "old"]]]}


@pytest.mark.parametrize("objective", ["macro_f1:age", "accuracy:age", "log_loss:cover", "mcc:age"])
def test_weights_for_one_target_are_best_in_it_and_evaluate_agrees(
    tmp_path, make_tables, objective
):
    oof, test = (make_tables(n_rows=300, meta=META | TARGETS, kind=k) for k in ("oof", "test"))
    vote = cast(oof, test, "weighted", objective)
    record = vote.record()
    others = [cast(oof, None, "weighted", o).probabilities for o in METRICS]
    values = np.array([0, 0, 1, 1] if "cover" in objective else [0, 1, 0, 1])
    sign = -1 if "loss" in objective else 1
    for other in others:
        score = metrics.score_all(oof["a"].label, other, {objective: values})[objective]
        assert sign * vote.oof[objective] >= sign * score - 1e-6
    for figures in (record["estimate"], record["best_single"], record["uniform"]):
        assert figures["standard_error"][objective] > 0
    assert ("gap" in record) == ("loss" in objective)
    if objective in ("macro_f1:age", "accuracy:age"):
        inside = cast(oof, None, "weighted", objective)
        inside.write(tmp_path)
        truth = tmp_path / "truth.csv"
        labels = oof["a"].label
        rows = [f"{i},{META['answers'][k]}" for i, k in zip(oof["a"].ids, labels, strict=True)]
        truth.write_text("\n".join(["ImageID,ans", *rows]))
        report = evaluate(tmp_path / "probabilities.parquet", truth)
        name, target = objective.split(":")
        assert report["per_target"][target][name] == pytest.approx(inside.oof[objective])


def test_a_target_that_the_tables_do_not_name_is_refused(make_tables):
    with pytest.raises(BadInput, match=r"'macro_f1:agee'.*macro_f1:age.*Did you mean macro_f1:age"):
        cast(make_tables(meta=META | TARGETS), None, "weighted", "macro_f1:agee")
    with pytest.raises(BadInput, match="objective: 'macro_f1:age', but must be one of"):
        cast(make_tables(), None, "weighted", "macro_f1:age")


def test_the_tables_own_groups_count_where_no_others_are_given(make_tables, tmp_path):
    oof = make_tables()
    people = np.array([f"person {row // 3 % 10}-{row % 3}" for row in range(90)], object)
    groups = dict(zip(oof["a"].ids, people, strict=True))
    expected = cast(oof, None, "soft", groups=groups).estimate["standard_error"]
    path = tmp_path / "a.parquet"
    write_table(path, replace(oof["a"], group=people))
    oof["a"] = read_table(path)
    assert cast(oof, None, "soft").estimate["standard_error"] == expected
    oof["a"].group[0] = people[1]
    with pytest.raises(BadInput, match="1 of 30 groups stand in several"):
        cast(oof, None, "soft")
