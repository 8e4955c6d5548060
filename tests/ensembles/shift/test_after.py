"""What comes after a vote's rule: in its record, its notes, its files, and in Python."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from ensembles import BadInput, Table, VoteClassifier, VoteRequest, cast, cast_large, write_table
from ensembles.files import parquet
from ensembles.files.digests import recorded_digest
from ensembles.shift import rows as sizes
from ensembles.voting.record import VoteRecord
from tests.ensembles.shift.rows_of import votes

CLASSES = ["cat", "dog", "emu"]
EQUAL, SHIFTED = np.full(3, 1 / 3), np.array([0.05, 0.15, 0.8])
EVERYTHING = {"prior": "test", "sets": 0.9, "unknown": 0.6}


def tables(kind, shares, n_rows, seed=0, sharpness=2.0, group_size=3):
    """Member -> table, and the labels."""
    rng = np.random.default_rng(seed)
    members, labels = votes(rng, shares, n_rows, group_size, sharpness)
    oof = kind == "oof"
    groups = np.arange(n_rows) // group_size
    return {
        name: Table(
            np.array([f"{kind}-{i}" for i in range(n_rows)], object),
            own,
            (groups % 5).astype(np.int16) if oof else None,
            labels.astype(np.int16) if oof else None,
            {"classes": CLASSES},
            np.array([f"person {g}" for g in groups], object) if oof else None,
        )
        for name, own in zip("abc", members, strict=True)
    }, labels


@pytest.fixture(scope="module")
def oof():
    return tables("oof", EQUAL, 450)[0]


@pytest.fixture(scope="module")
def shifted():
    return tables("test", SHIFTED, 240, seed=1)


def read(path):
    with path.open() as file:
        return list(csv.reader(file))


def test_drift_is_a_field_and_where_it_is_said_a_note(oof, shifted):
    vote = cast(oof, shifted[0], "soft")
    assert vote.drift["class_shares"]["beyond_chance"][2]
    (note,) = vote.notes
    assert note.startswith("drift: the test rows look unlike the OOF rows, beyond chance")
    assert "emu" in note
    assert "vote --prior test corrects" in note
    same = cast(oof, tables("test", EQUAL, 240, seed=2)[0], "soft")
    assert same.drift["said"] is False
    assert not same.notes
    assert cast(oof, None, "soft").drift is None
    assert cast(None, shifted[0], "soft").drift is None
    hard = cast(oof, shifted[0], "hard")
    assert hard.drift["said"]
    assert "--prior" not in hard.notes[0]


def test_an_oof_row_is_compared_by_the_vote_that_did_not_see_it(oof, shifted):
    vote = cast(oof, shifted[0], "weighted", "log_loss")
    assert vote.held_out is not None
    confidence = vote.held_out.probabilities.max(axis=1).mean()
    assert vote.drift["confidence"]["oof"] == pytest.approx(confidence)
    right = vote.held_out.probabilities.argmax(axis=1) == vote.held_out.labels
    assert right.mean() == pytest.approx(vote.estimate["accuracy"])


def test_prior_corrects_test_rows_only_and_says_so(oof, shifted):
    test, labels = shifted
    plain, corrected = cast(oof, test, "soft"), cast(oof, test, "soft", prior="test")
    assert corrected.estimate == plain.estimate
    assert plain.prior is None
    accuracy = [float(np.mean(vote.labels == labels)) for vote in (plain, corrected)]
    assert accuracy[1] > accuracy[0] + 0.02
    assert abs(np.array(corrected.prior["after"]) - SHIFTED).max() < 0.1
    changed = int(np.sum(plain.labels != corrected.labels))
    assert (corrected.prior["changed"], corrected.prior["of"]) == (changed, 240)
    assert (
        f"{changed} of 240 decisions changed. The scores are of the vote without this"
        in (corrected.notes[-1])
    )
    assert "vote --prior test" not in corrected.notes[0]  # drift is said, the offer was taken


def test_prior_says_where_it_corrects_nothing(oof):
    same = tables("test", EQUAL, 240, seed=6)[0]
    vote = cast(oof, same, "soft", prior="test")
    assert vote.prior["before"] == vote.prior["after"]
    assert vote.notes == [
        "prior: nothing is corrected, as the test rows' class shares do not differ from those of the "
        "OOF rows beyond chance."
    ]
    np.testing.assert_allclose(vote.probabilities, cast(oof, same, "soft").probabilities, atol=1e-6)


def test_the_kind_of_vote_is_chosen_beside_these_options(oof, shifted):
    assert VoteRequest(**EVERYTHING).gated
    plain, vote = cast(oof, shifted[0], "weighted"), cast(oof, shifted[0], "weighted", **EVERYTHING)
    assert vote.choice == plain.choice
    assert vote.weights == plain.weights
    assert vote.objective is None


def test_the_files_hold_what_the_record_says(oof, shifted, tmp_path):
    vote = cast(oof, shifted[0], "soft", sets=0.9, unknown=0.6)
    vote.write(tmp_path, named=True)
    head, *sets = read(tmp_path / "sets.csv")
    assert head == ["ImageID", "classes", "size"]
    assert [row[0] for row in sets] == vote.ids.tolist()
    for row, own in zip(sets, vote.probabilities, strict=True):
        inside = own.astype(float) >= 1 - vote.sets["threshold"]
        inside[own.argmax()] = True
        order = [CLASSES[k] for k in np.argsort(-own, kind="stable") if inside[k]]
        assert row[1:] == ["|".join(order), str(inside.sum())]
    mean = np.mean([int(row[2]) for row in sets])
    assert vote.sets["test_mean_size"] == pytest.approx(mean)
    assert abs(vote.sets["coverage"] - 0.9) < 0.05
    head, *unknown = read(tmp_path / "unknown.csv")
    assert head == ["ImageID", "ans", "confidence"]
    expected = [
        name if own.max() >= 0.6 else "unknown"
        for name, own in zip((CLASSES[k] for k in vote.labels), vote.probabilities, strict=True)
    ]
    assert [row[1] for row in unknown] == expected
    assert vote.unknown["test"] == {"rows": expected.count("unknown"), "of": 240}
    assert "unknown" not in (tmp_path / "submission.csv").read_text()
    for name in ("sets.csv", "unknown.csv"):
        assert recorded_digest(tmp_path / name)[0] == vote.files[name]


def test_unknown_counts_held_out_rows_and_scores_those_given(oof):
    vote = cast(oof, None, "weighted", "log_loss", unknown=0.5)
    sure = vote.held_out.probabilities.max(axis=1) >= 0.5
    right = vote.held_out.probabilities.argmax(axis=1) == vote.held_out.labels
    found = vote.unknown["oof"]
    assert (found["rows"], found["of"]) == ((~sure).sum(), 450)
    assert found["accuracy"] == pytest.approx(right[sure].mean())
    assert found["accuracy_below"] == pytest.approx(right[~sure].mean())
    draws = np.random.default_rng(0).integers(0, 150, (400, 150))  # a bootstrap of the 150 groups
    by_group = np.stack([(right & sure), sure]).reshape(2, 150, 3).sum(axis=2)
    ratios = by_group[0][draws].sum(axis=1) / by_group[1][draws].sum(axis=1)
    assert found["standard_error"] == pytest.approx(ratios.std(), rel=0.15)
    assert set(vote.unknown) == {"below", "oof"}


def test_files_of_an_earlier_vote_do_not_stay(oof, shifted, tmp_path):
    cast(oof, shifted[0], "soft", sets=0.9, unknown=0.6).write(tmp_path)
    assert (tmp_path / "sets.csv").exists()
    cast(oof, shifted[0], "soft", unknown=0.6).write(tmp_path)
    assert not (tmp_path / "sets.csv").exists()
    cast(oof, None, "soft", unknown=0.6).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "held_out.parquet", "probabilities.parquet", "vote.json"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "options", "oof_there", "test_there", "text"),
    [
        ("hard", {"prior": "test"}, True, True, "prior: a hard vote counts votes"),
        ("soft", {"prior": "train"}, True, True, "prior: 'train', but must be test"),
        ("soft", {"prior": "test"}, True, False, "prior: there are no test tables"),
        ("soft", {"prior": "test"}, False, True, "prior: without OOF tables nothing is known"),
        ("soft", {"sets": 0.9}, False, True, "sets: without OOF tables nothing is known"),
        ("soft", {"sets": 1.0}, True, True, "sets: 1.0, but must be above 0 and below 1"),
        ("soft", {"sets": 0.999}, True, True, "more OOF rows than the 150 groups"),
        ("soft", {"unknown": True}, True, True, "unknown: True, but must be above 0 and below 1"),
        ("soft", {"unknown": 0.3}, True, True, "unknown: 0.3, but the most probable of 3 classes"),
    ],
)
def test_what_cannot_be_or_does_nothing_is_refused(
    oof, shifted, mode, options, oof_there, test_there, text
):
    with pytest.raises(BadInput, match=f"^{text}" if ":" in text else text):
        cast(oof if oof_there else None, shifted[0] if test_there else None, mode, **options)


@pytest.mark.parametrize(
    ("named", "options", "text"),
    [("unknown", {"unknown": 0.6}, "is shown as 'unknown'"), ("a|b", {"sets": 0.9}, "in 'a|b'")],
)
def test_a_class_that_would_be_misread_is_refused(shifted, oof, tmp_path, named, options, text):
    changed = [
        {name: Table(t.ids, t.probabilities, t.fold, t.label, {"classes": ["x", "y", named]}, t.group)
         for name, t in own.items()}
        for own in (oof, shifted[0])
    ]  # fmt: skip
    vote = cast(*changed, "soft", **options)
    vote.write(tmp_path)
    with pytest.raises(BadInput, match="--answers numbers") as error:
        vote.write(tmp_path, named=True)
    assert text in str(error.value)


@pytest.mark.parametrize("step", [1, 7])
def test_in_ranges_the_vote_is_the_one_in_memory(oof, shifted, tmp_path, monkeypatch, step):
    """Row groups of 64; with few numbers of a table allowed, too, every seventh row is compared."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 64)
    if step > 1:
        monkeypatch.setattr(sizes, "MOST", 240 * 3 // step)
    for kind, own in (("oof", oof), ("test", shifted[0])):
        for name, table in own.items():
            write_table(tmp_path / "in" / name / f"{kind}.parquet", table)
    whole = cast(oof, shifted[0], "soft", **EVERYTHING)
    whole.write(tmp_path / "whole")
    ranges = cast_large(tmp_path / "in", tmp_path / "ranges", mode="soft",
                        cache=tmp_path / "cache", **EVERYTHING)  # fmt: skip
    for name in ("prior", "drift", "sets", "unknown"):
        one, other = getattr(whole, name), getattr(ranges, name)
        assert one.keys() == other.keys()
        assert flat(one) == pytest.approx(flat(other), rel=1e-6)
    for name in ("submission.csv", "confidence.csv", "sets.csv", "unknown.csv"):
        pair = [(tmp_path / folder / name).read_text() for folder in ("whole", "ranges")]
        assert pair[0] == pair[1], name
    assert [note for note in whole.notes if note in ranges.notes] == whole.notes
    content = (tmp_path / "ranges/vote.json").read_bytes()
    assert VoteRecord.from_json(content, "vote.json") == ranges


def flat(value):
    """All numbers of nested values, in order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    if isinstance(value, list):
        return [number for own in value for number in flat(own)]
    return [float(value)]


def test_in_ranges_without_test_tables_nothing_is_written_of_them(oof, tmp_path):
    for name, table in oof.items():
        write_table(tmp_path / "in" / name / "oof.parquet", table)
    record = cast_large(tmp_path / "in", tmp_path / "out", mode="soft", cache=tmp_path / "cache",
                        sets=0.9, unknown=0.6)  # fmt: skip
    assert (record.drift, record.prior) == (None, None)
    assert abs(record.sets["coverage"] - 0.9) < 0.05
    assert record.unknown["oof"]["of"] == 450
    assert set(record.files) == {"probabilities.parquet", "held_out.parquet"}
    with pytest.raises(BadInput, match=r"^prior: there are no test tables"):
        cast_large(tmp_path / "in", tmp_path / "out", mode="soft", prior="test",
                   cache=tmp_path / "cache")  # fmt: skip


def test_a_classifier_says_sets():
    rng = np.random.default_rng(0)
    members, labels = votes(rng, EQUAL, 500, sharpness=0.8)
    test, truth = votes(rng, EQUAL, 500, sharpness=0.8)
    names = np.array(CLASSES)
    fitted = VoteClassifier("soft").fit(members, names[labels])
    sets = fitted.predict_sets(test, 0.8)
    assert (sets.shape, sets.dtype) == ((500, 3), bool)
    assert sets[np.arange(500), truth].mean() == pytest.approx(0.8, abs=0.06)
    assert sets[np.arange(500), test.mean(axis=0).argmax(axis=1)].all()
    assert fitted.predict_sets(test, 0.95).sum() > sets.sum()
    with pytest.raises(BadInput, match=r"^level: 1\.5, but must be above 0"):
        fitted.predict_sets(test, 1.5)
