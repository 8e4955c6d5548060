"""Files of a stranger end in one clear sentence, soon and in little memory, and nothing is written."""

from __future__ import annotations

import os
import socket

import pytest
from PIL import Image

from tests.faults.hostile_files import (
    RED,
    write_flat_png,
    write_specs,
    write_submissions,
    write_tables,
)
from tests.faults.in_little_memory import Ended, run_each

MOST = 600  # MiB; 100 of them are Python, NumPy and Arrow

SPECS = {
    "laughs": "ENSEMBLE_MAX_SPEC_VALUES",
    "keys": "ENSEMBLE_MAX_SPEC_VALUES",
    "deep": "more than 50 deep",
    "blocks": "more than 50 deep",
    "large": "ENSEMBLE_MAX_SPEC_KIB",
    "digits": "a number of 10,000 digits",
}
TABLES = {
    "rows": "ENSEMBLE_MAX_UNPACKED_MIB",
    "ids": "ENSEMBLE_MAX_CELL",
    "columns": "ENSEMBLE_MAX_COLUMNS",
    "metadata": "not JSON",
}
SUBMISSIONS = {
    "answers.csv": "40,000 different answers",
    "ids.csv": "ENSEMBLE_MAX_CELL",
    "brackets.csv": "ENSEMBLE_MAX_NAME",
    "tensor.csv": "are missing",  # an answer like others, and soon read
    "digits.csv": "ENSEMBLE_MAX_NAME",
    "line.csv": "ENSEMBLE_MAX_CELL",
    "columns.csv": "ENSEMBLE_MAX_COLUMNS",
    "nested.json": "neither CSV nor JSON",
    "mapped.json": "neither CSV nor JSON",
    "number.json": "neither CSV nor JSON",
    "pipe.csv": "a named pipe",
    "/dev/zero": "a device",
    "/dev/urandom": "a device",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> dict[str, Ended]:
    """Every command over a hostile file, all in one process, so that its peak bounds each."""
    folder = tmp_path_factory.mktemp("hostile")
    write_specs(folder)
    write_tables(folder)
    write_submissions(folder)
    assert (folder / "rows/a/test.parquet").stat().st_size < 1_000_000
    (folder / "truth.csv").write_text("ImageID,ans\na.jpg,0\n")
    commands: dict[str, list] = {name: ["vote", f"{name}.yaml", "--mode", "soft"] for name in SPECS}
    vote = ("vote", "--out", "out", "--mode")
    commands |= {name: [*vote, "soft", "--tables", name] for name in TABLES}
    commands |= {name: [*vote, "hard", "--submissions", name] for name in SUBMISSIONS}
    commands["tensor.csv"].append("truth.csv")
    commands |= {
        f"{verb} {name}": [*how, name, *more]
        for name in ("pipe.csv", "nested.json")
        for verb, how, more in (
            ("evaluate", ["evaluate"], ["--truth", "truth.csv"]),
            ("compare", ["compare"], ["truth.csv"]),
        )
    }
    # of no harm: they vote
    commands["colours"] = ["vote", "--tables", "colours", "--mode", "soft", "--out", "fine"]
    names = ["coloured.csv", "truth.csv"]
    commands["column"] = ["vote", "--submissions", *names, "--mode", "hard", "--out", "fine"]
    found = run_each(commands, folder)
    assert not (folder / "out").exists()
    return found


@pytest.mark.fault(
    "a small spec, table or submission takes gigabytes or hours to read; a pipe or a device",
    "refused within seconds and 600 MiB, by its name and the limit that raises it",
)
@pytest.mark.parametrize(("name", "said"), [*(SPECS | TABLES | SUBMISSIONS).items()])
def test_a_hostile_file_is_refused_by_its_name_soon_and_in_little_memory(
    ended, measured, name, said
):
    own = ended[name]
    measured(seconds=round(own.seconds, 2))
    assert own.code == 2, own.printed
    assert name.partition(".")[0] in own.printed
    assert said in own.printed
    assert len(own.printed) < 4000
    assert len(own.printed.splitlines()) < 40
    assert "Traceback" not in own.printed
    assert "\x1b" not in own.printed
    assert own.peak < MOST
    assert own.seconds < 120  # of a machine with much else to do


def test_the_other_commands_that_read_submissions_refuse_them_too(ended):
    names = [name for name in ended if name.startswith(("evaluate", "compare"))]
    assert len(names) == 4
    for name in names:
        assert ended[name].code == 2, name
        assert name.split()[1].partition(".")[0] in ended[name].printed
        assert ended[name].peak < MOST


@pytest.mark.fault("names hold escape sequences of a terminal", "printed escaped")
def test_names_with_escape_sequences_are_printed_escaped(ended):
    assert ended["colours"].code == ended["column"].code == 0, ended["colours"].printed
    assert "a\\x1b[31m" in ended["colours"].printed
    for own in ended.values():
        assert "\x1b" not in own.printed


LIST = """\
name: hostile
data: {{layout: table, train: {train}, root: photos}}
members: [{{name: one, model: test_resnet}}]
"""


@pytest.mark.fault(
    "a small list, photograph or search space takes gigabytes or hours to read",
    "refused within seconds, by its name and the limit that raises it",
)
def test_lists_photographs_and_spaces_are_refused_alike(tmp_path, measured):
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(12):
        Image.new("RGB", (32, 32), (i, 0, 200)).save(photos / f"{i}.png")
    write_flat_png(photos / "flat.png", 13_000)
    assert (photos / "flat.png").stat().st_size < 170_000
    rows = "".join(f"{i}.png,{i % 2}\n" for i in range(12))
    many = ",".join(map(str, range(41_000)))
    lists = {
        "photo.csv": f"path,label\n{rows}flat.png,0\n",
        "field.csv": f'path,label,note\n{rows}0.png,0,"{"x" * 1_100_000}"\n',
        "line.csv": "x" * 2_000_000,
        "columns.csv": f"path,label,{many}\n{rows}",
        "id.csv": f"path,label,image_id\n0.png,1,{'x' * 900_000}\n1.png,0,a\n",
        "nested.jsonl": "[" * 100_000,
        "coloured.csv": f"path{RED},label\n{rows}",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    os.mkfifo(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.csv"))
    write_tables(tmp_path)
    (tmp_path / "rows/a/test.parquet").rename(tmp_path / "rows.parquet")
    (tmp_path / "ids/a/test.parquet").rename(tmp_path / "ids.parquet")
    said = {
        "photo.csv": "ENSEMBLE_MAX_FLAT_PHOTO_MIB",
        "field.csv": "ENSEMBLE_MAX_CELL",
        "line.csv": "ENSEMBLE_MAX_CELL",
        "columns.csv": "ENSEMBLE_MAX_COLUMNS",
        "id.csv": "ENSEMBLE_MAX_NAME",
        "nested.jsonl": "not a readable jsonl file",
        "coloured.csv": "path\\x1b[31m",
        "pipe.csv": "is a pipe, socket or device",
        "socket.csv": "is a pipe, socket or device",
        "rows.parquet": "ENSEMBLE_MAX_UNPACKED_MIB",
        "ids.parquet": "ENSEMBLE_MAX_CELL",
        "/dev/zero": "is a pipe, socket or device",
    }
    for name in said:
        spec = tmp_path / f"{name.replace('/', '')}.yaml"
        spec.write_text(LIST.format(train=name))
    (tmp_path / "space.json").write_text('{"lr": ' * 10_000)
    space = LIST.format(train="photo.csv") + "search: {members: [one], space: space.json}\n"
    (tmp_path / "space.yaml").write_text(space)
    os.mkfifo(tmp_path / "spec.yaml")
    commands = {name: ["check", f"{name.replace('/', '')}.yaml"] for name in said}
    commands |= {"space": ["check", "space.yaml"], "spec": ["check", "spec.yaml"]}
    said |= {"space": "more than 50 deep", "spec": "a folder, pipe or device"}
    ended = run_each(commands, tmp_path)
    measured(seconds=round(max(own.seconds for own in ended.values()), 2))
    for name, own in ended.items():
        assert own.code == 2, f"{name}: {own.printed}"
        assert said[name] in own.printed, f"{name}: {own.printed}"
        assert "Traceback" not in own.printed
        assert "\x1b" not in own.printed
        assert len(own.printed) < 4000, name
        assert own.peak < MOST + 600, name  # torch is among them
    assert not (tmp_path / "runs").exists()
