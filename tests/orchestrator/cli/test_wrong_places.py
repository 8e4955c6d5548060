"""A folder for a file, a file for a folder, what is damaged or has no end: code 2, and which."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ensembles.files.parquet import write_table
from ensembles.files.table import Table


@pytest.fixture
def made(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for member in "ab":
        for kind, fold in (("oof", (np.arange(30) % 3).astype(np.int16)), ("test", None)):
            label = None if fold is None else (np.arange(30) % 4).astype(np.int16)
            p = rng.dirichlet(np.ones(4), 30).astype(np.float32)
            ids = np.array([f"i{n}" for n in range(30)], object)
            write_table(tmp_path / f"tables/{member}/{kind}.parquet", Table(ids, p, fold, label))
    (tmp_path / "good.csv").write_text("ImageID,ans\n" + "".join(f"i{n},1\n" for n in range(30)))
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "utf16.csv").write_bytes("ImageID,ans\ni1,1\n".encode("utf-16"))
    (tmp_path / "nul.csv").write_bytes(b"ImageID,ans\ni1,1\n\0\0\0\n")
    (tmp_path / "quote.csv").write_text('ImageID,ans\ni1,"1\n' + "i2,1\n" * 40_000)
    (tmp_path / "a_loop").symlink_to("b_loop")
    (tmp_path / "b_loop").symlink_to("a_loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff.csv")).write_text("nothing")
    whole = (tmp_path / "tables/a/test.parquet").read_bytes()
    (tmp_path / "page.parquet").write_bytes(whole[:60] + bytes(200) + whole[260:])
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    return tmp_path


READ = ["folder", "empty.csv", "utf16.csv", "nul.csv", "quote.csv", "a_loop", "pipe", "none", "x" * 300,
        "good.csv/below", "/dev/null", "/dev/zero", os.fsdecode(b"\xff.csv"), "page.parquet",
        "cut.parquet"]  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_cannot_be_read_is_named(command, made, name):
    shown = name.replace("\udcff", r"\udcff")
    given = [("compare", "good.csv", name), ("evaluate", name, "--truth", "good.csv"),
             ("evaluate", "good.csv", "--truth", name),
             ("vote", "--mode", "hard", "--submissions", "good.csv", name),
             ("vote", "--mode", "soft", "--submissions", "good.csv", name)]  # fmt: skip
    for words in given:
        code, _, err = command(*words)
        assert code == 2, words
        assert shown in err, words


@pytest.mark.parametrize("content", ["folder", "page", "cut", "empty"])
def test_a_table_that_cannot_be_read_is_named(command, made, content):
    table = made / "tables/b/oof.parquet"
    table.unlink()
    if content == "folder":
        table.mkdir()
    else:
        damaged = made / ("empty.csv" if content == "empty" else f"{content}.parquet")
        table.write_bytes(damaged.read_bytes())
    code, _, err = command("vote", "--tables", "tables", "--mode", "soft", "--out", "o")
    assert code == 2
    assert "tables/b/oof.parquet" in err
    assert not Path("o").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("vote", "--tables", "tables", "--out", "good.csv"),
        ("vote", "--tables", "tables", "--out", "good.csv/below"),
        ("vote", "--tables", "tables", "--out", "a_loop/below"),
        ("vote", "--tables", "tables", "--out", "x" * 300),
        ("vote", "--tables", "tables", "--json", "folder"),
        ("vote", "--tables", "tables", "--json", "good.csv/below"),
        ("vote", "--tables", "good.csv"),
        ("vote", "--run", "good.csv"),
        ("leaderboard", "--run", "good.csv"),
        ("check", "folder"),
        ("check", "spec.yaml", "--run", "good.csv"),
        ("train-members", "spec.yaml", "--run", "good.csv"),
        ("sample", "good.csv"),
        ("sample", "good.csv/below"),
        ("prepare", "--remove-background", "folder", "good.csv"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_before_the_work(command, made, words):
    before = sorted(made.rglob("*"))
    code, out, err = command(*words)
    assert code == 2
    assert any(str(word) in err for word in words[1:])
    assert "photographs" not in out
    assert sorted(made.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(command, made):
    (made / "folder").chmod(0o500)
    code, _, err = command("vote", "--tables", "tables", "--out", "folder/o")
    assert code == 2
    assert "no permission" in err
