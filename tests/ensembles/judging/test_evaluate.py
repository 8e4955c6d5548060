import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from ensembles import BadInput, cast, evaluate, write_submission, write_table

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
