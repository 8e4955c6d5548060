"""Members that are stackers over other members' tables: tables of their own, made when those change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembles import Table, read_table, stack_table, write_table
from ensembles.second_level import trees
from members.data.codec import Codec
from orchestrator.commands.run import Run, members_of
from orchestrator.errors import WrongRequest
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import table_damage
from orchestrator.runs.store import Store
from orchestrator.spec import load, located
from orchestrator.units.stacks import assemble_stack, stack_problems
from tests.orchestrator import one_slot
from tests.orchestrator.in_process import vote_on

SPEC = """\
name: s
data: {layout: table, train: photos.csv, test: new.csv}
folds: {k: 3}
members:
  - {name: second, stack: {of: [one, two]}}
  - {name: one, model: test_resnet}
  - {name: two, model: test_vit}
  - name: third
    stack:
      of: [one, second]
      kind: logistic
"""
N, CLASSES = 60, ("x", "y", "z")


def write_member(store: Store, photographs: Photographs, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for kind, frame in (("oof", photographs.train), ("test", photographs.test)):
        oof = kind == "oof"
        table = Table(
            ids=frame["image_id"].to_numpy(str),
            probabilities=rng.dirichlet(np.ones(3), len(frame)).astype(np.float32),
            fold=frame["fold"].to_numpy() if oof else None,
            label=frame["label"].to_numpy() if oof else None,
            meta={"classes": list(CLASSES), "member": name},
        )
        write_table(store.uri(f"tables/{name}/{kind}.parquet"), table)
    store.write(f"tables/{name}/made_from.txt", "the same as ever")


@pytest.fixture
def run(tmp_path):
    """A run with the tables of two members: 60 photos of 20 people, 3 folds, 4 photos to predict."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    spec, store = load(tmp_path / "spec.yaml"), Store(tmp_path / "run")
    codec = Codec({"label": CLASSES})
    labels = np.random.default_rng(0).integers(3, size=N).astype(np.int16)
    train = pd.DataFrame(
        {
            "image_id": [f"p{i:02}" for i in range(N)],
            "group": [f"g{i // 3:02}" for i in range(N)],
            "fold": (np.arange(N) // 3 % 3).astype(np.int16),
            "label": labels,
            "digest": "x",
        }
    )
    test = pd.DataFrame({"image_id": list("abcd"), "label": np.int16(-1), "digest": "y"})
    photographs = Photographs(train, test, codec)
    train.to_parquet(tmp_path / "images.parquet")
    store.write("images.parquet", (tmp_path / "images.parquet").read_bytes())
    for seed, name in enumerate(("one", "two")):
        write_member(store, photographs, name, seed)
    return Run(spec, store), photographs


def assemble(run, photographs):
    return [assemble_stack(own, photographs, run.store) for own in run.spec.stacks]


def tables(run, kind):
    return {
        name: read_table(run.store.uri(f"tables/{name}/{kind}.parquet"))
        for name in run.store.list("tables")
    }


def contents(run, name):
    folder = f"tables/{name}"
    return {file: run.store.read(f"{folder}/{file}") for file in run.store.list(folder)}


def test_its_tables_are_the_ones_that_stack_table_makes(run):
    run, photographs = run
    assert assemble(run, photographs) == [True, True]
    oof, test = tables(run, "oof"), tables(run, "test")
    groups = dict(zip(photographs.train["image_id"], photographs.train["group"], strict=True))
    for name, of in (("second", ("one", "two")), ("third", ("one", "second"))):
        expected = stack_table(
            {m: oof[m] for m in of}, {m: test[m] for m in of}, groups=groups, name=name
        )
        assert (oof[name].probabilities == expected.oof.probabilities).all()
        assert (test[name].probabilities == expected.test.probabilities).all()
        assert oof[name].ids.tolist() == list(photographs.train["image_id"])
        assert (oof[name].label == photographs.train["label"]).all()
        assert oof[name].meta["data_hash"] == photographs.data_hash
        assert oof[name].meta["answers"] == list(CLASSES)
        record = run.store.read_json(f"tables/{name}/stack.json")
        assert record["of"] == list(of)
        assert table_damage(f"tables/{name}", run.store) == []


def test_it_votes_beside_its_members(run):
    run, photographs = run
    assemble(run, photographs)
    vote = vote_on(run, "soft")
    assert list(vote.weights) == ["one", "two", "second", "third"]
    assert vote.notes == []


def test_it_is_made_again_where_a_member_s_table_is_another_and_not_otherwise(run):
    run, photographs = run
    assemble(run, photographs)
    before = contents(run, "second"), contents(run, "third")
    run.store.write("tables/second/made.txt", "of the first call")  # gone where it is made again
    assemble(run, photographs)
    assert run.store.exists("tables/second/made.txt")
    write_member(run.store, photographs, "two", seed=7)
    assemble(run, photographs)
    assert not run.store.exists("tables/second/made.txt")
    assert contents(run, "second")["oof.parquet"] != before[0]["oof.parquet"]
    assert contents(run, "third")["oof.parquet"] != before[1]["oof.parquet"]
    write_member(run.store, photographs, "two", seed=1)
    assemble(run, photographs)
    assert (contents(run, "second"), contents(run, "third")) == before


def test_a_table_of_it_that_is_gone_is_made_again_alike(run):
    run, photographs = run
    assemble(run, photographs)
    before = contents(run, "second")
    for lost in ("test.parquet", "stack.json", "made_from.txt"):
        run.store.delete(f"tables/second/{lost}")
        assemble(run, photographs)
        assert contents(run, "second") == before


def test_without_a_member_s_tables_there_is_none_and_the_vote_says_so(run):
    run, photographs = run
    assemble(run, photographs)
    run.store.delete("tables/two")
    assert assemble(run, photographs) == [False, False]
    assert run.store.list("tables") == ["one"]
    voting, notes = members_of(run)
    assert voting == ["one"]
    assert "the stack second is not made, since there are no tables of two, so left out." in notes


# -- what a spec may say ---------------------------------------------------------------------------


def test_a_spec_with_stacks_among_its_members_survives_being_written(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    spec = load(tmp_path / "spec.yaml")
    assert [member.name for member in spec.members] == ["one", "two"]
    assert spec.voters() == ("one", "two", "second", "third")
    (tmp_path / "resolved.yaml").write_text(spec.to_yaml())
    assert load(tmp_path / "resolved.yaml") == spec


def test_small_and_set_reach_a_stack_by_its_name(tmp_path):
    text = SPEC + "small: {members: {third: null, second: {stack: {of: [two]}}}}\n"
    (tmp_path / "spec.yaml").write_text(text)
    spec = load(tmp_path / "spec.yaml", small=True, sets=["members.second.stack.kind=lightgbm"])
    (own,) = spec.stacks
    assert own.stack.of == ("two",)
    assert own.stack.kind == "lightgbm"


def refused(tmp_path, *changes, sets=()):
    text = SPEC
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(WrongRequest) as caught:
        load(tmp_path / "spec.yaml", sets=sets)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("of: [one, two]", "of: [one, twi]",
         "spec.yaml, line 5: members.second.stack.of: unknown member 'twi'. Did you mean 'two'?"),
        ("of: [one, two]", "of: [one, third]",
         "line 5: members.second.stack.of: third is a stack that stands behind it. Move third before"),
        ("of: [one, two]", "of: [second]", "members.second.stack.of: a stack is not made of itself"),
        ("of: [one, two]", "of: [one, one]", "members.second.stack.of: one stands there twice"),
        ("of: [one, two]", "of: []", "line 5: members.second.stack.of: "),
        ("kind: logistic", "kind: logistik",
         "line 11: members.third.stack.kind: got 'logistik'. Did you mean 'logistic'?"),
        ("kind: logistic", "knd: logistic",
         "line 11: members.third.stack: unknown key 'knd'. Did you mean 'kind'?"),
        ("of: [one, two]}", "of: [one, two]}, model: test_vit",
         "line 5: members.second: unknown key 'model'"),
        ("name: third", "name: two", "line 8: members.3.name: two members are called 'two'"),
        ("k: 3", "scheme: all", "folds.scheme all holds no photos out"),
        ("folds: {k: 3}", "stacks: []", "line 3: stacks: unknown key 'stacks'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, problem):
    assert any(problem in found for found in refused(tmp_path, (old, new)))


def test_all_mistakes_are_said_at_once_and_those_of_networks_keep_their_lines(tmp_path):
    found = refused(
        tmp_path,
        ("of: [one, two]", "of: [one, two], kind: x"),
        ("model: test_vit", "model: test_vit, epochs: 0"),
        sets=["members.third.stack.kind=y", "members.one.lr=-1"],
    )
    assert len(found) == 4
    assert any(p.startswith("spec.yaml, line 5: members.second.stack.kind: got 'x'") for p in found)
    assert any(p.startswith("spec.yaml, line 7: members.two.epochs") for p in found)
    assert any(p.startswith("--set members.third.stack.kind=y: ") for p in found)
    assert any(p.startswith("--set members.one.lr=-1: ") for p in found)


def test_members_that_predict_some_targets_are_joined_first(tmp_path):
    (tmp_path / "spec.yaml").write_text(
        "name: s\ndata: {train: photos}\nmembers:\n"
        "  - {name: a, model: test_vit, targets: [mask, age]}\n"
        "  - {name: b, model: test_vit, targets: [gender]}\n"
        "  - {name: c, stack: {of: [a, both]}}\n"
        "join: {name: both, of: [a, b]}\n"
    )
    with pytest.raises(WrongRequest) as caught:
        load(tmp_path / "spec.yaml")
    (problem,) = caught.value.problems
    assert "a predicts mask and age only. Join such members, and name the join" in problem


def test_what_hinders_it_here_is_said_before_anything_is_trained(run, tmp_path, monkeypatch):
    run, photographs = run
    assert stack_problems(run.spec, photographs) == []
    monkeypatch.setattr(trees, "is_installed", lambda: False)
    spec = load(tmp_path / "spec.yaml", sets=["members.third.stack.kind=lightgbm"])
    (problem,) = stack_problems(spec, photographs)
    assert problem.startswith("members.third.stack.kind: lightgbm needs the package lightgbm")
    file = tmp_path / "spec.yaml"
    with pytest.raises(WrongRequest) as caught, located(spec, file, small=False, sets=()):
        raise WrongRequest([problem, "two: something of a network"])
    assert caught.value.problems[0].startswith(f"{file}, line 11: members.third.stack.kind")
    assert caught.value.problems[1].startswith(f"{file}, line 7: two: ")
    few = Photographs(photographs.train.assign(group="g", fold=0), None, photographs.codec)
    assert "takes 3 or more folds or groups" in stack_problems(run.spec, few)[0]


# -- by the commands -------------------------------------------------------------------------------

FIXTURE = Path(__file__).parents[2] / "fixtures" / "earlier_run"


def test_a_trained_run_gets_a_stack_without_training_anything(tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(FIXTURE, folder)
    spec = folder / "spec.yaml"
    line = "  - {name: stacked, stack: {of: [plain, searched], kind: logistic}}\n"
    spec.write_text(spec.read_text().replace("search:\n", f"{line}search:\n"))
    with one_slot.commands(folder) as run:
        said = run("check", "spec.yaml", "--json", "plan.json")
        assert "stacked: a logistic stack of plain, searched" in " ".join(said.split())
        plan = json.loads((folder / "plan.json").read_text())
        assert plan["stacks"] == [
            {"name": "stacked", "stack": {"of": ["plain", "searched"], "kind": "logistic"}}
        ]
        assert [row["member"] for row in plan["members"]] == ["searched", "plain"]
        assert "Nothing to do: all 4 units are trained" in run("train-members", "spec.yaml")
        made = folder / "runs/earlier/tables/stacked"
        files = {file: file.read_bytes() for file in made.iterdir()}
        assert {file.name for file in files} == {
            "oof.parquet", "test.parquet", "stack.json", "made_from.txt", "SHA256SUMS"
        }  # fmt: skip
        run("train-members", "spec.yaml")
        assert {file: file.read_bytes() for file in made.iterdir()} == files
        run("vote", "spec.yaml", "--mode", "soft", "--json", "vote.json")
        vote = json.loads((folder / "vote.json").read_text())
        assert set(vote["members"]) == {"searched", "plain", "stacked"}
        run("leaderboard", "spec.yaml", "--json", "rows.json")
        names = [row["name"] for row in json.loads((folder / "rows.json").read_text())]
        assert "stacked" in names
        said = run("train-members", "spec.yaml", "--only", "stacked", code=2)
        assert "stacked is made of other members' tables" in " ".join(said.split())
        monkeypatch.setattr(trees, "is_installed", lambda: False)
        for command in ("check", "train-members"):
            said = run(command, "spec.yaml", "--set", "members.stacked.stack.kind=lightgbm", code=2)
            assert "pip install lightgbm" in said
