"""Votes of a run whose tables were made anew since: every reader says which they are."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import ensembles

SPEC = """\
name: e
data: {layout: table, train: photos.csv}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_resnet}
"""


def tables(run, kind, n_rows, prefix, seed):
    rng, labels = np.random.default_rng(seed), np.arange(n_rows) % 3
    for member in ("one", "two"):
        oof = kind == "oof"
        table = ensembles.Table(
            np.array([f"{prefix}{i}" for i in range(n_rows)], object),
            rng.dirichlet(np.ones(3), n_rows).astype(np.float32),
            (np.arange(n_rows) // 20).astype(np.int16) if oof else None,
            labels.astype(np.int16) if oof else None,
        )
        ensembles.write_table(run / f"tables/{member}/{kind}.parquet", table)
        (run / f"tables/{member}/made_from.txt").write_text("0123456789abcdef none None")


@pytest.fixture
def run(tmp_path, command):
    """A soft vote of test photographs that the run has no more, and a hard one of those it has."""
    run = tmp_path / "runs/e"
    tables(run, "oof", 60, "oof", 0)
    tables(run, "test", 20, "old", 1)
    (run / "spec.yaml").write_text(SPEC)
    assert command("vote", "--run", run, "--mode", "soft")[0] == 0
    tables(run, "test", 20, "new", 2)
    assert command("vote", "--run", run, "--mode", "hard")[0] == 0
    return run


def truth(run, prefix):
    path = run.parent / f"{prefix}.csv"
    path.write_text("ImageID,ans\n" + "".join(f"{prefix}{i},{i % 3}\n" for i in range(20)))
    return path


def test_the_leaderboard_marks_them_and_scores_the_others(run, command, tmp_path):
    file = tmp_path / "l.json"
    code, out, _ = command(
        "leaderboard", "--run", run, "--truth", truth(run, "new"), "--json", file
    )
    assert code == 0
    assert re.search(r"^vote soft \*", out, re.MULTILINE)
    assert re.search(r"^vote hard  ", out, re.MULTILINE)
    assert "note: * of other tables than the run has now" in " ".join(out.split())
    rows = {row["name"]: row for row in json.loads(file.read_text())}
    assert {name: row["other_tables"] for name, row in rows.items()} == {
        "one": False, "two": False, "hard": False, "soft": True,
    }  # fmt: skip
    assert rows["soft"]["truth"] is None
    assert rows["hard"]["truth"]["accuracy"] >= 0


def test_a_vote_without_digests_is_said_to_be_unknown(run, command, tmp_path):
    path = run / "votes/hard/vote.json"
    record = json.loads(path.read_text())
    del record["tables"], record["sha256"]  # as before there were digests
    path.write_text(json.dumps(record))
    file = tmp_path / "l.json"
    code, out, _ = command("leaderboard", "--run", run, "--json", file)
    assert code == 0
    assert re.search(r"^vote hard \?", out, re.MULTILINE)
    assert "unknown of which tables" in out
    assert [r["other_tables"] for r in json.loads(file.read_text()) if r["name"] == "hard"] == [
        None
    ]


def test_evaluate_and_compare_say_so(run, command, tmp_path):
    soft, hard = (run / f"votes/{name}/submission.csv" for name in ("soft", "hard"))
    file = tmp_path / "e.json"
    code, out, _ = command("evaluate", soft, "--truth", truth(run, "old"), "--json", file)
    assert code == 0
    assert "note: of other tables than the run has now" in out
    assert json.loads(file.read_text())["other_tables"] == {str(soft): True}
    code, out, _ = command("evaluate", hard, "--truth", truth(run, "new"), "--json", file)
    assert code == 0
    assert "other tables" not in out
    assert "other_tables" not in json.loads(file.read_text())
    code, _, err = command("compare", soft, hard)
    assert code == 2
    assert "of other tables than the run has now" in " ".join(err.split())
    code, out, _ = command("compare", soft, soft, "--json", file)
    assert code == 0
    assert "of other tables than the run has now" in out


def test_a_vote_before_there_were_test_photographs_is_of_other_tables(run, command):
    for member in ("one", "two"):
        (run / f"tables/{member}/test.parquet").unlink()
    assert command("vote", "--run", run, "--mode", "soft")[0] == 0
    tables(run, "test", 20, "new", 3)
    code, out, _ = command("leaderboard", "--run", run)
    assert code == 0
    assert re.search(r"^vote soft \*", out, re.MULTILINE)


def test_why_gives_the_reason_for_an_id_that_is_not_there(run, command):
    code, _, err = command("vote", "--run", run, "--mode", "soft", "--why", "new7.jpg")
    assert code == 2
    assert "But for the ending it is new7." in " ".join(err.split())


def test_rows_that_all_have_vote_in_a_run_too(run, command):
    path = run / "tables/two/test.parquet"
    table = ensembles.read_table(path)
    ensembles.write_table(path, table.take(np.arange(15)))
    code, _, err = command("vote", "--run", run, "--mode", "soft")
    assert code == 2
    assert "--common-rows" in err
    code, out, _ = command("vote", "--run", run, "--mode", "soft", "--common-rows")
    assert code == 0
    assert "15 of 20 test rows" in out
    record = json.loads((run / "votes/soft/vote.json").read_text())
    assert record["common_rows"]["test"] == {"rows": 15, "of": 20}
