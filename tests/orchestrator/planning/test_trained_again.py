"""What is trained again is said before it is, and why; `--keep-units` uses what leaks nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ensembles.files.parquet import read_oof_table
from orchestrator.cli import app
from tests.orchestrator import one_slot
from tests.orchestrator.command_line import environment

SPEC = """\
name: again
data: {layout: table, train: photos.csv, test: new.csv}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 8}
members:
  - {name: net, model: test_resnet, pretrained: start.safetensors}
  - {name: two, model: test_vit, seeds: [1, 2]}
"""
SEARCH = """\
search: {members: [two], space: {lr: {choice: [1e-3, 1e-2]}}, candidates: 2, sampler: grid}
"""
RUN = Path("runs/again")


def draw(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """24 photographs of 12 people in two classes, 3 to predict, and weights to start from."""
    from members.networks import saving
    from members.networks.models import build_model
    from members.recipe.recipe import Recipe

    folder = tmp_path_factory.mktemp("again")
    rows = ["path,label,group"]
    for n in range(24):
        draw(folder / f"{n}.png", n)
        rows.append(f"{n}.png,{'ab'[n // 2 % 2]},g{n // 2}")
    for n in range(24, 27):
        draw(folder / f"{n}.png", n)
    (folder / "photos.csv").write_text("\n".join(rows) + "\n")
    (folder / "new.csv").write_text("path\n24.png\n25.png\n26.png\n")
    (folder / "spec.yaml").write_text(SPEC)
    recipe = Recipe(model="test_resnet", image_size=(32, 32))
    saving.save(build_model(recipe, 2), folder / "start.safetensors")
    return folder


@pytest.fixture(scope="module")
def trained(photos) -> Path:
    with one_slot.commands(photos) as command:
        command("train-members", "spec.yaml")
    return photos


@pytest.fixture
def place(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture
def command(place) -> Iterator[one_slot.Commands]:
    with one_slot.commands(place) as command:
        yield command


def lines(place: Path) -> list[str]:
    return (place / "photos.csv").read_text().splitlines()


def write_lines(place: Path, rows: list[str]) -> None:
    (place / "photos.csv").write_text("\n".join(rows) + "\n")


def without(place: Path, *numbers: int) -> None:
    gone = tuple(f"{n}.png," for n in numbers)
    write_lines(place, [row for row in lines(place) if not row.startswith(gone)])


def plan(command, *options: str) -> dict:
    command("check", "spec.yaml", "--json", "plan.json", *options)
    return json.loads(Path("plan.json").read_text())


def finished() -> dict[str, int]:
    return {str(f): f.stat().st_mtime_ns for f in RUN.glob("units/*/*/*/unit.json")}


def oof(member: str):
    return read_oof_table(RUN / f"tables/{member}/oof.parquet")


# -- why -------------------------------------------------------------------------------------------


def drop_one(place: Path) -> None:
    without(place, 23)


def add_one(place: Path) -> None:
    draw(place / "30.png", 30)
    write_lines(place, [*lines(place), "30.png,a,g30"])


def repaint(place: Path) -> None:
    draw(place / "3.png", 99)


def relabel(place: Path) -> None:
    write_lines(place, [row.replace(",a,g0", ",b,g0") for row in lines(place)])


def regroup(place: Path) -> None:
    write_lines(place, [row.replace(",g11", ",g10") for row in lines(place)])


def other_weights(place: Path) -> None:
    from members.networks import saving
    from members.networks.models import build_model
    from members.recipe.recipe import Recipe

    recipe = Recipe(model="test_resnet", image_size=(32, 32))
    saving.save(build_model(recipe, 2), place / "start.safetensors")


def nothing(place: Path) -> None:
    pass


@pytest.mark.fault(
    "photographs, labels, groups, folds, weights or settings are others than the finished units had",
    "what changed, and how many units do not fit, said before training",
)
@pytest.mark.parametrize(
    ("change", "options", "of_net", "of_two"),
    [
        (drop_one, (), ["1 photo fewer"], ["1 photo fewer"]),
        (add_one, (), ["1 photo more"], ["1 photo more"]),
        (repaint, (), ["1 photo with other content"], ["1 photo with other content"]),
        (relabel, (), ["2 photos with another label"], ["2 photos with another label"]),
        (regroup, (), ["2 photos in another group"], ["2 photos in another group"]),
        (other_weights, (), ["other weights in start.safetensors"], None),
        (nothing, ("folds.k=3",), ["folds.k: 2 -> 3"], ["folds.k: 2 -> 3"]),
        (nothing, ("members.two.lr=0.5",), None, ["lr: 0.001 -> 0.5"]),
        (drop_one, ("members.two.lr=0.5",), ["1 photo fewer"], ["1 photo fewer", "lr: 0.001 -> 0.5"]),
        (nothing, (), None, None),
    ],
)  # fmt: skip
def test_check_names_what_changed(command, place, change, options, of_net, of_two):
    change(place)
    sets = ("--set", *options) if options else ()
    found = {again["member"]: again for again in plan(command, *sets)["trained_again"]}
    for name, reasons, units in (("net", of_net, 2), ("two", of_two, 4)):
        if reasons is None:
            assert name not in found
        else:
            assert found[name]["reasons"] == reasons
            assert found[name]["units"] == units


@pytest.mark.fault("the photographs to predict change", "predicted again; nothing is trained")
def test_other_test_photographs_are_predicted_and_nothing_is_trained(command, place):
    (place / "new.csv").write_text("path\n24.png\n")
    history = {f: f.read_bytes() for f in RUN.glob("units/*/*/*/history.csv")}
    found = plan(command)
    assert found["trained_again"] == []
    assert len(found["predicted_again"]) == 6
    said = command("train-members", "spec.yaml")
    assert "6 finished units (net, two) predict them; nothing of them is trained again" in said
    assert "0 units to train, 6 units to predict again" in said
    assert "0 units trained, 6 predicted again" in said
    assert {f: f.read_bytes() for f in RUN.glob("units/*/*/*/history.csv")} == history


def test_a_call_that_has_begun_is_not_asked_about_twice(command, place):
    without(place, 23)
    command("train-members", "spec.yaml", "--only", "net")
    assert [again["member"] for again in plan(command)["trained_again"]] == ["two"]


# -- the question ----------------------------------------------------------------------------------


def on_a_terminal(place: Path, answer: bytes, *options: str) -> tuple[int, str]:
    """`train-members` with a terminal of its own, on which `answer` is typed."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "orchestrator", "train-members", "spec.yaml", *options]
    process = subprocess.Popen(
        words, cwd=place, env=environment(place), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 4096):
            printed += chunk
            if b"[y/N]" in printed and answer:
                os.write(ours, answer)
                answer = b""
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(), re.sub(r"\s+", " ", printed.decode())


@pytest.mark.fault(
    "a training photograph is deleted", "asked on a terminal; a no leaves the run as it was, exit 1"
)
@pytest.mark.parametrize("answer", [b"\n", b"n\n", b"\x04"])
def test_a_terminal_is_asked_and_a_no_leaves_the_run_as_it_was(place, answer):
    def contents() -> dict[Path, bytes]:
        files = (f for f in (place / RUN).rglob("*") if f.is_file() and f.name != ".lock")
        return {f: f.read_bytes() for f in files}

    without(place, 23)
    before = contents()
    code, printed = on_a_terminal(place, answer)
    assert code == 1
    assert "1 photo fewer: 6 finished units (net, two) do not fit" in printed
    assert "Nothing was trained, and the run folder is as it was" in printed
    assert contents() == before


# -- --keep-units ----------------------------------------------------------------------------------


def assert_no_row_was_seen(place: Path) -> None:
    """Brute force: what made an OOF row was trained on no photograph of its group."""
    now = pd.read_parquet(RUN / "images.parquet").set_index("image_id")
    tables = [pd.read_parquet(f) for f in RUN.glob("earlier/*/images.parquet")]
    for member in ("net", "two"):
        table = oof(member)
        assert sorted(table.ids) == sorted(now.index)
        for image_id, fold in zip(table.ids, table.fold, strict=True):
            for trained_on in [*tables, now.reset_index()]:
                seen = trained_on[trained_on["fold"] != fold]["group"]
                assert now.loc[image_id, "group"] not in set(seen)


@pytest.mark.fault(
    "a training photograph is deleted", "`--keep-units` uses what is finished; no OOF row leaks"
)
def test_finished_units_are_kept_where_photos_are_gone(command, place):
    before, units = {name: oof(name) for name in ("net", "two")}, finished()
    without(place, 23, 4)
    found = plan(command)
    assert {again["keepable"] for again in found["trained_again"]} == {2, 4}
    said = command("train-members", "spec.yaml", "--keep-units")
    assert "6 finished units (net, two) are used, trained on photos that are gone" in said
    assert finished() == units
    for name, old in before.items():
        table = oof(name)
        assert set(table.ids) == set(old.ids) - {"23.png", "4.png"}
        row = {image_id: n for n, image_id in enumerate(old.ids)}
        same = old.take(np.array([row[image_id] for image_id in table.ids]))
        np.testing.assert_array_equal(table.probabilities, same.probabilities)
        np.testing.assert_array_equal(table.fold, same.fold)
        assert "trained when there were 2 photos more" in table.meta["kept_units"]
    assert_no_row_was_seen(place)
    command("vote", "spec.yaml", "--mode", "soft")
    notes = json.loads((RUN / "votes/soft/vote.json").read_text())["notes"]
    assert sum("kept, trained when there were 2 photos more" in note for note in notes) == 2
    assert "Nothing to do" in command("train-members", "spec.yaml", "--keep-units")


def test_what_is_missing_is_trained_in_the_folds_that_are_kept(command, place):
    for unit in RUN.glob("units/two/*/fold-1-seed-2"):
        shutil.rmtree(unit)
    without(place, 10)
    said = command("train-members", "spec.yaml", "--keep-units")
    assert "1 units trained, 5 were done before" in said
    assert_no_row_was_seen(place)
    without(place, 11, 10)  # once more, with units of two earlier tables
    units = finished()
    assert "Nothing to do" in command("train-members", "spec.yaml", "--keep-units")
    assert finished() == units
    assert_no_row_was_seen(place)


def test_without_the_option_all_is_trained_on_what_is_there_and_no_record_of_kept_units_stays(
    command, place
):
    without(place, 23)
    command("train-members", "spec.yaml", "--keep-units")
    assert (RUN / "kept_units.json").exists()
    said = command("train-members", "spec.yaml")
    assert "1 photo fewer: 6 finished units (net, two) do not fit" in said
    assert "6 units trained" in said
    assert not (RUN / "kept_units.json").exists()
    assert "kept_units" not in oof("net").meta
    assert_no_row_was_seen(place)


def test_the_winner_of_a_finished_search_is_kept_with_its_units(command, place):
    (place / "spec.yaml").write_text(SPEC + SEARCH)
    command("train-members", "spec.yaml")
    units = finished()
    without(place, 7)
    found = {again["member"]: again["keepable"] for again in plan(command)["trained_again"]}
    assert found == {"net": 2, "two": 4}
    assert "Nothing to do" in command("train-members", "spec.yaml", "--keep-units")
    assert finished() == units


@pytest.mark.fault(
    "`--keep-units` where more has changed than photographs that are gone",
    "refused with what has changed, exit 2",
)
@pytest.mark.parametrize(
    ("change", "options", "why"),
    [
        (nothing, (), "every unit is trained on the photographs as they are"),
        (add_one, (), "1 photo more"),
        (relabel, (), "2 photos with another label"),
        (regroup, (), "2 photos in another group"),
        (repaint, (), "1 photo with other content"),
        (drop_one, ("--set", "folds.seed=1"), "other folds in the spec"),
        (drop_one, ("--new-run",), "give one"),
        (drop_one, ("--run", "runs/empty"), "no finished unit"),
    ],
)
def test_where_units_cannot_be_kept_the_option_is_refused(
    command, place, monkeypatch, capsys, change, options, why
):
    change(place)
    words = ["orchestrator", "train-members", "spec.yaml", "--keep-units", *options]
    monkeypatch.setattr(sys, "argv", words)
    units = finished()
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 2
    assert why in capsys.readouterr().err
    assert finished() == units
