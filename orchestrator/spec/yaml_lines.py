"""YAML as plain data, with the line of every key, and `${NAME:-default}` filled in.

Differs from PyYAML's defaults where those surprise: `1e-3` is a number, `on`, `off`, `yes` and
`no` are texts (YAML 1.2), and a key that stands twice is a mistake.
"""

from __future__ import annotations

import math
import os
import pathlib
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from orchestrator.errors import WrongRequest
from orchestrator.limits import MOST_DIGITS, SPEC, SPEC_DEPTH, SPEC_VALUES

Path = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


_TOO_DEEP = f"blocks stand inside each other more than {SPEC_DEPTH} deep"


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 (PyYAML's own registry)
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > SPEC_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), None
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?[0-9]+[eE][-+]?[0-9]+$|^[-+]?\.(?:inf|nan)$"
    ),
    list("-+.0123456789"),
)


_STR = "tag:yaml.org,2002:str"
_TAGS: dict[type, tuple[str, ...]] = {
    yaml.MappingNode: ("tag:yaml.org,2002:map",),
    yaml.SequenceNode: ("tag:yaml.org,2002:seq",),
    yaml.ScalarNode: (
        _STR,
        *(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")),
    ),
}


def _shown(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


@dataclass
class Document:
    """`data`: plain lists, dicts and scalars. `lines`: path -> line, counted from 1."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def forget(self, key: str, index: int) -> None:
        """The entry `index` of the list at `key` is gone: those behind it move up."""
        moved = {}
        for path, line in self.lines.items():
            at = path[1] if len(path) > 1 and path[0] == key else -1
            if isinstance(at, int) and at >= index:
                if at == index:
                    continue
                path = (key, at - 1, *path[2:])
            moved[path] = line
        self.lines = moved

    def add(self, node: yaml.Node, path: Path, name: str, text: str) -> None:
        """A mistake at `node`. name: how the messages call the file."""
        place = f"{name}, line {node.start_mark.line + 1}"
        self.problems.append(": ".join(filter(None, (place, ".".join(map(str, path)), text))))

    def line(self, path: Path) -> int | None:
        """The line of `path`, or of the nearest thing above it that the file holds."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path)


def parse(text: str, name: str) -> Document:
    """Parse YAML `text`; `name` is the file's name in messages. Raises `WrongRequest`.

    What is larger than `orchestrator.limits` allows is refused before it takes memory or time: the
    text, and what it stands for with every alias written out.
    """
    SPEC.require(name, -(-len(text) // 2**10))
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise WrongRequest(f"{name}{where}: not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise WrongRequest(f"{name}: not valid YAML: {error}.") from None
    document = Document(data=None)
    if root is not None:
        _require_few(root, name)
        document.data = _plain(root, (), document, name)
    return document


def read_text(file: os.PathLike[str]) -> str:
    """The text of a spec or of a search space, a file of a size that `parse` takes. Raises BadInput."""
    path = pathlib.Path(file)
    try:
        if not path.is_file():
            raise WrongRequest(f"{path}: a folder, pipe or device. Give a YAML file.")
        SPEC.require(str(path), -(-path.stat().st_size // 2**10))
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongRequest(f"{path} cannot be read as UTF-8 text: {error}.") from None


def _require_few(root: yaml.Node, name: str) -> None:
    """Raise BadInput for aliases that stand for more than may be written out, or for themselves.

    Each block is counted once, however many aliases lead to it.
    """
    known: dict[int, tuple[int, int]] = {}  # values and depth of a block
    inside: set[int] = set()

    def measured(node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1, 1
        if id(node) in inside:
            raise WrongRequest(f"{name}: an alias (*name) stands for a block that contains itself.")
        if id(node) not in known:
            inside.add(id(node))
            pairs = isinstance(node, yaml.MappingNode)
            below = [part for pair in node.value for part in pair] if pairs else node.value
            sizes = [measured(part) for part in below]
            inside.discard(id(node))
            values = 1 + sum(count for count, _ in sizes)
            known[id(node)] = values, 1 + max((depth for _, depth in sizes), default=0)
            if known[id(node)][1] > SPEC_DEPTH:
                raise WrongRequest(f"{name}, line {node.start_mark.line + 1}: {_TOO_DEEP}.")
        return known[id(node)]

    SPEC_VALUES.require(f"{name}, with its aliases (*name) written out,", measured(root)[0])


def parse_value(text: str, problems: list[str]) -> Any:
    """The value of one `--set key=value`, read as YAML; adds its mistakes, raises `WrongRequest`."""
    document = parse(text, f"--set ...={text}")
    problems += document.problems
    return document.data


def _plain(node: yaml.Node, path: Path, document: Document, name: str) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if node.tag not in _TAGS[type(node)]:
        document.add(node, path, name, f"the tag {_shown(node.tag)} is not read. Leave it out.")
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                document.problems.append(f"{name}, line {line}: a key is a list or a mapping.")
                continue
            key = str(key_node.value)
            if key in result:
                dotted = ".".join(map(str, (*path, key)))
                document.problems.append(
                    f"{name}, line {line}: {dotted} stands twice (first on line "
                    f"{document.lines[(*path, key)]}). Keep one."
                )
                continue
            document.lines[(*path, key)] = line
            result[key] = _plain(value_node, (*path, key), document, name)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), document, name) for i, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node, path, document, name)


def _scalar(node: yaml.ScalarNode, path: Path, document: Document, name: str) -> Any:
    loader = _Loader("")
    if "${" in node.value:
        missing = []

        def fill(match: re.Match) -> str:
            value = os.environ.get(match[1]) or match[2]  # as in a shell, :- covers empty too
            if value is None:
                missing.append(match[1])
            return value or ""

        text = _VARIABLE.sub(fill, node.value)
        document.problems += [
            f"{name}, line {node.start_mark.line + 1}: {'.'.join(map(str, path))}: the environment "
            f"variable {variable} is not set. Set it (export {variable}=...) or give a default: "
            f"${{{variable}:-value}}."
            for variable in missing
        ]
        tag = node.tag
        if node.style is None:
            tag = loader.resolve(yaml.ScalarNode, text, (True, False))
        node = yaml.ScalarNode(tag, text, node.start_mark, node.end_mark, node.style)
    if node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
        text = f"a number of {len(node.value):,} digits; the most are {MOST_DIGITS}."
        document.add(node, path, name, text)
        return 0
    # `!!int x`: a tag that was written, on what is none
    if node.tag not in (_STR, loader.resolve(yaml.ScalarNode, node.value, (True, False))):
        text = f"{node.value!r} is no {_shown(node.tag)}. Leave the tag out, or write one."
        document.add(node, path, name, text)
        return None
    value = loader.construct_object(node)
    if value in (math.inf, -math.inf) and "inf" not in node.value.lower():
        document.add(node, path, name, f"{node.value} is larger than any number that is kept.")
    return value
