"""What averaging the folds' models gains, from the units' own test tables in a run folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import ensembles
from ensembles.files.digests import unsealed
from ensembles.judging.averaging import expected_gains
from ensembles.weights.offsets import fit_temperature
from orchestrator.runs.store import Store
from orchestrator.units.fold_tables import averaging_gains

SPEC = """\
name: e
data: {layout: table, train: photos.csv}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_resnet, seeds: [1, 2]}
vote: {mode: soft}
"""
HASH = "0123456789abcdef"
K, N_OOF, N_TEST = 3, 90, 40


def draw(rng, labels):
    logits = rng.normal(size=(len(labels), K))
    logits[np.arange(len(labels)), labels] += 1.5
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def table(kind, probabilities, labels=None):
    n = len(probabilities)
    ids = np.array([f"{kind}{i}" for i in range(n)], object)
    if labels is None:
        return ensembles.Table(ids, probabilities)
    return ensembles.Table(ids, probabilities, (np.arange(n) % 3).astype(np.int16), labels)


@pytest.fixture
def run(tmp_path):
    """A trained run of two members and three folds; the second member has two seeds. Its test
    tables by fold, (F, M, T, K), stand beside it."""
    rng = np.random.default_rng(0)
    folder, truth = tmp_path / "runs/e", rng.integers(0, K, N_TEST)
    labels = rng.integers(0, K, N_OOF).astype(np.int16)
    by_fold = np.empty((3, 2, N_TEST, K))
    for m, (member, seeds) in enumerate({"one": [""], "two": ["-seed-1", "-seed-2"]}.items()):
        for fold in range(3):
            own = [draw(rng, truth) for _ in seeds]
            by_fold[fold, m] = np.mean(own, axis=0, dtype=float)
            for seed, part in zip(seeds, own, strict=True):
                unit = folder / f"units/{member}/{HASH}/fold-{fold}{seed}"
                ensembles.write_table(unit / "test.parquet", table("test", part))
        tables = folder / f"tables/{member}"
        ensembles.write_table(tables / "oof.parquet", table("oof", draw(rng, labels), labels))
        mean = by_fold[:, m].mean(axis=0).astype(np.float32)
        ensembles.write_table(tables / "test.parquet", table("test", mean))
        (tables / "made_from.txt").write_text(f"{HASH} none None")
    (folder / "spec.yaml").write_text(SPEC)
    np.save(tmp_path / "by_fold.npy", by_fold)
    return folder


def gains(folder):
    oof, test = (ensembles.read_members(folder / "tables", kind) for kind in ("oof", "test"))
    return averaging_gains(ensembles.cast(oof, test, "soft"), oof, test, Store(folder))


def test_they_are_those_of_the_folds_tables_seeds_averaged(run):
    by_fold = np.load(run.parent.parent / "by_fold.npy")
    alone = by_fold.mean(axis=1)  # a soft vote is the members' mean
    others = np.stack([np.delete(alone, fold, axis=0).mean(axis=0) for fold in range(3)])
    oof = ensembles.read_members(run / "tables", "oof")
    mixed = np.mean([own.probabilities for own in oof.values()], axis=0)
    temperature = fit_temperature(mixed, oof["one"].label)
    found, notes = gains(run)
    assert notes == []
    assert found == pytest.approx(expected_gains(alone, others, temperature), abs=1e-5)
    assert found["log_loss"] < 0 < found["accuracy"]


def test_the_command_prints_both_numbers_and_keeps_them(run, command):
    code, out, _ = command("vote", "--run", run, "--json", "found.json")
    assert code == 0
    record = unsealed(json.loads((run / "votes/soft/vote.json").read_text()))
    assert record["averaging"] == pytest.approx(gains(run)[0])
    assert json.loads(Path("found.json").read_text())["averaging"] == record["averaging"]
    gain, estimate = record["averaging"]["macro_f1"], record["estimate"]["macro_f1"]
    text = " ".join(out.split())
    assert f"{estimate:.4f} ±" in text
    assert f"macro F1 {estimate + gain:.4f} ({gain:+.4f})" in text


def test_rows_in_another_order_are_found_by_their_ids(run):
    before = gains(run)[0]
    path = run / f"units/one/{HASH}/fold-1/test.parquet"
    own = ensembles.read_table(path)
    ensembles.write_table(path, own.take(np.random.default_rng(1).permutation(N_TEST)))
    assert gains(run)[0] == pytest.approx(before, abs=1e-7)


@pytest.mark.parametrize("what", ["a unit", "a fold", "all units", "two folds left", "kept units"])
def test_without_every_folds_table_nothing_is_said(run, what):
    units = run / "units/two" / HASH
    if what == "a unit":
        (units / "fold-1-seed-2/test.parquet").unlink()
    elif what == "a fold":
        for seed in (1, 2):
            shutil.rmtree(units / f"fold-1-seed-{seed}")
    elif what == "all units":
        shutil.rmtree(run / "units")
    elif what == "kept units":
        stamp = run / "tables/two/made_from.txt"
        stamp.write_text(stamp.read_text() + f"\n1 of 6 units kept; units {HASH}; data x")
    else:
        for folder in run.glob("units/*/*/fold-2*"):
            shutil.rmtree(folder)
    assert gains(run) == (None, [])


def test_tables_of_other_units_than_the_members_are_refused_with_a_note(run):
    path = run / f"units/one/{HASH}/fold-0/test.parquet"
    own = ensembles.read_table(path)
    own.probabilities[:] = own.probabilities[:, ::-1]
    ensembles.write_table(path, own)
    found, (note,) = gains(run)
    assert found is None
    assert "not those that the members' were made from" in note


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_a_damaged_table_ends_no_vote(run, content):
    path = run / f"units/two/{HASH}/fold-0-seed-1/test.parquet"
    path.write_bytes(content)
    found, (note,) = gains(run)
    assert found is None
    assert "fold-0-seed-1/test.parquet" in note


def test_tables_of_no_run_have_no_such_figure(run, command):
    code, _, _ = command("vote", "--tables", run / "tables", "--mode", "soft", "--out", "voted")
    assert code == 0
    assert "averaging" not in json.loads(Path("voted/vote.json").read_text())
