"""Votes over submission files: the best by their own estimates, soft ones that are the same."""

import numpy as np
import pytest

from ensembles import BadInput, VoteRequest, cast, cast_submissions
from ensembles.files.soft_submission import write_soft_submission


@pytest.fixture
def voted(tmp_path, make_tables):
    """submission.csv of one member each, with the vote.json beside it, and their nested macro F1."""
    oof, test = make_tables(), make_tables(kind="test")
    paths, scores = [], {}
    for name in oof:
        vote = cast({name: oof[name]}, {name: test[name]}, "soft")
        vote.write(tmp_path / name)
        paths.append(tmp_path / name / "submission.csv")
        scores[name] = vote.estimate["macro_f1"]
    return paths, scores


def test_the_best_are_taken_by_the_estimate_beside_each(voted):
    paths, scores = voted
    best = sorted(scores, key=scores.get)[-2:]
    vote = cast_submissions(paths, request=VoteRequest("hard", top=2))
    assert set(vote.weights) == set(best)
    assert vote.answers == cast_submissions([p for p in paths if p.parent.name in best]).answers
    (note,) = [note for note in vote.notes if "the best 2 of 3" in note]
    assert f"{best[-1]} ({scores[best[-1]]:.4f})" in note
    assert "scores of their own runs" in note
    assert set(vote.tables) == {str(p) for p in paths if p.parent.name in best}
    weighted = VoteRequest("hard", top=2, weights={best[0]: 3})
    assert cast_submissions(paths, request=weighted).weights[best[0]] == 0.75


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda p: (p.parent / "vote.json").unlink(), "there is no .*vote.json"),
        (lambda p: p.write_text(p.read_text() + "new,1\n"), "not the file that the vote wrote"),
    ],
)
def test_without_a_score_of_its_own_no_file_is_chosen(voted, spoil, text):
    spoil(voted[0][1])
    with pytest.raises(BadInput, match=text):
        cast_submissions(voted[0], request=VoteRequest("hard", top=1))


def test_a_vote_without_oof_rows_has_no_estimate(tmp_path, make_tables):
    cast(None, make_tables(kind="test"), "soft").write(tmp_path / "v")
    with pytest.raises(BadInput, match="its vote had no OOF rows"):
        cast_submissions([tmp_path / "v/submission.csv"], request=VoteRequest("hard", top=1))


@pytest.mark.parametrize("top", [0, -1, 4, True, 1.5])
def test_a_useless_top_is_refused(voted, top):
    with pytest.raises(BadInput, match="top"):
        cast_submissions(voted[0], request=VoteRequest("hard", top=top))


def test_identical_soft_members_are_named_without_oof_too(tmp_path, make_tables):
    tables = list(make_tables(kind="test").values())
    for name, table in (("one", tables[0]), ("copy", tables[0]), ("other", tables[1])):
        write_soft_submission(tmp_path / f"{name}.csv", table)
    rows = [
        f"{i},{','.join(f'{v:.3f}' for v in p)}"
        for i, p in zip(tables[0].ids, tables[0].probabilities, strict=True)
    ]
    (tmp_path / "rounded.csv").write_text("\n".join(["ImageID,0,1,2,3", *rows]))
    soft = VoteRequest("soft")
    paths = [tmp_path / f"{name}.csv" for name in ("one", "other", "copy")]
    notes = cast_submissions(paths, request=soft).notes
    assert "one and copy have the same probabilities: one prediction, 2 members." in notes
    paths = [tmp_path / f"{name}.csv" for name in ("one", "other", "rounded")]
    notes = cast_submissions(paths, request=soft).notes
    assert any("one and rounded have the same probabilities, up to rounding" in n for n in notes)
    assert not any(
        "same probabilities" in n for n in cast_submissions(paths[:2], request=soft).notes
    )


def test_confidence_stands_beside_the_submission(tmp_path, make_tables):
    meta = {"classes": ["cat", "dog", "cow", "owl"]}
    vote = cast(None, make_tables(kind="test", meta=meta), "soft")
    vote.write(tmp_path / "v")
    lines = [line.split(",") for line in (tmp_path / "v/confidence.csv").read_text().split()]
    assert lines[0] == ["ImageID", "ans", "confidence"]
    np.testing.assert_array_equal([r[0] for r in lines[1:]], vote.ids)
    np.testing.assert_array_equal([r[1] for r in lines[1:]], vote.answers)
    np.testing.assert_allclose([float(r[2]) for r in lines[1:]], vote.probabilities.max(axis=1))
    assert (tmp_path / "v/submission.csv").read_text().startswith("ImageID,ans\n")
    vote.write(tmp_path / "v", named=True)
    answers = [
        line.split(",")[1] for line in (tmp_path / "v/submission.csv").read_text().split()[1:]
    ]
    assert answers == [meta["classes"][k] for k in vote.labels]
    nameless = cast(None, make_tables(kind="test"), "soft")
    with pytest.raises(BadInput, match="name no classes"):
        nameless.write(tmp_path / "w", named=True)
