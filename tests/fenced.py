"""The fenced blocks and the links of a Markdown page, and how a block is tried out."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from members.recipe.recipe import Recipe
from orchestrator.spec import load
from orchestrator.spec.spec import Member, Spec

FENCE = re.compile(
    r"^(?P<fence>```+)(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=fence)$", re.M | re.S
)
COMMENT = re.compile(r"<!-- (not run|file): ((?:(?!-->).)+?) -->\s*\Z", re.S)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHOWN = ("text", "{toctree}")  # output, input files and the like: nothing to run
OURS = ("python", "-m", "orchestrator")
# drawn in a second, where a page draws the whole sample
SHORTER = {"sample": ["--profiles", "18", "--eval", "20"]}

MINIMAL: dict[str, Any] = {
    "name": "fragment",
    "data": {"train": "train", "copies": {"person": {"train": "person"}}},
    "members": [{"name": "effnet", "model": "test_efficientnet"}],
}
SEARCH = {"members": ["effnet"], "space": {"lr": {"log_uniform": [1e-4, 1e-2]}}}
TOP = {*Spec.model_fields, "defaults", "small"}
OF_A_MEMBER = {*Recipe.model_fields, *Member.model_fields, "recipe"} - {"name"}


@dataclass(frozen=True)
class Block:
    """One fenced block. not_run: the reason that stands above it. file: where it is to be saved."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line} ({self.language or 'no language'})"


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        comment = COMMENT.search(text[: match.start()])
        marks = {comment[1].replace(" ", "_"): comment[2].strip()} if comment else {}
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match["language"], match["text"], **marks))
    return found


def inline(page: Path) -> list[str]:
    """Every inline code span outside fenced blocks."""
    return INLINE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> list[str]:
    """Targets of the links to files and headings; none of other servers."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [target for target in LINK.findall(text) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What `#...` may be of a page: its headings, as GitHub and MyST name them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- what a block holds ----------------------------------------------------------------------------


def commands(block: Block) -> list[list[str]]:
    """The commands of an `sh` block, or of the `$` lines of a `console` block, as words."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]


def run_commands(block: Block, command: Callable[..., str]) -> None:
    """Run each by `command(*arguments)`, in the folder that is the current one."""
    for words in commands(block):
        assert tuple(words[:3]) == OURS, (
            f"{block}: {shlex.join(words)} is no command of ours: say above the block "
            "`<!-- not run: REASON -->`"
        )
        name, *arguments = words[3:]
        expanded: list[str] = []
        for word in arguments:
            found = sorted(map(str, Path().glob(word))) if "*" in word else [word]
            assert found, f"{block}: nothing is called {word}"
            expanded += found
        command(name, *expanded, *SHORTER.get(name, []))


def check_yaml(text: str, folder: Path) -> None:
    """A whole spec is loaded; a part of one is loaded within a minimal spec, or a member of it."""
    given = yaml.safe_load(text)
    assert isinstance(given, dict), text
    if not {"name", "data", "members"} <= given.keys():
        given = whole(given)
    file = folder / "block.yaml"
    file.write_text(yaml.safe_dump(given, sort_keys=False))
    load(file)
    if "small" in given:
        load(file, small=True)


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """A spec with `part` in it: keys of the file, or keys of a member."""
    if part.keys() <= TOP:
        spec = {**MINIMAL, **part}
        if "search" in part:
            spec["search"] = {**SEARCH, **part["search"]}
        return spec
    unknown = part.keys() - OF_A_MEMBER
    assert not unknown, f"neither keys of a spec nor of a member: {sorted(unknown)}"
    return {**MINIMAL, "members": [{**MINIMAL["members"][0], **part}]}


# -- where a newcomer works ------------------------------------------------------------------------


def shrunk(demo: str) -> str:
    """`ensembles/demo.yaml` with the same members and search, trained in seconds."""
    spec = yaml.safe_load(demo)
    spec["defaults"] |= {"epochs": 2, "image_size": [32, 32], "batch_size": 32}
    for member in spec["members"]:
        member.pop("image_size", None)
    spec["search"] |= {"candidates": 2, "asha": {"grace_epochs": 1}}
    return yaml.safe_dump(spec, sort_keys=False)


def own_photographs(folder: Path) -> None:
    """`photos.csv` and `new.csv` of two classes of the sample's photographs: somebody's own table."""
    photos = sorted((folder / "data/sample/train/images").glob("*/*.jpg"))
    (folder / "img").mkdir()
    rows = []
    for photo in photos:
        name = f"img/{photo.parent.name}-{photo.name}"
        shutil.copy(photo, folder / name)
        label = "with" if photo.stem.startswith("mask") else "without"
        rows.append(f"{name},{label},{photo.parent.name}\n")
    (folder / "photos.csv").write_text("path,label,group\n" + "".join(rows))
    (folder / "new.csv").write_text(
        "path\n" + "".join(f"{row.split(',')[0]}\n" for row in rows[:7])
    )
