"""`make bench`: each script once a commit, what it printed kept, what does not fit said."""

import sys
from pathlib import Path

import pytest

from benchmarks import run_all
from benchmarks.run_all import Script
from orchestrator.spec import load


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A checkout with three scripts: one counts its runs, one fails, one needs what nobody has."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/one.py").write_text(
        "import sys; print(sys.argv[1:], file=open('ran', 'a')); print('ratio 1.5')"
    )
    (tmp_path / "benchmarks/bad.py").write_text("print('begun'); raise SystemExit('no such thing')")
    monkeypatch.setattr(run_all, "ROOT", tmp_path)
    monkeypatch.setattr(run_all, "KEPT", tmp_path / "build/bench")
    monkeypatch.setattr(run_all, "RESULTS", tmp_path / "benchmarks/RESULTS.md")
    monkeypatch.setattr(run_all, "commit", lambda: "abc")
    huge = Script("huge", 1, memory=10**6)
    absent = Script("absent", 1, data=("data/none", "make none"))
    monkeypatch.setattr(run_all, "SCRIPTS", (Script("one", 1, ("--x", "2")), huge, absent))
    return tmp_path


def test_a_commit_is_measured_once(place, monkeypatch, capsys):
    assert run_all.main([]) == 0
    text = (place / "benchmarks/RESULTS.md").read_text()
    assert "`benchmarks/one.py --x 2`, commit abc" in text
    assert "ratio 1.5" in text
    assert "needs 1e+06 GiB of memory, this machine has" in text
    assert "not run: needs data/none: make none." in text
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in text

    def runs() -> int:
        return len((place / "ran").read_text().splitlines())

    assert run_all.main([]) == 0
    assert runs() == 1
    assert run_all.main(["--list"]) == 0
    assert "one               measured" in capsys.readouterr().out
    assert run_all.main(["--again"]) == 0
    assert runs() == 2
    monkeypatch.setattr(run_all, "commit", lambda: "def")
    assert run_all.main(["--only", "one"]) == 0
    assert runs() == 3


def test_a_script_that_fails_is_named_and_run_again(place, monkeypatch, capsys):
    monkeypatch.setattr(run_all, "SCRIPTS", (Script("bad", 1), Script("one", 1)))
    assert run_all.main([]) == 1
    assert "failed: bad" in capsys.readouterr().out
    text = (place / "benchmarks/RESULTS.md").read_text()
    assert "ended with 1" in text
    assert "no such thing" in text
    assert "ratio 1.5" in text
    (place / "benchmarks/bad.py").write_text("print('mended')")
    assert run_all.main([]) == 0
    assert "mended" in (place / "benchmarks/RESULTS.md").read_text()


def test_other_options_are_another_measurement(place, monkeypatch):
    assert run_all.main([]) == 0
    monkeypatch.setattr(run_all, "SCRIPTS", (Script("one", 1, ("--x", "3")),))
    assert "not run yet" in run_all.page()


def test_every_script_of_the_list_is_there():
    missing = [s.name for s in run_all.SCRIPTS if not Path(f"benchmarks/{s.name}.py").is_file()]
    assert missing == []


def test_what_a_script_reads_is_what_its_maker_writes():
    needed = {script.name: script.data[0] for script in run_all.SCRIPTS if script.data}
    assert needed["margin"] == load(run_all.ROOT / "ensembles/elpv.yaml").data.train
    assert needed["time_left"] == load(run_all.ROOT / "ensembles/demo.yaml").data.train


def test_a_script_that_takes_a_folder_is_given_the_one_it_needs():
    options = {script.name: script.options for script in run_all.SCRIPTS}
    for name, folder in (("margin", "data/elpv"), ("lazy", "data/table-sets")):
        assert options[name] == (folder,)
