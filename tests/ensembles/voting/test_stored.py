"""A vote's rule is in the files of the vote: read again, it says the same."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import softmax

from ensembles import BadInput, cast
from ensembles.files.parquet import read_table
from ensembles.rules.stacker import Stacker
from ensembles.scores import metrics
from ensembles.voting.candidates import BIAS_RIDGE, RIDGES
from ensembles.voting.record import VoteRecord
from ensembles.voting.stored import STACKERS, rule_of


def read(folder):
    path = folder / "vote.json"
    return rule_of(VoteRecord.from_json(path.read_bytes(), str(path)), str(folder))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"choice": "stacker"},
        {"choice": "ridge pool"},
        {"choice": "top-k + offsets"},
        {"choice": "mean", "objective": "log_loss"},
        {"objective": "log_loss"},
        {"pool": "log_linear", "negative": True, "offsets": True},
        {"mode": "hard", "temperature": True},
    ],
)
@pytest.mark.parametrize("hard", [False, True])
def test_the_stored_rule_gives_the_votes_probabilities(make_tables, tmp_path, how, hard):
    oof, test = make_tables(n_rows=240), make_tables(n_rows=120, kind="test")
    if hard:
        for table in (*oof.values(), *test.values()):
            guess = table.probabilities.argmax(axis=1)
            table.probabilities = np.eye(4, dtype=np.float32)[guess]
    vote = cast(oof, test, **{"mode": "weighted", **how})
    vote.write(tmp_path)
    members = np.stack([test[name].probabilities for name in vote.weights])
    np.testing.assert_allclose(read(tmp_path).apply(members), vote.probabilities, atol=2e-6)
    record = json.loads((tmp_path / "vote.json").read_text())
    assert (STACKERS in record["files"]) == (tmp_path / STACKERS).exists()


def test_numbers_of_stackers_are_what_their_digest_says_or_refused(make_tables, tmp_path):
    cast(make_tables(n_rows=240), None, "weighted", choice="stacker").write(tmp_path)
    file = tmp_path / STACKERS
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match=f"{STACKERS}: damaged"):
        read(tmp_path)


def test_a_later_vote_without_stackers_leaves_none_behind(make_tables, tmp_path):
    oof = make_tables(n_rows=240)
    cast(oof, None, "weighted", choice="stacker").write(tmp_path)
    cast(oof, None, "weighted", "log_loss").write(tmp_path)
    assert not (tmp_path / STACKERS).exists()


def gradient(rule, oof, ridges, negative):
    """Its largest entry at a log-linear pool's weights and bias, from its definition, in float64."""
    labels = next(iter(oof.values())).label
    logs = np.log([np.maximum(own.probabilities.astype(float), rule.floor) for own in oof.values()])
    logs -= logs.mean(axis=2, keepdims=True)
    bias = 0 if rule.offsets is None else rule.offsets
    q = softmax(np.tensordot(rule.weights, logs, axes=1) + bias, axis=1)
    missed, n = q - np.eye(q.shape[1])[labels], len(labels)
    slopes = (logs * missed).sum(axis=2).mean(axis=1)
    slopes += ridges[0] / n * (rule.weights - 1 / len(rule.weights))
    if not negative:  # what pushes a weight of 0 further down is held
        slopes = np.where((rule.weights == 0) & (slopes > 0), 0, slopes)
    of_bias = missed.mean(axis=0) + ridges[1] / n * bias
    return max(abs(slopes).max(), abs(of_bias).max() if rule.offsets is not None else 0)


def test_the_gradient_of_each_ridge_pool_is_on_record(make_tables, tmp_path):
    """Of those in a mean, too, and of the pool below a stacker. Weights found otherwise have none."""
    oof = make_tables(n_rows=240)
    vote = cast(oof, None, "weighted", "log_loss", choice="mean")
    vote.write(tmp_path)
    record = json.loads((tmp_path / "vote.json").read_text())
    assert "gradient" not in record
    ridges = {"ridge pool": RIDGES[0], "strong ridge pool": RIDGES[1]}
    pools = [name for name in vote.rule.parts if name in ridges]
    assert pools
    for entry in record["rules"]:
        part = vote.rule.parts[entry["name"]]
        if entry["pool"] == "linear":
            assert entry["gradient"] is None
            continue
        base = part.base if isinstance(part, Stacker) else part
        ridge = ridges.get(entry["name"], RIDGES[0])
        if entry["name"] == "log-linear, any sign":
            continue
        expected = gradient(base, oof, (ridge, BIAS_RIDGE), negative=True)
        assert entry["gradient"] == pytest.approx(expected, abs=2e-7)
        assert 0 <= entry["gradient"] <= 1e-6
    again = read(tmp_path)
    assert again.parts[pools[0]].gradient == vote.rule.parts[pools[0]].gradient


@pytest.mark.parametrize("negative", [True, False])
def test_the_gradient_of_a_log_linear_vote_is_on_record(make_tables, tmp_path, negative):
    oof = make_tables(n_rows=240)
    vote = cast(oof, None, "weighted", pool="log_linear", ridge=4.0, negative=negative)
    vote.write(tmp_path)
    record = json.loads((tmp_path / "vote.json").read_text())
    stored = read(tmp_path)
    own = dataclasses.replace(stored, weights=stored.weights / stored.temperature)
    expected = gradient(own, oof, (4.0, 0), negative)
    assert record["gradient"] == pytest.approx(expected, abs=2e-7)
    assert record["gradient"] <= 1e-6
    assert "gradient" not in cast(oof, None, "weighted", "log_loss").record()


def test_a_record_of_before_gradients_were_kept_is_read(make_tables, tmp_path):
    oof = make_tables(n_rows=240)
    vote = cast(oof, None, "weighted")
    vote.write(tmp_path)
    record = vote.record()
    for entry in record["rules"]:
        del entry["gradient"]
    path = tmp_path / "vote.json"
    path.write_bytes(json.dumps(record).encode())
    members = np.stack([table.probabilities for table in oof.values()])
    np.testing.assert_allclose(read(tmp_path).apply(members), vote.probabilities, atol=2e-6)


def test_held_out_rows_are_kept_with_the_vote(make_tables, tmp_path):
    """They score what the estimate says; a vote without OOF tables leaves none."""
    oof, test = make_tables(n_rows=240), make_tables(n_rows=120, kind="test")
    vote = cast(oof, test, "weighted", objective="log_loss")
    paths = vote.write(tmp_path)
    table = read_table(paths["held_out.parquet"])
    assert metrics.score_all(table.label, table.probabilities) == pytest.approx(
        {name: vote.estimate[name] for name in metrics.REPORTED}, abs=1e-6
    )
    assert "held_out.parquet" in json.loads((tmp_path / "vote.json").read_text())["files"]
    cast(None, test, "soft").write(tmp_path)
    assert not (tmp_path / "held_out.parquet").exists()
