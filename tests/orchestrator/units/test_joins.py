"""Members that predict different targets, multiplied into one table that votes beside the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ensembles import Table, read_table, write_table
from members.data.codec import PROFILES, joint
from orchestrator.commands.run import Run
from orchestrator.errors import WrongRequest
from orchestrator.photographs.table import Photographs, codec_of, labels_of
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units.joins import assemble_join
from tests.orchestrator.in_process import vote_on

SPEC = """\
name: j
data: {train: photos/train}
folds: {k: 2}
members:
  - {name: whole, model: test_resnet}
  - {name: one, model: test_resnet, targets: [age, mask]}
  - {name: two, model: test_vit, targets: [gender]}
join: {name: both, of: [two, one]}
"""


def random_probabilities(n, k, seed):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n).astype(np.float32)


def test_a_joint_probability_is_the_product_of_its_parts():
    codecs = {"one": PROFILES.subset(["mask", "age"]), "two": PROFILES.subset(["gender"])}
    parts = {"two": random_probabilities(5, 2, 0), "one": random_probabilities(5, 9, 1)}
    got = joint(parts, codecs, PROFILES)
    assert got.shape == (5, 18)
    for label in range(18):
        mask, gender, age = label // 6, label // 3 % 2, label % 3
        expected = parts["one"][:, mask * 3 + age] * parts["two"][:, gender]
        assert got[:, label] == pytest.approx(expected, abs=1e-6)
    assert got.sum(1) == pytest.approx(np.ones(5), abs=1e-6)


def test_the_marginals_of_a_join_are_its_parts():
    codecs = {t: PROFILES.subset([t]) for t in PROFILES.targets}
    sizes = {target: len(names) for target, names in PROFILES.targets.items()}
    parts = {target: random_probabilities(7, n, seed=n) for target, n in sizes.items()}
    got = joint(parts, codecs, PROFILES).reshape(7, 3, 2, 3)
    for axis, target in enumerate(PROFILES.targets, start=1):
        others = tuple({1, 2, 3} - {axis})
        assert got.sum(others) == pytest.approx(parts[target], abs=1e-6)


@pytest.fixture
def run(tmp_path):
    """A run whose members' tables are there: 12 photos, one of each target's values in turn."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    spec, store = load(tmp_path / "spec.yaml"), Store(tmp_path / "run")
    n = 36
    labels = np.arange(n) % 18
    frame = pd.DataFrame(
        {
            "image_id": [f"p{i:02}" for i in range(n)],
            "group": [f"g{i:02}" for i in range(n)],
            "fold": (np.arange(n) // 18).astype(np.int16),
            "label": labels.astype(np.int16),
            **PROFILES.decode(labels),
            "digest": "x",
        }
    )
    test = pd.DataFrame({"image_id": ["t1", "t2"], "label": -1, "digest": "y"})
    for target in PROFILES.targets:
        test[target] = -1
    photographs = Photographs(frame, test, PROFILES)
    frame.to_parquet(tmp_path / "images.parquet")
    store.write("images.parquet", (tmp_path / "images.parquet").read_bytes())
    for seed, member in enumerate(spec.members):
        codec = codec_of(member, PROFILES)
        k = len(codec.classes)
        for kind, part in (("oof", frame), ("test", test)):
            known = labels_of(part, codec)
            write_table(
                store.uri(f"tables/{member.name}/{kind}.parquet"),
                Table(
                    ids=part["image_id"].to_numpy(str),
                    probabilities=random_probabilities(len(part), k, seed),
                    fold=part["fold"].to_numpy() if kind == "oof" else None,
                    label=known if kind == "oof" else None,
                    meta={"classes": list(codec.classes), "member": member.name},
                ),
            )
        store.write(f"tables/{member.name}/made_from.txt", member.name)
    return Run(spec, store), photographs


def table(run, name, kind):
    return read_table(run.store.uri(f"tables/{name}/{kind}.parquet"))


def test_a_join_has_an_oof_and_a_test_table_with_the_joint_labels(run):
    run, photographs = run
    assert assemble_join(run.spec.join[0], run.spec, photographs, run.store)
    oof, test = table(run, "both", "oof"), table(run, "both", "test")
    assert (oof.label == photographs.train["label"]).all()
    assert (oof.fold == photographs.train["fold"]).all()
    assert oof.classes == list(PROFILES.classes)
    assert test.ids.tolist() == ["t1", "t2"]
    assert test.label is None
    one, two = table(run, "one", "oof"), table(run, "two", "oof")
    # class 13 is normal/male/30-59: of `one` normal/30-59, which is 2 * 3 + 1
    assert oof.probabilities[:, 13] == pytest.approx(
        one.probabilities[:, 7] * two.probabilities[:, 0], abs=1e-6
    )


def test_a_join_votes_beside_whole_members_and_its_parts_do_not(run):
    run, photographs = run
    assemble_join(run.spec.join[0], run.spec, photographs, run.store)
    vote = vote_on(run, "soft")
    assert set(vote.weights) == {"whole", "both"}
    assert not any("left out" in note for note in vote.notes)
    whole, both = table(run, "whole", "test"), table(run, "both", "test")
    assert vote.probabilities == pytest.approx(
        (whole.probabilities + both.probabilities) / 2, abs=1e-6
    )


def test_a_join_follows_its_parts(run):
    run, photographs = run
    join = run.spec.join[0]
    assemble_join(join, run.spec, photographs, run.store)
    before = run.store.read("tables/both/made_from.txt")
    assert assemble_join(join, run.spec, photographs, run.store)
    assert run.store.read("tables/both/made_from.txt") == before
    run.store.write("tables/one/made_from.txt", "trained again")
    assert assemble_join(join, run.spec, photographs, run.store)
    assert run.store.read("tables/both/made_from.txt") != before
    run.store.delete("tables/one")
    assert not assemble_join(join, run.spec, photographs, run.store)
    assert not run.store.exists("tables/both")
    assert set(vote_on(run, "soft").weights) == {"whole"}


@pytest.mark.parametrize(
    ("join", "problem"),
    [
        ("{name: both, of: [two, on]}", "Did you mean 'one'"),
        ("{name: both, of: [one, whole]}", "must predict 'mask', but one and whole do"),
        ("{name: both, of: [one]}", "of: a list of 2 or more"),
        ("{name: whole, of: [two, one]}", "a member or join of this name exists"),
        ("{nam: both, of: [two, one]}", "Did you mean 'name'"),
    ],
)
def test_wrong_joins_are_refused(tmp_path, join, problem):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("{name: both, of: [two, one]}", join))
    with pytest.raises(WrongRequest) as caught:
        load(tmp_path / "spec.yaml")
    assert problem in "\n".join(caught.value.problems)


def test_a_join_that_leaves_a_target_out_is_refused(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("targets: [age, mask]", "targets: [age]"))
    with pytest.raises(WrongRequest) as caught:
        load(tmp_path / "spec.yaml")
    (problem,) = caught.value.problems
    assert "exactly one part must predict 'mask', but none does" in problem


def test_several_joins_are_a_list_and_survive_the_resolved_spec(tmp_path):
    one, two = "{name: both, of: [two, one]}", "{name: again, of: [one, two]}"
    (tmp_path / "spec.yaml").write_text(SPEC.replace(one, f"[{one}, {two}]"))
    spec = load(tmp_path / "spec.yaml")
    assert spec.voters() == ("whole", "both", "again")
    (tmp_path / "resolved.yaml").write_text(spec.to_yaml())
    assert load(tmp_path / "resolved.yaml") == spec
