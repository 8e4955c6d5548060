"""Names that become folders and files: none leads anywhere else, whatever it holds."""

from __future__ import annotations

import pytest
from PIL import Image

from ensembles.errors import BadInput as BadVote
from ensembles.voting.request import VoteRequest
from members.data.layouts import read_train
from members.data.lists.pictures import write_out
from members.pixels.background_copy import remove_background
from orchestrator.errors import WrongRequest
from orchestrator.spec import load
from orchestrator.spec.checks import one_folder_elsewhere

SPEC = """\
name: {name}
data:
  train: photos
  copies: {{ {copy}: {{train: other}} }}
members:
  - {{name: {member}, model: test_resnet, targets: [age]}}
  - {{name: rest, model: test_resnet, targets: [mask, gender]}}
join: {{name: {join}, of: [{member}, rest]}}
"""
GOOD = {"name": "run", "copy": "dark", "member": "ages", "join": "all"}
BAD = [
    *("..", ".", "../up", "a/b", "/root", "-rf", ".hidden", "~", "a b", "", "x" * 101),
    *('"a\\0b"', '"a\\nb"', '"a\\n"', '"a\\e[31m"', "é", "a:b", "a\\b", "$HOME", "*"),
]


@pytest.mark.fault(
    "the name of a run, member, join or copy is a path or holds control codes", "refused, exit 2"
)
@pytest.mark.parametrize("key", [*GOOD])
@pytest.mark.parametrize("bad", BAD)
def test_a_name_that_is_no_plain_name_is_refused_wherever_it_makes_a_path(tmp_path, key, bad):
    (tmp_path / "good.yaml").write_text(SPEC.format(**GOOD))
    load(tmp_path / "good.yaml")
    given = bad if bad.startswith('"') else f"'{bad}'"
    (tmp_path / "bad.yaml").write_text(SPEC.format(**GOOD | {key: given}))
    with pytest.raises(WrongRequest):
        load(tmp_path / "bad.yaml")
    if not bad.startswith('"') and key in ("name", "member"):
        with pytest.raises(WrongRequest):
            load(
                tmp_path / "good.yaml", sets=[f"{'members.ages.' * (key == 'member')}name={given}"]
            )


def test_members_that_differ_in_capitals_are_noted(tmp_path):
    text = SPEC.format(**GOOD | {"member": "Rest"})
    (tmp_path / "spec.yaml").write_text(text)
    (note,) = one_folder_elsewhere(load(tmp_path / "spec.yaml"))
    assert "Rest and rest differ in capitals only" in note


@pytest.mark.parametrize("objective", ["macro_f1:../../up", "../up", "log_loss/../../up"])
def test_what_a_vote_is_fitted_for_names_its_folder_and_is_one_of_a_few(objective):
    try:
        problems = VoteRequest("weighted", objective=objective).problems(["a", "b"])
    except (ValueError, BadVote) as error:
        problems = [str(error)]
    assert problems


@pytest.mark.fault(
    "a list holds pictures that it names by paths elsewhere",
    "written below the cache, named by their content",
)
def test_photos_in_cells_are_files_named_by_their_content_whatever_the_cell_calls_them(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [{"bytes": f"{i}".encode() * 9, "path": name} for i, name in enumerate(
        ["../../up.png", "/etc/up.png", "a\0b", "-rf", "x" * 300]
    )]  # fmt: skip
    pq.write_table(pa.table({"image": cells}), tmp_path / "cells.parquet")
    ids, paths = write_out(tmp_path / "cells.parquet", "image", tmp_path / "cache")
    assert ids == [cell["path"] for cell in cells]
    for path in paths:
        assert path.resolve().is_relative_to(tmp_path / "cache")
        assert len(path.stem) == 32
    assert sorted(own.name for own in tmp_path.iterdir()) == ["cache", "cells.parquet"]


def test_a_class_folder_s_name_makes_no_path_and_is_kept_as_it_is(tmp_path):
    for name in ("-rf", "a b", "~", "$HOME"):
        (tmp_path / "root" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (32, 32), (i, 0, 0)).save(tmp_path / "root" / name / f"{i}.png")
    found = read_train("folders", tmp_path / "root")
    assert sorted(found.codec.classes) == sorted(("-rf", "a b", "~", "$HOME"))


def test_a_copy_without_background_writes_below_its_own_folder_alone(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos/..dots").mkdir(parents=True)
    for name in ("photos/..dots/a.png", "photos/-rf.png", "elsewhere/b.png"):
        Image.new("RGB", (32, 32), (200, 10, 0)).save(tmp_path / name)
    (tmp_path / "photos/link").symlink_to(tmp_path / "elsewhere")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    copied = remove_background(tmp_path / "photos", tmp_path / "copy")
    assert sorted(copied.kept) == ["-rf.png", "link/b.png"]
    assert (tmp_path / "copy/link/b.png").is_file()
    assert not (tmp_path / "copy/link").is_symlink()
    assert {path: path.read_bytes() for path in before} == before
