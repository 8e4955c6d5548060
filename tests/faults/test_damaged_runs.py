"""What is damaged in a run folder is made again by the next call, and nothing else is touched."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import app
from tests.faults.flips import flip
from tests.faults.small_photographs import SPEC, write_photographs
from tests.orchestrator import one_slot

FIXTURE = Path(__file__).parents[1] / "fixtures" / "earlier_run"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    write_photographs(folder)
    other = "members: [{name: net, normalize: computed}, {name: other, select: common_epoch}]\n"
    (folder / "spec.yaml").write_text(SPEC[: SPEC.index("members:")] + other)
    return folder


@pytest.fixture(scope="module")
def run(folder) -> Iterator[one_slot.Commands]:
    with one_slot.commands(folder) as run:
        run("train-members", "spec.yaml")
        run("vote", "spec.yaml", "--mode", "soft")
        yield run


@pytest.fixture
def root(run, folder) -> Iterator[Path]:
    """The run's folder; afterwards it is as it was."""
    own, kept = folder / "runs/small", folder / "kept"
    shutil.copytree(own, kept)
    yield own
    shutil.rmtree(own)
    kept.rename(own)


def contents(root: Path) -> dict[str, bytes]:
    """Of what a run is made of; times of training and what is put aside left out."""
    left_out = (
        "damaged",
        "timing.json",
        "progress.json",
        "report.html",
        "thumbnails.json",
        ".lock",
    )
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.relative_to(root).parts[0] not in left_out
    }


def times(root: Path) -> dict[str, int]:
    files = [file for file in root.rglob("*") if file.is_file()]
    return {str(file.relative_to(root)): file.stat().st_mtime_ns for file in files}


def fails(*arguments: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["orchestrator", *arguments])
        own = contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed)
        with own[0], own[1], pytest.raises(SystemExit) as end:
            app.main()
    return int(end.value.code or 0), printed.getvalue().replace("\n", " ")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def rot(file: Path) -> None:
    flip(file, 4 * file.stat().st_size)


def foreign(file: Path) -> None:
    file.write_bytes(b'{"another": "program"}')


def remove(file: Path) -> None:
    file.unlink()


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


OF_UNITS = [
    *((damage, "units/net/*/fold-0/oof.parquet") for damage in (empty, cut, rot, foreign, remove)),
    (cut, "units/net/*/fold-0/test.parquet"),
    (rot, "units/other/*/fold-1/epochs/2-oof.parquet"),
    (rot, "units/other/*/fold-0/test.parquet"),
    (cut, "units/other/*/fold-0/model.safetensors"),
    (remove, "units/net/*/fold-1/history.csv"),
]  # fmt: skip
OF_RUNS = [
    *((damage, name) for name in ("images.parquet", "targets.json", "spec.yaml")
      for damage in (empty, cut, rot, foreign)),
    *((damage, f"tables/net/{name}") for name in ("oof.parquet", "SHA256SUMS", "epochs.json")
      for damage in (empty, cut, rot)),
    (remove, "tables/other/test.parquet"),
    (cut, "test.parquet"),
    (remove, "tables/other/SHA256SUMS"),
]  # fmt: skip
OF_RECORDS = [
    *((damage, "units/net/*/fold-0/unit.json") for damage in (empty, cut, rot, foreign)),
    (cut, "units/net/*/fold-1/model.safetensors"),
]


@pytest.mark.fault(
    "a table of a finished unit is empty, cut, rotten, foreign or gone",
    "it is named, set aside and predicted again; nothing is trained, nothing else is touched",
)
def test_tables_of_units_are_predicted_again(run, root, measured):
    """Each in turn, since each call mends all: nothing is trained, nothing else is written."""
    for damage, pattern in OF_UNITS:
        before = contents(root)
        (file,) = root.glob(pattern)
        path = str(file.relative_to(root))
        known = times(root)
        damage(file)
        printed = run("train-members", "spec.yaml")
        assert f"{path}:" in printed.replace("\n", ""), printed
        assert contents(root).keys() == before.keys()
        now = contents(root)
        differ = {name for name in before if now[name] != before[name]}
        assert differ <= {str(file.parent.relative_to(root)).partition("/epochs")[0] + "/unit.json"}
        written = {name for name, time in times(root).items() if known.get(name) != time}
        folder = str(file.parent.relative_to(root)).partition("/epochs")[0]
        of_others = {n for n in written if n.startswith("units/") and not n.startswith(folder)}
        assert of_others == set()
        assert "Nothing to do" in run("train-members", "spec.yaml")
    measured(units_kept=4, units=4, tables_equal=True)


@pytest.mark.fault(
    "tables/, images.parquet, targets.json or spec.yaml are empty, cut, rotten, foreign or gone",
    "named, set aside and made again, with equal bytes; nothing is trained",
)
def test_files_of_the_run_are_made_again_without_training(run, root, measured):
    before = contents(root)
    for damage, pattern in OF_RUNS:
        file = root / pattern
        units = times(root / "units")
        damage(file)
        printed = run("train-members", "spec.yaml").replace("\n", "")
        listed = pattern.endswith("SHA256SUMS") and damage in (rot, remove)
        if not listed:  # of a list, a file may be named in its place
            assert f"{pattern}:" in printed, (damage.__name__, pattern, printed)
        now = contents(root)
        if pattern != "tables/other/SHA256SUMS":  # without digests, tables are read as they are
            assert now == before, [name for name in before if now.get(name) != before[name]]
        assert times(root / "units") == units
        if damage is not remove and not listed:
            assert list(root.glob(f"damaged/{pattern}*"))
    measured(units_kept=4, units=4, tables_equal=True)


@pytest.mark.fault(
    "unit.json is empty, cut, rotten or foreign; weights are cut",
    "named and set aside; that unit is trained again, tables equal, no other",
)
def test_a_unit_without_a_record_or_weights_is_trained_again(run, root, measured):
    before = contents(root)
    tables = {name: content for name, content in before.items() if name.endswith(".parquet")}
    for damage, pattern in OF_RECORDS:
        (file,) = root.glob(pattern)
        others = times(root / "units/other")
        damage(file)
        printed = run("train-members", "spec.yaml").replace("\n", "")
        assert f"{file.relative_to(root)}:" in printed
        now = contents(root)
        assert {name: now[name] for name in tables} == tables
        assert times(root / "units/other") == others
    measured(units_kept=3, units=4, tables_equal=True)


@pytest.mark.fault(
    "a file of a run is a pipe, which nobody writes to",
    "it is named and set aside without waiting; made again, tables equal",
)
@pytest.mark.timeout(240)  # what waits for a writer waits for ever
def test_a_pipe_in_the_place_of_a_file_is_set_aside(run, root, measured):
    before = contents(root)
    paths = ["images.parquet", "targets.json", "spec.yaml", "timing.json", "tables/net/oof.parquet"]
    paths += ["tables/other/SHA256SUMS", "tables/net/made_from.txt"]
    paths += [
        str(file.relative_to(root))
        for name in (
            "net/*/fold-0/unit.json",
            "other/*/fold-0/oof.parquet",
            "other/*/fold-1/history.csv",
        )
        for file in root.glob(f"units/{name}")
    ]
    for path in paths:
        pipe(root / path)
    with measured.clear_state():
        printed = run("train-members", "spec.yaml").replace("\n", "")
    assert [path for path in paths if f"{path}:" not in printed] == []
    assert [path for path in paths if not (root / path).is_file()] == []
    now = contents(root)
    # their bytes hold what a unit's training took, and timing.json of the first is gone
    names = [name for name in before if name.endswith(".parquet")]
    for name in names:
        was, new = (pd.read_parquet(io.BytesIO(of[name])) for of in (before, now))
        pd.testing.assert_frame_equal(new, was, check_exact=True)
    measured(units_kept=3, units=4, tables_equal=True)


READING = [
    ("tables/net/oof.parquet", ("vote", "--mode", "soft")),
    ("tables/net/test.parquet", ("vote", "--run", "runs/small", "--mode", "hard")),
    ("tables/net/oof.parquet", ("vote", "--tables", "runs/small/tables", "--mode", "soft")),
    ("tables/net/oof.parquet", ("leaderboard",)),
    ("tables/net/epochs.json", ("leaderboard",)),
    ("tables/net/made_from.txt", ("leaderboard",)),
    ("spec.yaml", ("vote", "--run", "runs/small", "--mode", "soft")),
    ("images.parquet", ("vote", "--mode", "soft")),
    ("votes/soft/vote.json", ("leaderboard",)),
    ("votes/soft/submission.csv", ("compare", "runs/small/votes/soft/submission.csv", "two.csv")),
    ("votes/soft/submission.csv",
     ("evaluate", "runs/small/votes/soft/submission.csv", "--truth", "two.csv")),
    ("votes/soft/probabilities.parquet",
     ("evaluate", "runs/small/votes/soft/probabilities.parquet", "--truth", "two.csv")),
]  # fmt: skip


@pytest.mark.fault(
    "vote, leaderboard, evaluate or compare meet a damaged file",
    "exit 2, the file's name and the next command; nothing is changed",
)
@pytest.mark.parametrize(("path", "command"), READING)
@pytest.mark.parametrize("damage", [empty, rot, foreign, pipe])
def test_commands_that_read_end_with_2_and_name_the_file(root, folder, path, command, damage):
    shutil.copy(root / "votes/soft/submission.csv", folder / "two.csv")
    damage(root / path)
    before = contents(root)
    code, printed = fails(*command)
    assert code == 2, printed
    assert path in printed
    assert "Traceback" not in printed
    of_a_vote = damage is pipe and path.startswith("votes/")
    assert of_a_vote or "train-members" in printed or "Cast the vote again" in printed
    assert damage is not pipe or "a named pipe" in printed
    assert contents(root) == before


@pytest.mark.fault("a table of a run is gone", "the vote names it instead of leaving it out")
@pytest.mark.parametrize("path", ["tables/net/oof.parquet", "tables/net/test.parquet"])
def test_a_table_that_is_gone_is_not_left_out_of_a_vote(root, path):
    (root / path).unlink()
    for source in ("--run", "runs/small"), ("--tables", "runs/small/tables"):
        code, printed = fails("vote", *source, "--mode", "soft")
        assert code == 2, printed
        assert path in printed


@pytest.mark.fault(
    "`check` meets a damaged run", "named, with what `train-members` will do; nothing is changed"
)
def test_check_names_the_damage_and_changes_nothing(run, root):
    rot(root / "tables/net/oof.parquet")
    (unit,) = root.glob("units/net/*/fold-0/oof.parquet")
    unit.unlink()
    (rotten,) = root.glob("units/other/*/fold-1/epochs/2-test.parquet")
    rot(rotten)
    (record,) = root.glob("units/other/*/fold-0/unit.json")
    empty(record)
    before = contents(root)
    printed = run("check", "spec.yaml").replace("\n", "")
    assert "tables/net/oof.parquet" in printed
    for file in (unit, rotten, record):
        assert str(file.relative_to(root)) in printed
    assert "1 unit to train, 2 units to predict again" in printed
    assert "other photos to predict" not in printed
    assert contents(root) == before


@pytest.mark.fault(
    "an empty table in a run from before there were digests",
    "it is predicted again; nothing is trained",
)
def test_a_run_from_before_there_were_digests_whose_table_is_empty(tmp_path):
    shutil.copytree(FIXTURE, tmp_path / "copy")
    run = tmp_path / "copy/runs/earlier"
    (table,) = run.glob("units/plain/*/fold-0/test.parquet")
    tables = contents(run / "tables")
    before = table.read_bytes()
    empty(table)
    empty(run / "tables/plain/test.parquet")
    with one_slot.commands(tmp_path / "copy") as command:
        printed = command("train-members", "spec.yaml", "--only", "plain").replace("\n", "")
        assert str(table.relative_to(run)) in printed
        assert len(table.read_bytes()) > len(before) / 2
        command("vote", "spec.yaml", "--mode", "soft")
    assert contents(run / "tables/plain")["oof.parquet"] == tables["plain/oof.parquet"]
