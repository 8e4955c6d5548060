"""README and docs: every block of code runs, or says why not; every link leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from docs import fault_table, generate, picture
from members.recipe.recipe import Recipe
from members.recipe.without_effect import USES
from orchestrator.spec.spec import Spec
from tests import fenced
from tests.orchestrator.one_slot import commands

ROOT = Path(__file__).parent.parent
SITE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *SITE]
BLOCKS = [block for page in PAGES for block in fenced.blocks(page)]
RUN = ("sh", "console", "python")
RUNNING = list(dict.fromkeys(b.page for b in BLOCKS if b.language in RUN and not b.not_run))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A newcomer's folder after the demo: specs, sample people, a run with its three votes."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "ensembles", folder / "ensembles", ignore=shutil.ignore_patterns("*.py"))
    demo = folder / "ensembles/demo.yaml"
    demo.write_text(fenced.shrunk(demo.read_text()))
    with commands(folder) as command:
        command("sample", "data/sample", *fenced.SHORTER["sample"])
        command("train-members", "ensembles/demo.yaml")
        for mode in ("hard", "soft", "weighted"):
            command("vote", "ensembles/demo.yaml", "--mode", mode)
    fenced.own_photographs(folder)
    return folder


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_a_page_runs_from_its_top_to_its_end(page, prepared, tmp_path):
    blocks = [block for block in fenced.blocks(page) if block.language in (*RUN, "yaml")]
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    with commands(tmp_path) as command:
        names: dict[str, object] = {}
        for block in blocks:
            if block.file:
                Path(block.file).write_text(block.text)
            if block.not_run or block.language == "yaml":
                continue
            if block.language == "python":
                exec(compile(block.text, str(block), "exec"), names)
            else:
                fenced.run_commands(block, command)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_of_a_kind_that_is_tried_out(block):
    assert block.language in (*RUN, "yaml", *fenced.SHOWN), "give the block a language"
    if block.not_run is not None:
        assert len(block.not_run.split()) >= 2, "say why it is not run"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=str)
def test_yaml_is_a_valid_spec_or_part_of_one(block, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SM_")]:
        monkeypatch.delenv(name)
    if block.not_run is None:
        fenced.check_yaml(block.text, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_keys_within_a_sentence_are_valid_too(page, tmp_path, monkeypatch):
    """`loss: {f1: 1, cross_entropy: 1}` in a table is as good as a block."""
    monkeypatch.chdir(ROOT)
    wrong = {}
    for text in fenced.inline(page):
        key = text.partition(":")[0]
        if not re.match(r"[a-z_]+: \S", text) or key not in fenced.TOP | fenced.OF_A_MEMBER:
            continue
        if re.search(r"\.\.\.| \| |[A-Z]{3}|height", text):  # a pattern, not a value
            continue
        try:
            fenced.check_yaml(_with_parts(text), tmp_path)
        except Exception as error:
            wrong[text] = str(error)
    assert wrong == {}


def _with_parts(text: str) -> str:
    """The text, with what it needs beside it: members to join or to choose among, other keys."""
    given = yaml.safe_load(text)
    for key in {*given} & {*USES}:
        given.setdefault(USES[key].of, USES[key].among[0])
    for join in [given["join"]] if "join" in given else []:
        targets = ["mask", "gender", "age"]
        first = len(targets) - len(join["of"]) + 1
        parts = [targets[:first], *([target] for target in targets[first:])]
        given["members"] = [
            {"name": name, "model": "test_vit", "targets": part}
            for name, part in zip(join["of"], parts, strict=True)
        ]
    if top := (given.get("vote") or {}).get("top"):
        given["members"] = [{"name": f"m{n}", "model": "test_vit"} for n in range(top)]
    if given.get("schedule") == "milestones":
        given.setdefault("milestones", [2])
    if "swa" in given:
        given["select"] = "last"
    if given.get("validation_views"):
        given["views"] = ["plain", "flip"]
    return yaml.safe_dump(given)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_that_are_there(page):
    broken = []
    for link in fenced.links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in fenced.anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_links_every_page_and_fits_on_two_screens():
    readme = PAGES[0].read_text()
    unlinked = [p.name for p in SITE if p.stem != "index" and f"docs/{p.name}" not in readme]
    assert unlinked == []
    assert len(readme.splitlines()) <= 200


# -- what is generated -----------------------------------------------------------------------------


def test_every_key_of_a_spec_is_in_the_reference_with_its_meaning():
    listed = {title: {key for key, *_ in generate.keys(title)} for title in generate.BLOCKS}
    assert listed["The whole file"] == {*Spec.model_fields, "defaults", "small"} - {"stacks"}
    assert listed["members and defaults: the recipe"] == {*Recipe.model_fields}
    missing = [
        f"{title}: {key}"
        for title in generate.BLOCKS
        for key, _, _, meaning in generate.keys(title)
        if not meaning
    ]
    assert missing == []
    assert "| `k` | whole number, at least 2 | `5` |" in generate.spec()


def test_every_block_of_a_spec_has_a_section():
    """A model that another one's key holds is a section of its own."""

    def blocks_in(annotation: object) -> set[type]:
        inner = getattr(annotation, "__args__", ())
        own = {annotation} if generate.is_block(annotation) else set()
        return own.union(*(blocks_in(part) for part in inner))

    seen: set[type] = set()
    left = {Spec}
    while left:
        block = left.pop()
        seen.add(block)
        for field in generate.fields_of(block).values():
            left |= blocks_in(field.annotation) - seen
    assert seen == set(generate.BLOCKS.values())


def test_every_command_and_option_is_in_the_reference(prepared):
    text = generate.commands()
    with commands(prepared) as command:
        names = re.findall(
            r"^\s{2,}([a-z-]+)\s{2,}\S", command("--help").partition("Commands:")[2], re.M
        )
        assert names
        for name in names:
            section = text.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
            options = set(re.findall(r"--[a-z-]+", command(name, "--help"))) - {"--help"}
            assert section, name
            shown = set(re.findall(r"--[a-z-]+", section))
            assert options <= shown, name


def test_a_page_takes_its_generated_parts():
    page = "before\n<!-- generated: kinds -->\nin between\n<!-- end -->\nafter"
    filled = generate.filled(page)
    assert "in between" not in filled
    assert "best single" in filled
    with pytest.raises(KeyError):
        generate.filled("<!-- generated: nothing --> <!-- end -->")
    used = {name for page in PAGES for name in generate.MARK.findall(page.read_text())}
    assert used == set(generate.PARTS)


def test_every_mark_of_a_fault_is_a_row():
    """Counted in the text of the tests: none stands where the table does not look."""
    files = [f for f in (ROOT / "tests").rglob("test_*.py") if f != Path(__file__)]
    marks = sum(file.read_text().count("pytest.mark.fault(") for file in files)
    rows = [fault for found in fault_table.grouped(ROOT / "tests").values() for fault in found]
    assert len(rows) == marks
    page = generate.faults()
    assert [row for row in rows if f"`{row.file}::{row.test}`" not in page] == []


FAULTS = """
@pytest.mark.parametrize(
    "server", [pytest.param(1, marks=pytest.mark.fault("one dies", "said")), 2]
)
def test_of_a_parameter(server): ...
"""


def test_a_mark_in_a_file_of_no_group_is_refused(tmp_path):
    (tmp_path / "test_new.py").write_text(FAULTS)
    found = fault_table.faults_in(tmp_path / "test_new.py", tmp_path)
    assert found == [("one dies", "said", "test_new.py", "test_of_a_parameter")]
    with pytest.raises(ValueError, match=r"no group for test_new\.py"):
        fault_table.grouped(tmp_path)


def test_every_limit_on_files_is_on_the_page_once():
    found = {
        name
        for package in ("ensembles", "members", "orchestrator")
        for name in re.findall(r"ENSEMBLE_MAX_\w+", (ROOT / package / "limits.py").read_text())
    }
    rows = re.findall(r"`(ENSEMBLE_MAX_\w+)`", generate.limits_of_files())
    assert sorted(rows) == sorted(found)


class _Boxes(HTMLParser):
    """What is written in the boxes of the picture."""

    def __init__(self):
        super().__init__()
        self.labels: list[str] = []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        self._inside = dict(attrs).get("class") == "label"

    def handle_data(self, data):
        if self._inside:
            self.labels += data.split(" + ")
        self._inside = False


def test_the_picture_has_a_box_for_each_folder_and_file():
    boxes = _Boxes()
    boxes.feed(picture.svg(ROOT))
    for package in picture.PACKAGES:
        inside = [
            path.stem
            for path in (ROOT / package).iterdir()
            if (path.suffix == ".py" and path.stem != "__init__")
            or (path / "__init__.py").is_file()
        ]
        assert inside
        assert set(inside) <= set(boxes.labels), package


def test_the_picture_leaves_out_what_follows_and_joins_what_goes_in_a_circle(tmp_path):
    for package in picture.PACKAGES:
        (tmp_path / package / "low").mkdir(parents=True)
        for place in ("", "low/"):
            (tmp_path / package / f"{place}__init__.py").write_text("")
    lines = {
        "members/top.py": "from members import middle\nfrom members.low import deep\n",
        "members/middle.py": "import members.low.deep\n",
        "members/low/deep.py": "import os\n",
        "ensembles/a.py": "def f():\n    from .b import g\n",
        "ensembles/b.py": "from ensembles.a import f\n",
    }
    for name, text in lines.items():
        (tmp_path / name).write_text(text)
    graph = picture.graph(tmp_path)
    assert graph["members.top"] == {"members.middle", "members.low"}
    assert picture.reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {
        "a": {"b"}, "b": {"c"}, "c": set()
    }  # fmt: skip
    assert "ensembles.a + ensembles.b" in picture.without_circles(graph)
    assert picture.layers(picture.reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()})) == {
        "a": 2, "b": 1, "c": 0
    }  # fmt: skip


# -- the site --------------------------------------------------------------------------------------


class _Requests(HTMLParser):
    """What a browser loads to show a page."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source"):
            self.found.append(given.get("src") or "")
        elif tag == "link":
            self.found.append(given.get("href") or "")


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("sphinx", reason="`make docs` installs it")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-E", "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "read"), "docs", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for page in SITE:
        requests = _Requests()
        requests.feed((tmp_path / f"site/{page.stem}.html").read_text())
        assert requests.found
        assert [url for url in requests.found if "//" in url] == []
    styles = [file.read_text() for file in (tmp_path / "site").rglob("*.css")]
    assert styles
    assert not any(re.search(r"url\([\"']?https?:|@import", style) for style in styles)
