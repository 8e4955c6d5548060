"""What screens show of a thousand classes, and of how far a vote's fits are."""

import io

import numpy as np
import pytest
from rich.console import Console

from orchestrator.screens import fits
from orchestrator.screens.evaluation import show_evaluation


def shown(show, *arguments, **options):
    out = io.StringIO()
    show(*arguments, Console(file=out, width=100, **options))
    return out.getvalue()


@pytest.mark.parametrize(("n_classes", "n_lines"), [(100, 100), (1000, 20)])
def test_of_many_classes_the_worst_are_listed(n_classes, n_lines):
    f1 = np.random.default_rng(0).permutation(n_classes) / n_classes
    rows = [
        {"class": f"c{k}", "precision": f, "recall": f, "f1": f, "support": 3, "predicted": 3}
        for k, f in enumerate(f1)
    ]
    report = {"rows": 9, "standard_error": {}, "per_class": rows, "per_target": {}}
    lines = [line for line in shown(show_evaluation, report).splitlines() if line[:1] == "c"]
    listed = {line.split()[0] for line in lines} - {"class"}
    worst = {f"c{k}" for k in np.argsort(f1)[:n_lines]}
    assert listed == worst


def test_a_pipe_gets_one_line_of_a_long_fit_and_none_of_a_short_one(monkeypatch):
    now = iter([0.0, 1.0, 4.0, 6.0, 9.0, 50.0])
    monkeypatch.setattr(fits.time, "monotonic", lambda: next(now))
    out = io.StringIO()
    with fits.fits_shown(Console(file=out)) as progress:
        for done in range(5):
            progress(done, 4)
    assert out.getvalue() == "fitting: 2 of 4 done after 6 s\n"


def test_a_terminal_gets_a_bar_that_goes_away():
    out = io.StringIO()
    with fits.fits_shown(Console(file=out, force_terminal=True)) as progress:
        progress(1, 4)
    assert "fitting" in out.getvalue()
    assert out.getvalue().rstrip("\n").endswith("\x1b[2K")


def test_a_pipe_gets_a_line_of_each_stage_of_a_long_fit_and_of_a_stage_that_takes_long(monkeypatch):
    now = iter([0.0, 6.0, 7.0, 8.0, 40.0, 41.0])
    monkeypatch.setattr(fits.time, "monotonic", lambda: next(now))
    out = io.StringIO()
    with fits.fits_shown(Console(file=out)) as progress:
        progress(0, 4)
        progress.begins("choosing")
        progress(1, 4)
        progress(2, 4)
        progress.begins("voting")
    assert out.getvalue().splitlines() == [
        "fitting: 0 of 4 done after 6 s",
        "choosing: 0 of 4 done after 7 s",
        "choosing: 2 of 4 done after 40 s",
        "voting: 2 of 4 done after 41 s",
    ]
