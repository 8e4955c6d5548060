import numpy as np
import pandas as pd
import pytest

from ensembles import BadInput, Table, cast, read_soft_submissions
from ensembles.files import soft_submission

IDS = np.array(["b.jpg", "a,1.jpg", "c.jpg"], object)
META = {"classes": ["wear", "incorrect", "not"], "answers": ["0", "1", "2"]}


def table(seed: int) -> Table:
    p = np.random.default_rng(seed).dirichlet(np.ones(3), 3).astype(np.float32)
    return Table(IDS, p, meta=META)


def test_written_bit_for_bit_with_a_column_a_class_and_read_back(tmp_path):
    soft_submission.write_soft_submission(tmp_path / "s.csv", table(0))
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame.columns) == ["ImageID", "0", "1", "2"]
    assert list(frame["ImageID"]) == list(IDS)
    found = soft_submission.read_soft_submission(tmp_path / "s.csv")
    assert (found.probabilities == table(0).probabilities).all()
    assert found.ids.tolist() == IDS.tolist()
    assert found.answers == ["0", "1", "2"]


@pytest.mark.parametrize(
    "content",
    [
        "ImageID,cat,dog\na,0.25,0.75\nb,1,0\n",
        "\ufeffImageID,cat,dog\r\na,0.25,0.75\r\nb,1,0\r\n",
        ",ImageID,cat,dog\n0,a,0.25,0.75\n1,b,1.0,0.0\n\n",
        "cat,dog,ImageID\n0.25,0.751,a\n1.000,0.000,b",  # three digits
    ],
    ids=["plain", "BOM, CRLF", "index column", "rounded, ids last"],
)
def test_files_of_other_people_are_read(file, content):
    found = soft_submission.read_soft_submission(file("s.csv", content))
    assert (found.ids.tolist(), found.classes) == (["a", "b"], ["cat", "dog"])
    assert found.probabilities == pytest.approx(np.array([[0.25, 0.75], [1, 0]]), abs=1e-3)


def test_a_soft_vote_over_files_is_the_mean_aligned_by_id(tmp_path):
    first, second = table(1), table(2)
    soft_submission.write_soft_submission(tmp_path / "one.csv", first)
    soft_submission.write_soft_submission(tmp_path / "two.csv", second.take(np.array([2, 0, 1])))
    found = read_soft_submissions([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert list(found) == ["one", "two"]
    vote = cast(None, found, "soft")
    expected = (first.probabilities + second.probabilities) / 2
    assert vote.probabilities == pytest.approx(expected, abs=1e-6)
    assert vote.answers == [str(k) for k in expected.argmax(1)]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("ImageID,ans\na,1\n", "one column of probabilities a class"),
        ("where,0,1\n7,0,1\n", "no column ImageID"),
        ("", "the first line has nothing"),
        ("ImageID,0,1\n", "no rows"),
        ("ImageID,0,1\na,0.5,0.5\nb,0.5\n", "1 rows do not have 3 fields: line 3"),
        ("ImageID,0,1\na,0.5,much\n", "'much' in `1`, in line 2; every column of a class holds"),
        ("ImageID,0,1\na,0.5,0.5\na,0.5,0.5\n", "twice: a"),
        ("ImageID,0,1\na,2.5,-1.5\n", "outside [0, 1]"),
        ("ImageID,0,1\na,0.5,0.1\n", "do not sum to 1"),
        ("ImageID,0,0\na,0.5,0.5\n", "stand there twice: 0"),
        (b"ImageID,\xff\n", "not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused(file, content, text):
    with pytest.raises(BadInput) as error:
        soft_submission.read_soft_submission(file("s.csv", content))
    assert text in "\n".join(error.value.problems)


def test_all_files_problems_are_told_at_once(file, tmp_path):
    with pytest.raises(BadInput) as error:
        read_soft_submissions([tmp_path / "no.csv", file("s.csv", "ImageID,ans\na,1\n")])
    assert len(error.value.problems) == 2
