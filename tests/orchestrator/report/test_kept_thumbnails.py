"""Small photographs that a page showed are kept for the next one, until their files change."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.commands.pages.report import write_report
from orchestrator.report.thumbnails import NAME
from tests.orchestrator.report.made import Made, cast_into, run_of


@pytest.fixture
def run(tmp_path) -> Path:
    found = Made(search=False, units=False).write(tmp_path / "e")
    cast_into(found)
    write_report(run_of(found))
    return found


def page_of(run: Path, **options) -> str:
    return Path(write_report(run_of(run), **options)["report"]).read_text()


def no_photograph_is_opened(monkeypatch) -> None:
    def refused(*_, **__):
        raise AssertionError("a photograph was opened")

    monkeypatch.setattr(Image, "open", refused)


def test_the_second_page_opens_no_photograph_and_is_the_same(run, monkeypatch):
    first = (run / "report.html").read_text()
    assert first.count("data:image/jpeg") > 10
    no_photograph_is_opened(monkeypatch)
    assert page_of(run) == first


def test_a_photograph_that_changed_is_read_again(run):
    before, times = page_of(run), []
    for path in (run / "photos").iterdir():
        state = path.stat()
        pixels = np.asarray(Image.open(path))
        Image.fromarray(255 - pixels).save(path, "PNG")
        path.write_bytes(path.read_bytes()[: state.st_size].ljust(state.st_size, b"\0"))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # the same size and time
        times.append(path.stat().st_mtime_ns == state.st_mtime_ns)
    assert all(times)
    after = page_of(run)
    (run / NAME).unlink()
    assert after == page_of(run) != before


def test_one_that_is_gone_is_not_shown(run):
    for path in (run / "photos").iterdir():
        path.unlink()
    page = page_of(run)
    assert "data:image/jpeg" not in page
    assert "moved" in page


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"shown": {"a": 1}}', "x", "null"])
def test_what_is_damaged_is_made_again(run, content):
    before = (run / "report.html").read_text()
    kept = json.loads((run / NAME).read_text())
    (run / NAME).write_text(content)
    assert page_of(run) == before
    assert json.loads((run / NAME).read_text()) == kept


def test_a_picture_that_was_altered_is_not_shown(run):
    before, text = (run / "report.html").read_text(), (run / NAME).read_text()
    (run / NAME).write_text(text.replace("base64,/9j/", "base64,AAAA"))
    assert page_of(run) == before


def test_a_page_elsewhere_writes_nothing_into_the_run(run, tmp_path):
    (run / NAME).unlink()
    there = sorted(run.iterdir())
    page_of(run, out=str(tmp_path / "page.html"))
    assert sorted(run.iterdir()) == there
