"""How the options of `vote` and the spec's block go together; what would do nothing is refused."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest

import ensembles
from ensembles import VoteRequest
from ensembles.files.digests import unsealed
from ensembles.voting import request
from orchestrator.cli import options
from orchestrator.commands.vote_options import requested
from orchestrator.errors import WrongRequest
from orchestrator.spec import load

SPEC = """\
name: e
data: {layout: table, train: photos.csv}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_resnet}
"""


@pytest.fixture
def spec(tmp_path):
    def write(vote: str):
        (tmp_path / "spec.yaml").write_text(SPEC + vote)
        return tmp_path / "spec.yaml"

    return write


def refused(file, **how) -> list[str]:
    with pytest.raises(WrongRequest) as error:
        load(file, **how)
    return error.value.problems


def make_run(tmp_path, recorded: str):
    """A trained run of SPEC with the `vote:` that its spec.yaml holds."""
    run = tmp_path / "runs/e"
    rng, labels = np.random.default_rng(0), np.random.default_rng(1).integers(0, 3, 60)
    for member in ("one", "two"):
        for kind, n in (("oof", 60), ("test", 20)):
            table = ensembles.Table(
                np.array([f"{kind}{i}" for i in range(n)], object),
                rng.dirichlet(np.ones(3), n).astype(np.float32),
                (np.arange(n) % 3).astype(np.int16) if kind == "oof" else None,
                labels.astype(np.int16) if kind == "oof" else None,
                {"milliseconds_per_photo": 1.0},
            )
            ensembles.write_table(run / f"tables/{member}/{kind}.parquet", table)
        (run / f"tables/{member}/made_from.txt").write_text("0123456789abcdef none None")
    (run / "spec.yaml").write_text(SPEC + recorded)
    return run


def vote_json(run, name: str) -> dict:
    return unsealed(json.loads((run / "votes" / name / "vote.json").read_text()))


# -- the spec's block --------------------------------------------------------------------------


def test_the_choices_of_the_command_line_are_the_requests():
    assert get_args(options.Mode) == get_args(request.Mode)
    assert get_args(options.Pool) == get_args(request.Pool)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mode": "soft", "pool": "log_linear", "temperature": True, "weights": {"one": 2.0}},
        {"mode": "hard", "offsets": True, "top": 1, "objective": "accuracy"},
        {"mode": "weighted", "pool": "log_linear", "negative": True, "ridge": 0.5},
        {"mode": "weighted", "objective": "macro_f1:label", "top": 2},
    ],
)
def test_a_specs_vote_has_every_option_and_reads_back(spec, tmp_path, given):
    loaded = load(spec(f"vote: {json.dumps(given)}\n"))
    assert loaded.vote == VoteRequest(**given)
    (tmp_path / "resolved.yaml").write_text(loaded.to_yaml())
    assert load(tmp_path / "resolved.yaml") == loaded


@pytest.mark.parametrize(
    ("vote", "texts"),
    [
        ("{moed: soft}", ["line 6: vote: unknown key 'moed'", "Did you mean 'mode'"]),
        ("{mode: sotf}", ["line 6: vote.mode", "Did you mean 'soft'"]),
        ("{pool: geometric}", ["line 6: vote.pool", "Allowed: 'linear' or 'log_linear'"]),
        ("{objective: macro}", ["line 6: vote.objective", "Did you mean macro_f1"]),
        ("{objective: macro_f1:age}", ["line 6: vote.objective", "macro_f1:label"]),
        ("{mode: soft, objective: macro_f1}", ["vote.objective: nothing in this soft vote"]),
        ("{mode: soft, ridge: 1}", ["vote.ridge: only a weighted vote"]),
        ("{top: 3}", ["vote.top: 3, but must be 1 to 2"]),
        ("{mode: soft, top: 0}", ["vote.top: 0, but must be 1 to 2"]),
        ("\n  mode: soft\n  weights:\n    one: 1\n    tow: 2\n",
         ["line 10: vote.weights.tow: no member 'tow'", "Did you mean two"]),
        ("{mode: soft, weights: {one: -1}}", ["vote.weights.one: that of one is -1"]),
        ("{mode: soft, weights: {one: many}}", ["line 6: vote.weights.one", "'many'"]),
        ("{mode: weighted, weights: {one: 1}}", ["vote.weights: a weighted vote fits its own"]),
    ],
)  # fmt: skip
def test_each_mistake_of_the_block_has_its_line(spec, vote, texts):
    (problem,) = refused(spec(f"vote: {vote}"))
    assert all(text in problem for text in texts), problem


def test_mistakes_of_the_block_come_with_the_others(spec):
    file = spec("vote: {mode: soft, ridge: 1, negative: true}\n")
    file.write_text(file.read_text().replace("name: two, model", "name: two, epochs: 0, model"))
    found = [text.split(": ")[1] for text in refused(file)]
    assert sorted(found) == ["members.two.epochs", "vote.negative", "vote.ridge"]
    assert "--set vote.top=7" in refused(spec(""), sets=["vote.top=7"])[0]


# -- the command line over the block -----------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "options", "expected"),
    [
        ({"mode": "soft", "top": 2}, {}, {"mode": "soft", "top": 2}),
        ({"mode": "soft", "top": 2}, {"top": 1}, {"mode": "soft", "top": 1}),
        ({"mode": "soft", "top": 2}, {"mode": "soft", "pool": "log_linear"},
         {"mode": "soft", "top": 2, "pool": "log_linear"}),
        ({"objective": "macro_f1", "offsets": True}, {"offsets": False}, {"objective": "macro_f1"}),
        ({"objective": "macro_f1"}, {"objective": "log_loss", "ridge": 2.0},
         {"objective": "log_loss", "ridge": 2.0}),
        ({"mode": "soft", "weights": {"a": 2}}, {"weights": {"b": 3}},
         {"mode": "soft", "weights": {"b": 3}}),
    ],
)  # fmt: skip
def test_of_the_blocks_mode_each_option_replaces_its_own(block, options, expected):
    assert requested(VoteRequest(**block), options) == (VoteRequest(**expected), [])


def test_a_vote_of_another_mode_takes_none_of_the_blocks_options_and_says_so():
    block = VoteRequest("weighted", "log_loss", top=2, offsets=True)
    found, (note,) = requested(block, {"mode": "soft", "pool": "log_linear"})
    assert found == VoteRequest("soft", pool="log_linear")
    assert note == (
        "the spec's vote is weighted: its objective, offsets, top not taken for a soft one."
    )
    assert requested(VoteRequest("hard"), {"mode": "weighted"}) == (VoteRequest(), [])


def test_what_does_not_fit_names_the_options_that_are_the_specs():
    with pytest.raises(WrongRequest) as error:
        requested(VoteRequest(objective="macro_f1"), {"pool": "log_linear"})
    assert "objective: 'macro_f1'" in str(error.value)
    assert "It is the spec's: replace it with --objective" in str(error.value)
    with pytest.raises(WrongRequest, match=r"ridge: .*\(The spec's vote has objective as well\.\)"):
        requested(VoteRequest(objective="accuracy"), {"ridge": 1.0})


# -- the whole command -------------------------------------------------------------------------


def test_a_run_votes_as_its_block_says_and_the_command_line_goes_first(command, tmp_path):
    run = make_run(tmp_path, "vote: {mode: soft, weights: {one: 3}}\n")
    assert command("vote", "--run", run)[0] == 0
    assert vote_json(run, "soft")["members"] == {"one": 0.75, "two": 0.25}
    assert command("vote", "--run", run, "--weights", "one=1", "two=0")[0] == 0
    record = vote_json(run, "soft")
    assert record["members"] == {"one": 1, "two": 0}
    assert next(iter(record["tables"])) == "one/oof.parquet"
    code, out, _ = command("vote", "--run", run, "--mode", "hard")
    assert code == 0
    assert "its weights not taken for a hard one" in out
    assert vote_json(run, "hard")["members"] == {"one": 0.5, "two": 0.5}
    code, _, err = command("vote", "--run", run, "--ridge", "1")
    assert code == 2
    assert "ridge: only a weighted vote takes one; this one is soft" in err


def test_tables_that_lack_rows_are_refused_with_the_ways_on_and_vote_by_them(command, tmp_path):
    tables = make_run(tmp_path, "") / "tables"
    fewer = ensembles.read_table(tables / "two/oof.parquet")
    ensembles.write_table(tables / "two/oof.parquet", fewer.take(fewer.fold != 1))
    code, _, err = command("vote", "--tables", tables, "--out", tmp_path / "voted")
    assert code == 2
    assert "two lacks fold 1 (20 rows)" in err
    assert "--common-rows" in err
    assert "--missing-rows" in err
    code, out, _ = command(
        "vote", "--tables", tables, "--out", tmp_path / "voted", "--missing-rows"
    )
    assert code == 0
    assert "of 60 OOF rows all members have 40 (two has 40)" in " ".join(out.split())
    record = unsealed(json.loads((tmp_path / "voted/vote.json").read_text()))
    assert record["missing_rows"] == {"rows": 40, "of": 60, "members": {"one": 60, "two": 40}}
    assert record["objective"] == "log_loss"
    code, _, err = command("vote", "--tables", tables, "--mode", "soft", "--missing-rows")
    assert code == 2
    assert "missing_rows: a soft vote fits no weights to them" in " ".join(err.split())


def test_a_run_of_before_with_an_objective_that_chose_nothing_votes_on(command, tmp_path):
    run = make_run(tmp_path, "vote: {mode: soft, objective: log_loss}\n")
    code, out, _ = command("vote", "--run", run)
    assert code == 0
    assert "the spec's objective log_loss chooses nothing in a soft vote" in out
    assert vote_json(run, "soft")["objective"] is None


@pytest.mark.parametrize("in_ranges", [False, True])
def test_the_leaderboard_shows_votes_in_memory_and_in_ranges(
    command, tmp_path, monkeypatch, in_ranges
):
    run = make_run(tmp_path, "vote: {mode: weighted, objective: log_loss}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("ensembles.large.footers.too_large", lambda *_: in_ranges)
    (run / "search").mkdir()
    code, out, err = command("vote", "--run", run, "--json", "vote.json")
    assert code == 0, err
    assert ("in ranges of rows" in out) == in_ranges
    record = vote_json(run, "weighted-log_loss")
    assert json.loads((tmp_path / "vote.json").read_text()) == record
    code, out, err = command("leaderboard", "--run", run, "--json", "board.json")
    assert code == 0, err
    members = {r["name"]: r for r in json.loads((tmp_path / "board.json").read_text())}
    assert members["one"]["oof"] == record["solo"]["one"]
    assert members["weighted-log_loss"]["estimate"] == record["estimate"]


TABLES = ["--tables", "runs/e/tables"]
FILES = ["--submissions", "a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*TABLES, "--small"], "--small beside --tables"),
        ([*TABLES, "--set", "vote.top=1"], "--set beside --tables"),
        ([*TABLES, "--top", "0"], "top: 0, but must be 1 or more"),
        ([*TABLES, "--top", "3"], "top: 3, but must be 1 to 2"),
        ([*TABLES, "--mode", "soft", "--objective", "macro_f1"], "nothing in this soft vote"),
        ([*TABLES, "--weights", "one=1"], "a weighted vote fits its own"),
        ([*TABLES, "--mode", "hard", "--pool", "linear"], "a hard vote counts votes"),
        ([*TABLES, "--negative"], "need the log-linear pool"),
        ([*TABLES, "--ridge", "-1"], "ridge: -1.0, but must be 0 or more"),
        ([*TABLES, "--pareto", "--mode", "soft", "--top", "1"], "--top beside --pareto"),
        ([*TABLES, "--pareto", "--choice", "ridge poo"], "Did you mean ridge pool?"),
        ([*TABLES, "--pareto", "--why", "test1"], "--why beside --pareto"),
        ([*TABLES, "--pareto", "--out", "o"], "--out beside --pareto"),
        ([*TABLES, "--why", "test1", "--out", "o"], "--out beside --why"),
        ([*TABLES, "--why", "test1", "--address", "x:1"], "--address beside --why"),
        ([*FILES, "--small", "--set", "a=1"], "--small, --set beside --submissions"),
        ([*FILES, "--address", "x:1"], "--address beside --submissions"),
        ([*FILES, "--pareto"], "--pareto beside --submissions"),
        ([*FILES, "--objective", "macro_f1"], "--objective beside --submissions"),
        ([*FILES, "--top", "1"], "there is no vote.json"),
        ([*FILES, "--offsets"], "--offsets beside --submissions"),
        ([*FILES, "--temperature"], "--temperature beside --submissions"),
        ([*FILES, "--ridge", "1"], "--ridge beside --submissions"),
        ([*FILES, "--negative"], "--negative beside --submissions"),
        ([*FILES, "--pool", "linear"], "a hard vote counts votes"),
        ([*FILES, "--weights", "c=1"], "no member 'c'; there are a, b"),
        ([*FILES, "--why", "z"], "no photograph of that id"),
        ([*FILES, *TABLES], "give one of"),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused(command, tmp_path, arguments, said):
    make_run(tmp_path, "")
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("ImageID,ans\nx,1\ny,2\n")
    code, _, err = command("vote", *arguments)
    assert code == 2
    assert said in err
    assert not list(tmp_path.rglob("vote.json"))


def test_submissions_take_weights_a_pool_and_why(command, tmp_path):
    for name, answers in (("a", "12"), ("b", "32"), ("c", "31")):
        rows = f"x,{answers[0]}\ny,{answers[1]}\n"
        (tmp_path / f"{name}.csv").write_text("ImageID,ans\n" + rows)
    files = ["a.csv", "b.csv", "c.csv"]
    assert command("vote", "--submissions", *files, "--weights", "a=3", "--out", "o")[0] == 0
    assert (tmp_path / "o/submission.csv").read_text().split() == ["ImageID,ans", "x,1", "y,2"]
    assert json.loads((tmp_path / "o/vote.json").read_text())["members"]["a"] == 0.6
    code, out, _ = command("vote", "--submissions", *files, "--weights", "a=3", "--why", "x")
    assert code == 0
    assert "Without any one of these it would be another class: a" in out
    (tmp_path / "s.csv").write_text("ImageID,cat,dog\nx,0.99,0.01\n")
    (tmp_path / "t.csv").write_text("ImageID,cat,dog\nx,0.2,0.8\n")
    soft = ["vote", "--mode", "soft", "--submissions", "s.csv", "t.csv", "--out", "p"]
    assert command(*soft, "--pool", "log_linear", "--weights", "t=3")[0] == 0
    powers = np.array([0.99, 0.01]) ** 0.25 * np.array([0.2, 0.8]) ** 0.75
    found = ensembles.read_table(tmp_path / "p/probabilities.parquet").probabilities[0]
    np.testing.assert_allclose(found, powers / powers.sum(), atol=1e-6)
