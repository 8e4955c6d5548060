"""`evaluate` reads what `vote` reads: soft files, any columns, names for numbers."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from ensembles import BadInput, cast, compare, evaluate
from ensembles.files.submissions.columns import Columns

P = np.random.default_rng(0).dirichlet(np.ones(3), 30)
TRUE = np.random.default_rng(1).permutation(np.arange(30) % 3)


def rows(*columns):
    return "".join(",".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


@pytest.fixture
def truth(file):
    return file("truth.csv", "image_name,target\n" + rows(range(30), [f"{t}.0" for t in TRUE]))


@pytest.mark.parametrize("kind", ["columns", "array"])
def test_a_soft_file_is_scored_with_its_probabilities(file, truth, kind):
    if kind == "columns":
        content = "img,c0,c1,c2\n" + rows(range(30), *P.T)
    else:
        content = "ImageID,ans\n" + rows(range(30), [f'"{list(map(float, p))}"' for p in P])
    found = evaluate(file("s.csv", content), truth)
    assert found["accuracy"] == accuracy_score(TRUE, P.argmax(1))
    assert found["log_loss"] == pytest.approx(log_loss(TRUE, P), abs=1e-5)


def test_one_positive_column_is_scored_against_zeros_and_ones(file):
    labels, p = TRUE % 2, P[:, 0]
    found = evaluate(
        file("s.csv", "image,target\n" + rows(range(30), p)),
        file("t.csv", "image,target\n" + rows(range(30), labels)),
    )
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, p))
    assert found["accuracy"] == accuracy_score(labels, p > 0.5)


def test_columns_are_named_for_both_files_or_for_the_truth(file):
    both = file("s.csv", "image,guess,label\n" + rows(range(30), P.argmax(1), TRUE))
    found = evaluate(both, both, Columns((), ("guess",)), "label")
    assert found["accuracy"] == accuracy_score(TRUE, P.argmax(1))
    with pytest.raises(BadInput, match=r"could each be the answers|--answer-column"):
        evaluate(file("w.csv", "image,y,label\n1,2,3\n"), both)
    with pytest.raises(BadInput, match="lable: no file has such a column"):
        evaluate(both, both, Columns((), ("guess",)), "lable")


def test_class_names_are_scored_where_the_vote_beside_names_them(tmp_path, file, make_tables):
    meta = {"classes": ["cat", "dog", "cow", "owl"]}
    vote = cast(None, make_tables(kind="test", meta=meta), "soft")
    vote.write(tmp_path / "v", named=True)
    names = [meta["classes"][k] for k in vote.labels]
    for truth in (names, vote.labels):
        right = file("t.csv", "ImageID,ans\n" + rows(vote.ids, truth))
        for name in ("submission.csv", "probabilities.parquet", "confidence.csv"):
            assert evaluate(tmp_path / "v" / name, right)["accuracy"] == 1
    assert [
        c["class"] for c in evaluate(tmp_path / "v/submission.csv", right)["per_class"]
    ] == meta["classes"]


def test_soft_files_are_compared_by_their_most_probable_class(file):
    soft = file("soft.csv", "img,c0,c1,c2\n" + rows(range(30), *P.T))
    hard = file("hard.csv", "ImageID,ans\n" + rows(range(30), P.argmax(1)))
    found = compare([soft, hard])
    assert found["identical"] == [["soft", "hard"]]
    assert any("most probable classes" in note for note in found["notes"])
