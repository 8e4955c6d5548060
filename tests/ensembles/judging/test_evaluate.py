import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from ensembles import BadInput, cast, evaluate, write_submission, write_table
from ensembles.judging.evaluate import Known

TARGETS = [["mask", ["wear", "not"]], ["age", ["young", "old"]]]
META = {"classes": ["wear/young", "wear/old", "not/young", "not/old"], "targets": TARGETS}


@pytest.fixture
def voted(tmp_path, make_tables, draw):
    """The folder of a vote, the truth of its rows as a file in another order, and as an array."""
    test = make_tables(meta=META, kind="test", n_rows=80)
    labels = draw(3, 80, 4, seed=1)[1]
    vote = cast(make_tables(meta=META), test, "weighted", "log_loss")
    vote.write(tmp_path)
    order = np.random.default_rng(0).permutation(80)
    write_submission(tmp_path / "truth.csv", vote.ids[order], labels[order])
    return tmp_path, labels, vote


@pytest.mark.parametrize("name", ["submission.csv", "probabilities.parquet"])
def test_scores_equal_scikit_learns_whatever_the_order(voted, name):
    folder, labels, vote = voted
    found = evaluate(folder / name, folder / "truth.csv")
    assert found["rows"] == 80
    assert found["accuracy"] == np.mean(vote.labels == labels)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, vote.labels, average="macro"))
    assert [row["class"] for row in found["per_class"]] == META["classes"]
    assert found["per_target"]["mask"]["accuracy"] == np.mean(vote.labels // 2 == labels // 2)
    assert found["per_target"]["age"]["macro_f1"] == pytest.approx(
        f1_score(labels % 2, vote.labels % 2, average="macro")
    )
    if name.endswith("parquet"):
        assert found["log_loss"] == pytest.approx(log_loss(labels, vote.probabilities), abs=1e-6)
        assert 0 <= found["calibration_error"] <= 1


def test_a_submission_of_anyone_is_scored_on_the_answers_that_occur(tmp_path):
    write_submission(tmp_path / "s.csv", ["a", "b", "c"], ["3", "13.0", "3"])
    write_submission(tmp_path / "t.csv", ["c", "b", "a"], ["13", "13", "3"])
    found = evaluate(tmp_path / "s.csv", tmp_path / "t.csv")
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert [row["class"] for row in found["per_class"]] == ["3", "13"]
    assert found["per_target"] == {}
    assert "log_loss" not in found


def test_ids_on_one_side_only_are_refused(tmp_path):
    write_submission(tmp_path / "s.csv", ["a", "b"], ["3", "3"])
    write_submission(tmp_path / "t.csv", ["c", "b"], ["3", "3"])
    with pytest.raises(
        BadInput, match=r"t.csv: 1 ids of .*s.csv.*: a.\n.*t.csv: 1 ids .* not in .*: c"
    ):
        evaluate(tmp_path / "s.csv", tmp_path / "t.csv")


def test_a_true_answer_that_is_no_class_is_refused(tmp_path, make_tables):
    write_table(tmp_path / "p.parquet", make_tables()["a"])
    write_submission(tmp_path / "t.csv", make_tables()["a"].ids, ["4"] * 90)
    with pytest.raises(
        BadInput, match=r"90 unknown answers: '4' in line 2.*Allowed are 0, 1, 2, 3"
    ):
        evaluate(tmp_path / "p.parquet", tmp_path / "t.csv")


def test_importing_brings_no_heavy_library_along():
    heavy = ["torch", "ray", "scipy", "sklearn", "pandas", "members", "orchestrator"]
    code = (
        "import sys, ensembles; assert 'numpy' not in sys.modules; ensembles.cast;"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- labels that are known already -------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path, make_tables, draw):
    """The folder of a vote whose tables know the truth, that truth, and the vote."""
    labels = draw(3, 80, 4, seed=1)[1]
    test = {
        name: dataclasses.replace(table, label=labels.astype(np.int16))
        for name, table in make_tables(meta=META, kind="test", n_rows=80).items()
    }
    vote = cast(make_tables(meta=META), test, "weighted", "log_loss")
    vote.write(tmp_path)
    return tmp_path, labels, vote


@pytest.mark.parametrize("name", ["submission.csv", "probabilities.parquet"])
def test_without_a_truth_the_labels_of_the_table_are_taken(labelled, name):
    folder, labels, vote = labelled
    found = evaluate(folder / name)
    assert found["accuracy"] == np.mean(vote.labels == labels)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, vote.labels, average="macro"))
    assert found["truth"]["place"] == f"the labels in {folder / name}'s own table"
    assert found["contradictions"] == []


def test_labels_of_some_rows_are_enough_for_those(labelled):
    folder, labels, vote = labelled
    some = {str(i): int(label) for i, label in list(zip(vote.ids, labels, strict=True))[10:30]}
    known = Known(some, META["classes"], "the list")
    found = evaluate(folder / "probabilities.parquet", known=known)
    assert (found["rows"], found["truth"]) == (20, {"place": "the list", "of": 80})
    assert found["accuracy"] == np.mean((vote.labels == labels)[10:30])
    of_others = Known(some, META["classes"][::-1], "a list of other classes")
    assert evaluate(folder / "probabilities.parquet", known=of_others)["rows"] == 80


def test_a_truth_that_is_given_is_taken_and_what_it_contradicts_is_said(labelled):
    folder, labels, vote = labelled
    other = labels.copy()
    other[[3, 5]] = (other[[3, 5]] + 1) % 4
    write_submission(folder / "truth.csv", vote.ids, other)
    found = evaluate(folder / "submission.csv", folder / "truth.csv")
    assert found["accuracy"] == np.mean(vote.labels == other)
    assert found["contradictions"] == [
        [str(vote.ids[i]), str(other[i]), str(labels[i])] for i in (3, 5)
    ]
    assert f"2 answers of {folder / 'truth.csv'} are other" in found["notes"][-1]


def test_where_nothing_is_known_a_truth_is_asked_for(voted, tmp_path):
    write_submission(tmp_path / "alone/s.csv", ["a", "b"], ["3", "3"])
    for file in (voted[0] / "submission.csv", tmp_path / "alone/s.csv"):
        with pytest.raises(BadInput, match="no truth is given"):
            evaluate(file)
