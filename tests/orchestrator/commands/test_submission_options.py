"""The options of `vote`, `evaluate` and `compare` on other people's files: used, or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import ensembles
from ensembles.files.submission import read_submission

NAMES = ["cat", "dog", "cow"]


@pytest.fixture
def tables(tmp_path):
    """Two members in `t`, of classes with names."""
    rng, labels = np.random.default_rng(0), np.random.default_rng(1).integers(0, 3, 60)
    for member in ("one", "two"):
        for kind, n in (("oof", 60), ("test", 20)):
            oof = kind == "oof"
            table = ensembles.Table(
                np.array([f"{kind}{i}" for i in range(n)], object),
                rng.dirichlet(np.ones(3), n).astype(np.float32),
                (np.arange(n) % 3).astype(np.int16) if oof else None,
                labels.astype(np.int16) if oof else None,
                {"classes": NAMES},
            )
            ensembles.write_table(tmp_path / f"t/{member}/{kind}.parquet", table)
    return tmp_path / "t"


def test_names_on_request_numbers_by_default(command, tmp_path, tables):
    for how in ([], ["--answers", "numbers"], ["--answers", "names"]):
        assert command("vote", "--tables", "t", "--mode", "soft", "--out", "o", *how)[0] == 0
        found = read_submission(tmp_path / "o/submission.csv").answers
        expected = ensembles.read_table(tmp_path / "o/probabilities.parquet")
        decided = expected.probabilities.argmax(axis=1)
        wanted = [NAMES[k] for k in decided] if "names" in how else decided.astype(str)
        np.testing.assert_array_equal(found, wanted)
        sure = read_submission(tmp_path / "o/confidence.csv")
        np.testing.assert_array_equal(sure.answers, wanted)
    ensembles.cast_large(tables, tmp_path / "l", "soft", named=True)
    for name in ("submission.csv", "confidence.csv"):
        assert (tmp_path / "l" / name).read_bytes() == (tmp_path / "o" / name).read_bytes()


def test_the_best_submissions_are_taken_by_their_estimates(command, tmp_path, tables):
    for mode in ("soft", "hard"):
        command("vote", "--tables", "t", "--mode", mode, "--out", mode)
    scores = {
        mode: json.loads((tmp_path / mode / "vote.json").read_text())["estimate"]["macro_f1"]
        for mode in ("soft", "hard")
    }
    files = ["soft/submission.csv", "hard/submission.csv"]
    code, out, _ = command("vote", "--submissions", *files, "--top", "1", "--out", "o")
    assert code == 0
    assert "the best 1 of 2 files by the macro F1 that the vote.json beside each" in out
    best = max(scores, key=scores.get)
    assert list(json.loads((tmp_path / "o/vote.json").read_text())["members"]) == [best]


FILES = ["--submissions", "a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["vote", *FILES, "--answers", "names"], ["--answers beside --submissions"]),
        (["vote", *FILES, "--top", "0"], ["top: 0, but must be 1 or more"]),
        (["vote", *FILES, "--top", "3"], ["top: 3, but must be 1 to 2"]),
        (["vote", *FILES, "--top", "1"], ["a.csv: top chooses", "b.csv: top chooses"]),
        (["vote", *FILES, "--id-column", "nope"], ["--id-column nope: no file has such a column"]),
        (["vote", *FILES, "--why", "x"], ["But for the ending it is x.jpg"]),
        (["vote", *FILES, "--why", ""], ["--why: an empty text"]),
        (["vote", *FILES, "--out", ""], ["--out: an empty text"]),
        (["vote", "--tables", "t", "--id-column", "id"], ["--id-column beside --tables"]),
        (["vote", "--tables", "t", "--why", "test1", "--answers", "names"], ["--answers beside"]),
        (["vote", "--submissions", "s.csv"], ["a soft file. Vote with --mode soft"]),
        (["vote", "--mode", "soft", *FILES], ["Labels alone vote with --mode hard"]),
        (["evaluate", "a.csv", "--truth", "b.csv", "--truth-column", "no"], ["--answer-column no"]),
        (["compare", "a.csv", "b.csv", "--answer-column", "no"], ["--answer-column no: no file"]),
    ],
)
def test_what_would_do_nothing_is_refused(command, tmp_path, tables, arguments, texts):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("image,label\nx.jpg,1\ny.jpg,2\n")
    (tmp_path / "s.csv").write_text("img,c0,c1\nx.jpg,0.5,0.5\ny.jpg,1,0\n")
    code, _, err = command(*arguments)
    assert code == 2
    assert all(text in err for text in texts), err
    assert not list(tmp_path.rglob("vote.json"))


def test_named_columns_serve_every_command(command, tmp_path):
    (tmp_path / "a.csv").write_text("key,label,guess\nx,1,0\ny,2,2\n")
    (tmp_path / "b.csv").write_text("ImageID,ans\ny,2\nx,1\n")
    guess = ["--answer-column", "guess"]
    assert command("vote", "--submissions", "a.csv", "b.csv", *guess, "--out", "o")[0] == 0
    assert (tmp_path / "o/submission.csv").read_text() == "ImageID,ans\nx,0\ny,2\n"
    code, out, _ = command("compare", "a.csv", "b.csv", *guess)
    assert code == 0
    assert "note: a.csv: columns not used: label." in out
    for truth in (["b.csv"], ["a.csv", "--truth-column", "label"]):
        code, _, _ = command("evaluate", "a.csv", *guess, "--truth", *truth, "--json", "e.json")
        assert code == 0
        assert json.loads((tmp_path / "e.json").read_text())["accuracy"] == 0.5
