"""Names that look like markup, emoji or control codes are printed as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ensembles.files.parquet import write_table
from ensembles.files.submission import write_submission
from ensembles.files.table import Table
from orchestrator.printable import printable

NAMES = ["[red]", "[bold]cat", "[/]", ":smile:", "\\[x]"]
HIDDEN = ["a\x1b[31mb", "c\nd"]


@pytest.fixture
def tables(tmp_path) -> Path:
    """Members, classes and ids with such names; every prediction is right."""
    classes, rng = NAMES + HIDDEN, np.random.default_rng(0)
    label = (np.arange(63) % 7).astype(np.int16)
    ids = np.array([f"[/]{i}" for i in range(60)] + [":smile:", "[red]x", "\\[x]"], object)
    for member in ("[red]", ":smile:", "[bold]cat", "\\[x]"):
        noise = rng.dirichlet(np.ones(7), 63)
        probabilities = ((noise + 2 * np.eye(7)[label]) / 3).astype(np.float32)
        meta = {"classes": classes, "answers": classes}
        for kind, fold, known in (("oof", (np.arange(63) % 3).astype(np.int16), label),
                                  ("test", None, None)):  # fmt: skip
            table = Table(ids, probabilities, fold, known, meta)
            write_table(tmp_path / f"tables/{member}/{kind}.parquet", table)
    truth = [classes[k] for k in label]
    write_submission(tmp_path / "truth.csv", ids, truth)
    write_submission(tmp_path / "[red].csv", ids, truth[::-1])
    return tmp_path / "tables"


def test_a_vote_names_its_members(command, tables):
    code, out, _ = command("vote", "--tables", tables, "--mode", "soft", "--out", "o")
    assert code == 0
    for member in ("[red]", ":smile:", "[bold]cat", "\\[x]"):
        assert f"\n{member} " in out


def test_why_names_its_photo_and_its_classes(command, tables):
    code, out, _ = command("vote", "--tables", tables, "--mode", "soft", "--why", "[/]2")
    assert code == 0
    assert "[/]2: [/]" in out
    assert "first choices: [/] 4" in out


def test_pareto_names_its_members(command, tables):
    code, _, err = command("vote", "--tables", tables, "--pareto")
    assert code in (0, 2)  # these tables have no cost
    assert code == 0 or "[red]" in err


def test_an_evaluation_names_its_classes(command, tables):
    command("vote", "--tables", tables, "--mode", "soft", "--out", "o")
    code, out, _ = command("evaluate", "o/submission.csv", "--truth", "truth.csv")
    assert code == 0
    for name in [*NAMES, r"a\x1b[31mb", r"c\nd"]:
        assert f"\n{name} " in out


def test_a_comparison_names_its_files_answers_and_ids(command, tables):
    code, out, _ = command("compare", "truth.csv", "[red].csv")
    assert code == 0
    for word in ("[red]", ":smile: ", r"\[x]", r"a\x1b[31mb", "[/]0: "):
        assert word in out


def test_a_message_shows_control_codes(command, tables):
    write_submission("other.csv", ["a\x1b[31m\nb"], ["1"])
    code, _, err = command("compare", "truth.csv", "other.csv")
    assert code == 2
    assert r"a\x1b[31m\nb" in err


def test_figures_for_programs_are_all_of_standard_output(command, tables):
    code, out, err = command("compare", "truth.csv", "[red].csv", "--json", "-")
    assert code == 0
    assert json.loads(out)["rows"] == 63
    assert "63 rows" in err
    assert not Path("-").exists()
    code, out, _ = command("vote", "--tables", tables, "--out", "o", "--json", "-")
    assert json.loads(out)["mode"] in ("hard", "soft", "weighted")
    with Path("o/submission.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 64


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain é 한\u3000", "plain é 한\u3000"), ("\t\x1b[0m\r", r"\t\x1b[0m\r"), ("\udcff", r"\udcff"),
     ("a\u202eb", r"a\u202eb"), ("👩\u200d🔬", "👩\u200d🔬")],
)  # fmt: skip
def test_what_is_printable_stays(text, shown):
    assert printable(text) == shown
