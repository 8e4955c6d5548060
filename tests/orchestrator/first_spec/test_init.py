"""`init` writes a spec that the other commands take as it stands. Networks are not timed here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.commands.setup import init
from orchestrator.first_spec.networks import TIERS
from orchestrator.first_spec.text import SCHEMA, schema_from
from orchestrator.spec import load
from tests.orchestrator.first_spec.made import Stopwatch, photo, photos
from tests.orchestrator.one_slot import commands


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setattr(init, "Stopwatch", Stopwatch())
    monkeypatch.setattr(init, "TIERS", TIERS[:1])  # the larger ones take longer to look at
    with commands(tmp_path) as command:
        yield command


def classes(folder: Path, each: int = 8) -> Path:
    return photos(folder, [f"{own}/{own}{i}.png" for own in ("cat", "dog") for i in range(each)])


@pytest.mark.parametrize("layout", ["folders", "table", "profiles"])
def test_check_takes_it_as_it_stands(command, tmp_path, layout):
    if layout == "profiles":
        command("sample", "p", "--profiles", "12", "--eval", "4")
        given = "p"
    else:
        given = str(classes(tmp_path / "p"))
    if layout == "table":
        rows = [f"{own.relative_to(tmp_path)};{own.parent.name}" for own in
                sorted((tmp_path / "p").rglob("*.png"))]  # fmt: skip
        (tmp_path / "list.csv").write_text("\ufefffile;class\n" + "\n".join(rows))
        given = "list.csv"
    printed = command("init", given, "--weights", "no", "--hours", "0.1", "--json", "found.json")
    assert "Written: ensemble.yaml" in printed
    spec = load("ensemble.yaml")
    assert (spec.name, spec.data.layout) == ("ensemble", layout)
    found = json.loads(Path("found.json").read_text())
    assert found["seconds_expected"] <= 360
    assert [own.name for own in spec.members] == [*found["members"]]
    assert {own.recipe.epochs for own in spec.members} == {found["epochs"]}
    command("check", "ensemble.yaml")


def test_the_same_measurements_make_the_same_text(command, tmp_path):
    given = str(classes(tmp_path / "p"))
    options = ("--weights", "no", "--hours", "0.1")
    command("init", given, *options, "--out", "a.yaml")
    before = {own: own.stat().st_mtime_ns for own in (tmp_path / "p").rglob("*")}
    text = Path("a.yaml").read_text()
    command("init", given, *options, "--out", "a.yaml", "--force")
    assert {own: own.stat().st_mtime_ns for own in before} == before
    times = r"[\d.]+ (s|min|h)\b"  # reading the photographs is timed in truth
    assert re.sub(times, "", Path("a.yaml").read_text()) == re.sub(times, "", text)


def test_it_says_what_it_saw_and_what_it_costs(command, tmp_path):
    command("init", str(classes(tmp_path / "p")), "--weights", "no", "--hours", "0.1")
    text = Path("ensemble.yaml").read_text()
    words = " ".join(text.replace("\n# ", " ").split())
    assert "16 photos in 2 classes, 8 to 8 each (cat 8, dog 8)" in words
    assert "mostly 32 x 32" in words
    assert "train-members takes about" in words
    assert "start at random, as was asked for" in words
    members = [line for line in text.splitlines() if line.startswith("  - {")]
    assert members
    assert all(re.search(r"# .+: [\d.]+ (s|min|h) of one slot$", line) for line in members)


def test_sure_groups_are_in_the_spec_and_doubtful_ones_beside_it(command, tmp_path):
    photos(tmp_path / "sure", [f"{own}/p{own}{g}_{i}.png" for own in "ab" for g in range(10)
                               for i in range(3)])  # fmt: skip
    command("init", "sure", "--weights", "no", "--hours", "0.1", "--out", "sure.yaml")
    assert load("sure.yaml").data.groups == "all_but_last_part"
    assert "20 groups" in Path("sure.yaml").read_text()
    photos(tmp_path / "day", [f"{own}/{own}{g}_{ord(own) * 1000 + 100 * g + i}.png" for own in "ab"
                              for g in range(10) for i in range(3)])  # fmt: skip
    command("init", "day", "--weights", "no", "--hours", "0.1", "--out", "day.yaml")
    assert load("day.yaml").data.groups is None
    assert "# groups: all_but_last_part" in Path("day.yaml").read_text()


def test_photographs_of_any_kind(command, tmp_path):
    photo(tmp_path / "p/A b/1.PNG", mode="RGBA")
    photo(tmp_path / "p/A b/2.JPG", (48, 40))
    photo(tmp_path / "p/A b/3.png", mode="L")
    for i in range(4):
        photo(tmp_path / f"p/it's {{x}}/{i}.bmp")
    command("init", "p", "--weights", "no", "--hours", "0.1")
    command("check", "ensemble.yaml")


def test_a_first_try_is_small(command, tmp_path):
    command("init", str(classes(tmp_path / "p")), "--try", "--out", "try.yaml")
    spec = load("try.yaml")
    assert all(own.recipe.model.startswith("test_") for own in spec.members)
    assert spec.folds.k <= 3 or spec.folds.scheme == "holdout"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--try", "--hours", "1"), "give one"),
        (("--hours", "0"), "must be above 0"),
        (("--hours", "nan"), "must be above 0"),
        (("--out", "spec.txt"), "ends in .yaml"),
        (("--out", "a b.yaml"), "names the run folder"),
        (("--device", "cuda"), "torch sees no GPU"),
        (("--label", "x"), "names a column of a list"),
        (("--test", "nowhere"), "nowhere"),
        (("--hours", "0.0001"), "the least"),
    ],
)
def test_a_wrong_request_is_refused(command, tmp_path, options, said):
    if "cuda" in options:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    given = str(classes(tmp_path / "p"))
    weights = () if "--try" in options else ("--weights", "no")
    printed = command("init", given, *weights, *options, code=2)
    assert said.lower() in printed.lower()
    assert not Path("ensemble.yaml").exists()


def test_a_file_that_is_there_stays(command, tmp_path):
    Path("ensemble.yaml").write_text("mine")
    assert "--force" in command("init", str(classes(tmp_path / "p")), code=2)
    assert Path("ensemble.yaml").read_text() == "mine"


def test_one_class_is_no_classification(command, tmp_path):
    (tmp_path / "l.csv").write_text("path,label\np/1.png,a\np/2.png,a\n")
    photos(tmp_path, ["p/1.png", "p/2.png"])
    assert "at least 2" in command("init", "l.csv", "--weights", "no", code=2)


# -- the schema ------------------------------------------------------------------------------------


def test_the_schema_is_found_from_where_the_spec_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schema = tmp_path / "project/orchestrator/spec.schema.json"
    assert schema_from(Path("a.yaml"), schema) == "project/orchestrator/spec.schema.json"
    assert schema_from(Path("specs/a.yaml"), schema) == "../project/orchestrator/spec.schema.json"
    elsewhere = Path("/site-packages/orchestrator/spec.schema.json")
    assert schema_from(Path("a.yaml"), elsewhere) == str(elsewhere)
    assert schema_from(Path("a.yaml"), Path("/my files/s.json")) == "file:///my%20files/s.json"
    assert SCHEMA.is_file()
