"""A vote's rule is in the files of the vote: read again, it says the same."""

import json

import numpy as np
import pytest

from ensembles import BadInput, cast
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
