"""A run with a vote, written once; a page parsed."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.commands.pages.report import write_report
from tests.orchestrator.report.made import Made, cast_into, run_of


class Page(HTMLParser):
    """texts: of each section by its id, blanks made one. tables: by title, rows of cell texts. tags: (name,
    attributes) of all elements."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, str] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._section, self._title, self._in = "", "", ""
        self.feed(text)
        self.texts = {key: " ".join(own.split()) for key, own in self.texts.items()}
        for rows in self.tables.values():
            rows[:] = [[cell.strip() for cell in row] for row in rows]

    def handle_starttag(self, tag, attrs):
        own = dict(attrs)
        self.tags.append((tag, own))
        if tag == "section":
            self._section = own["id"]
        elif tag == "figcaption":
            self._title, self._in = "", "caption"
        elif tag == "tbody":
            self._in = "body"
            self.tables[self._title] = []
        elif tag == "tr" and self._in == "body":
            self.tables[self._title].append([])
        elif tag in ("th", "td") and self._in == "body":
            self.tables[self._title][-1].append("")
        elif tag == "title" and self._in == "body":
            self._in = "picture"

    def handle_endtag(self, tag):
        if tag in ("figcaption", "tbody"):
            self._in = ""
        elif tag == "title" and self._in == "picture":
            self._in = "body"

    def handle_data(self, data):
        if self._section:
            self.texts[self._section] = self.texts.get(self._section, "") + " " + data
        if self._in == "caption":
            self._title += data
        elif self._in == "body" and self.tables[self._title] and self.tables[self._title][-1]:
            self.tables[self._title][-1][-1] += data


def page_of(folder: Path, **options) -> Page:
    found = write_report(run_of(folder), **options)
    return Page(Path(found["report"]).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run with everything: a search, units, photographs, a test part and a vote."""
    folder = Made().write(tmp_path_factory.mktemp("runs") / "e")
    cast_into(folder)
    return folder


@pytest.fixture
def copied(made, tmp_path) -> Path:
    """A copy of that run, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "e"))
