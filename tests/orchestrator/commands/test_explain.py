"""The vote's reasons through the command line, on tables made elsewhere."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from ensembles import Table, write_table
from orchestrator.cli.app import commands


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "tables"
    for kind, n_rows in (("oof", 240), ("test", 30)):
        labels = rng.integers(0, 3, n_rows)
        for cost, name in enumerate(("one", "two", "three"), 1):
            logits = rng.normal(size=(n_rows, 3))
            logits[np.arange(n_rows), labels] += cost / 2 + 0.5
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            write_table(
                folder / name / f"{kind}.parquet",
                Table(
                    np.array([f"{kind}{i}.jpg" for i in range(n_rows)], object),
                    p.astype(np.float32),
                    (np.arange(n_rows) % 4).astype(np.int16) if kind == "oof" else None,
                    labels.astype(np.int16) if kind == "oof" else None,
                    {"milliseconds_per_photo": float(cost)},
                ),
            )
    return folder


def run(*arguments):
    done = CliRunner().invoke(commands(), list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_vote_prints_its_reasons_and_what_it_chose_from(tables, tmp_path):
    text = run("vote", "--tables", tables, "--out", tmp_path / "v", "--json", tmp_path / "v.json")
    record = json.loads((tmp_path / "v.json").read_text())
    assert record["choice"] == "mean"
    assert f"the mean of {len(record['rules'])} kinds" in text
    for rule in record["rules"]:
        assert rule["name"] in text
    assert "All within 2 standard errors of the best in macro F1 count equally" in text
    for reason in record["reasons"]:
        assert f"{reason['text'][:30]}" in text
    assert (tmp_path / "v" / "submission.csv").exists()
    known = [own for rule in record["rules"] if (own := rule["gradient"]) is not None]
    assert f"no entry of its gradient is above {max(known):.1e}" in " ".join(text.split())


def test_the_simplest_is_said_to_be_chosen(tables, tmp_path):
    command = ("vote", "--tables", tables, "--choice", "simplest")
    text = run(*command, "--out", tmp_path / "v", "--json", tmp_path / "v.json")
    assert f"weighted vote ({json.loads((tmp_path / 'v.json').read_text())['choice']})" in text
    assert "<- chosen" in text
    assert "Chosen: the simplest within one standard error" in text


def test_why_shows_what_each_rule_of_a_mean_says(tables, tmp_path):
    command = ("vote", "--tables", tables, "--why", "test3.jpg", "--json", tmp_path / "why.json")
    text = run(*command)
    rules = json.loads((tmp_path / "why.json").read_text())["rules"]
    assert len(rules) > 1
    for rule in rules:
        assert rule["name"] in text
    assert "their mean" in text
    known = [rule["gradient"] for rule in rules if rule["gradient"] is not None]
    assert f"no entry of its gradient is above {max(known):.1e}" in " ".join(text.split())


def test_why_shows_every_member_and_writes_no_vote(tables, tmp_path):
    text = run("vote", "--tables", tables, "--mode", "soft", "--why", "test3.jpg")
    for name in ("one", "two", "three", "linear pool", "first choices"):
        assert name in text
    assert not list(tmp_path.rglob("vote.json"))
    with pytest.raises(Exception, match=r"Did you mean test3\.jpg"):
        run("vote", "--tables", tables, "--mode", "soft", "--why", "tset3.jpg")


def test_the_front_names_the_cheapest_that_is_as_good(tables):
    text = run("vote", "--tables", tables, "--pareto")
    assert "ms a photo" in text
    assert "Each line is the vote (mean) fitted to these members alone" in text
    assert "Cheapest within one standard error of the best: " in text


@pytest.mark.parametrize("options", [(), ("--choice", "simplest"), ("--mode", "soft")])
def test_a_point_of_the_front_is_the_vote_over_a_folder_of_its_members(tables, tmp_path, options):
    run("vote", "--tables", tables, "--pareto", *options, "--json", tmp_path / "front.json")
    front = json.loads((tmp_path / "front.json").read_text())
    assert front["whole"]["members"] == ["one", "three", "two"]  # as the folder lists them
    for i, point in enumerate(front["points"]):
        folder = tmp_path / f"some-{i}"
        for name in point["members"]:
            shutil.copytree(tables / name, folder / name)
        out = tmp_path / f"vote-{i}"
        run("vote", "--tables", folder, *options, "--out", out)
        record = json.loads((out / "vote.json").read_text())
        for metric in ("macro_f1", "accuracy", "log_loss"):
            assert point[metric] == record["estimate"][metric]
        assert point["standard_error"] == record["estimate"]["standard_error"]["macro_f1"]
        assert point["choice"] == record["choice"]


def test_options_of_a_vote_reach_it(tables, tmp_path):
    out = tmp_path / "v"
    for arguments, key, value in (
        (["--mode", "weighted", "--pool", "log_linear", "--offsets"], "pool", "log_linear"),
        (["--mode", "hard", "--weights", "one=2", "--weights", "two=0"], "mode", "hard"),
        (["--mode", "soft", "--top", "2"], "choice", None),
        (["--mode", "weighted", "--ridge", "50"], "objective", "log_loss"),
    ):
        run("vote", "--tables", tables, "--out", out, *arguments)
        record = json.loads((out / "vote.json").read_text())
        assert record[key] == value
    assert all(weight > 0 for weight in record["members"].values())


def test_tables_too_large_for_memory_are_voted_over_in_ranges(tables, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run("vote", "--tables", tables, "--out", tmp_path / "whole")
    monkeypatch.setattr("ensembles.large.footers.too_large", lambda *_: True)
    text = run("vote", "--tables", tables, "--out", tmp_path / "ranges")
    assert "in ranges of rows" in text
    assert "fitted to a stratified sample, 240 of 240 rows" in text
    first, second = ((tmp_path / d / "submission.csv").read_bytes() for d in ("whole", "ranges"))
    assert first == second
    text = run("vote", "--tables", tables, "--why", "test3.jpg", "--mode", "soft")
    assert "first choices" in text


def test_two_submissions_are_laid_side_by_side(tables, tmp_path):
    for mode in ("hard", "soft"):
        run("vote", "--tables", tables, "--mode", mode, "--out", tmp_path / mode)
    a = tmp_path / "hard" / "submission.csv"
    lines = a.read_text().splitlines()
    image_id, answer = lines[1].split(",")
    lines[1] = f"{image_id},{(int(answer) + 1) % 3}"
    b = tmp_path / "changed.csv"
    b.write_text("\n".join(lines) + "\n")
    text = run("compare", a, b)
    assert f"{image_id}: {answer} in " in text
    assert "answer" in text


def test_any_number_of_submissions_is_laid_side_by_side(tmp_path):
    for name, answers in (("a", "0123"), ("b", "0122"), ("c", "0123"), ("d", "3123")):
        rows = "".join(f"{i},{answer}\n" for i, answer in enumerate(answers))
        (tmp_path / f"{name}.csv").write_text("ImageID,ans\n" + rows)
    files = [tmp_path / f"{name}.csv" for name in "abcd"]
    text = run("compare", *files, "--json", tmp_path / "out.json")
    assert "a and c are the same submission" in text
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["agreement"][0] == [1.0, 0.75, 1.0, 0.75]
    assert report["counts"]["d"] == {"0": 0, "1": 1, "2": 1, "3": 2}
    assert report["rows_that_differ"]["b | d"] == [["0", "0", "3"], ["3", "2", "3"]]
    assert len(report["rows_that_differ"]) == 6


def test_an_equal_submission_of_the_same_run_is_noticed(tmp_path):
    from ensembles.files.compare import same_submissions
    from ensembles.files.submission import write_submission

    ids = np.array(["a", "b"], object)
    write_submission(tmp_path / "votes/soft/submission.csv", ids, ["1", "0"])
    write_submission(tmp_path / "votes/hard/submission.csv", ids, ["1", "1"])
    folder = f"{tmp_path}/votes"
    found = same_submissions(ids, ["1", "0"], folder, f"{folder}/weighted")
    assert found == [f"{folder}/soft/submission.csv"]
    assert same_submissions(ids, ["1", "0"], folder, f"{folder}/soft") == []
