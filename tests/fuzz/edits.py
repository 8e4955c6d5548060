"""What happens to right content before a command reads it: strategies of content that was changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

# -- bytes -----------------------------------------------------------------------------------------

_PIECES = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\r", b"\n", b'"', b"'", b",", b";",
    b"\t", b" ", b":", b"- ", b"[", b"]", b"{", b"}", b"#", b"&a ", b"*a", b"!!", b"|", b"%", b"@",
    b"${HOME}", b"${X", b"NaN", b"1e400", b"-1", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\x1b[31m",
    b"9" * 30, b"../", b"\x00\x00\x00\x7f", b"\xff\xff\xff\xff",
)  # fmt: skip


def changed_bytes(content: bytes, most: int = 3) -> st.SearchStrategy[bytes]:
    """A few bits flipped, pieces put in, taken out or doubled; cut short; empty; another's content."""
    at = st.integers(0, max(0, len(content) - 1))
    small = st.integers(1, 40)
    edit = st.one_of(
        st.builds(lambda i, bit: ("flip", i, bit), at, st.integers(0, 7)),
        st.builds(lambda i, piece: ("put", i, piece), at, st.sampled_from(_PIECES)),
        st.builds(lambda i, byte: ("set", i, byte), at, st.integers(0, 255)),
        st.builds(lambda i, n: ("cut", i, n), at, small),
        st.builds(lambda i, n: ("double", i, n), at, small),
        st.builds(lambda i, n: ("zero", i, n), at, st.sampled_from([1, 4, 64, 4096])),
    )
    several = st.lists(edit, min_size=1, max_size=most).map(lambda edits: _edited(content, edits))
    return st.one_of(several, several, several, st.builds(lambda n: content[:n], at), foreign())


def foreign() -> st.SearchStrategy[bytes]:
    """What is no such file at all."""
    return st.sampled_from(
        (b"", b"\n", b"\x00" * 64, b"PAR1", b"PAR1" + b"\x00" * 20 + b"PAR1", b"{}", b"[]", b"null",
         b"<html></html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"PK\x03\x04", b"GIF89a",
         b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", b"\x93NUMPY",
         b"\x80\x04.", b"SQLite format 3\x00", b"%PDF-1.7", b"\x1f\x8b\x08", b"1", b'"text"')
    )  # fmt: skip


def _edited(content: bytes, edits: list[tuple]) -> bytes:
    for kind, i, value in edits:
        i = min(i, max(0, len(content) - 1))
        head, tail = content[:i], content[i:]
        if kind == "flip" and tail:
            content = head + bytes([tail[0] ^ (1 << value)]) + tail[1:]
        elif kind == "set" and tail:
            content = head + bytes([value]) + tail[1:]
        elif kind == "put":
            content = head + value + tail
        elif kind == "cut":
            content = head + tail[value:]
        elif kind == "double":
            content = head + tail[:value] + tail
        elif kind == "zero":
            content = head + b"\0" * len(tail[:value]) + tail[value:]
    return content


# -- trees: YAML and JSON --------------------------------------------------------------------------

ODD: tuple[Any, ...] = (
    None, True, False, "", " ", 0, -1, 1, 2.5, -0.0, 10**30, -(10**30), 10**400, 1e308, 5e-324,
    float("inf"), float("-inf"), float("nan"), "nan", "null", "1e3", "0x10", "1_000", "x", "label",
    "macro_f1", "soft", "../x", "/", "~", "a/b", ".", "..", "a b", "\u202ex", "\u00e9", "\U0001f600",
    "a\nb", "\x07", "*", "a" * 300, [], {}, [[]], [None], [1, "x", None], {"": None}, {"x": {"y": []}},
    [0, 0], [1, 2, 3], [-1.5, float("nan")], {"0": 1}, ["plain"], {"plain": 1}, [{}], [True],
)  # fmt: skip
odd_values = st.one_of(
    st.sampled_from(ODD),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
)


def _paths(value: Any, path: tuple = ()) -> list[tuple]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(deep for key, item in inner for deep in _paths(item, (*path, key)))]


def changed_tree(tree: Any) -> st.SearchStrategy[Any]:
    """One to three places of plain lists, dicts and scalars changed."""
    place = st.sampled_from(_paths(tree))
    edit = st.tuples(
        place,
        st.sampled_from(
            ("set", "set", "set", "delete", "rename", "wrap", "double", "unwrap", "text")
        ),
        odd_values,
        st.sampled_from(_paths(tree)),
    )
    return st.lists(edit, min_size=1, max_size=3).map(lambda edits: _changed(tree, edits))


def _changed(tree: Any, edits: list[tuple]) -> Any:
    tree = {"": _copied(tree)}
    for path, kind, value, other in edits:
        path = ("", *path)
        try:
            parent = _at(tree, path[:-1])
            _change(parent, path[-1], kind, value, lambda other=other: _at(tree, ("", *other)))
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier edit took it away
    return tree.get("")


def _change(parent: Any, key: Any, kind: str, value: Any, other: Callable[[], Any]) -> None:
    own = parent[key]
    if kind == "set":
        parent[key] = value
    elif kind == "delete":
        del parent[key]
    elif kind == "rename":
        parent[str(value)] = parent.pop(key)
    elif kind == "wrap":
        parent[key] = [own] if isinstance(own, dict) else {"x": own}
    elif kind == "double":
        parent[key] = [*own, *own] if isinstance(own, list) else [own, own]
    elif kind == "unwrap":
        parent[key] = _copied(other())
    elif kind == "text":
        parent[key] = str(own)


def _copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, list) else tree


def _at(tree: Any, path: tuple) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def changed_json(content: bytes) -> st.SearchStrategy[bytes]:
    def dumped(tree: Any) -> bytes:
        return json.dumps(tree, ensure_ascii=False).encode(errors="surrogatepass")

    return st.one_of(
        changed_tree(json.loads(content)).map(dumped),
        changed_tree(json.loads(content)).map(dumped),
        changed_bytes(content),
    )


RAW = (
    "1_000", "0x10", "0o17", "010", "1e400", "-1e400", "1:30", "2024-01-01", "+.inf", "!!binary aGk=",
    "!!python/object:os.system x", "!!set {a, b}", "!!float x", "!!int x", "!!int 0x10", "!!bool maybe",
    "!!null x", "!!timestamp x", "&a [1, *a]", "{<<: {a: 1}}", "{? [1, 2] : 3}", "{[1]: 2}", "{{a: 1}: 2}",
    "*nowhere", "!own x", "!!str 1", "!!seq {}", "!!map []", "!!float 1_0.5", "{a: 1, a: 2}", "yes", "=",
    "|\n  text", "'", '"\\x00"', '"\\ud800"', "${HOME}", "${NOWHERE_AT_ALL}", "${NOWHERE:-${X}}", "${}",
    "${A:-}", "1__0", ".5.", "1e", "- 1", "[1, 2", "{a", "%", "@x", "`x`", "!!omap [a: 1]", "--- x",
)  # fmt: skip
_MARK = "RAW-YAML-HERE"


def changed_yaml(content: bytes) -> st.SearchStrategy[bytes]:
    tree = yaml.safe_load(content)

    def dumped(tree: Any) -> bytes:
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode(errors="replace")

    def raw(path: tuple, text: str) -> bytes:
        changed = _changed(tree, [(path, "set", _MARK, ())])
        return dumped(changed).decode().replace(_MARK, text).encode()

    def doubled(path: tuple, value: Any) -> bytes:
        """A key that stands twice."""
        changed = _changed(tree, [(path, "set", _MARK, ())])
        line = next(line for line in dumped(changed).decode().splitlines() if _MARK in line)
        twice = f"{line}\n{line}".replace("- ", "  ", 0)
        return dumped(changed).decode().replace(line, twice).replace(_MARK, str(value), 1).encode()

    paths = st.sampled_from(_paths(tree))
    return st.one_of(
        changed_tree(tree).map(dumped),
        changed_tree(tree).map(dumped),
        changed_tree(tree).map(dumped),
        st.builds(raw, paths, st.sampled_from(RAW)),
        st.builds(doubled, paths, st.sampled_from(("1", "x", "[]"))),
        changed_bytes(content),
    )


# -- CSV -------------------------------------------------------------------------------------------

_CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e400", "1e999999999", "0x10", "1_000", "-1", "0.5", "1.0",
    "99999999999999999999", "3.0e0", "NULL", "é", "\u202e", "a,b", 'a"b', "a\nb", "../x", "/etc/passwd",
    "x" * 500, "=1+1", "\x00", "\x1b[31m", "True", "[1 2 3]", "[0.1 0.2 0.7]", "tensor(1)", "{}", "²", "٣",
    "people", "photos", ".", "~", "1,5", "\ufeff", "\x85", "\u2028",
)  # fmt: skip


def changed_csv(content: bytes, delimiter: str = ",") -> st.SearchStrategy[bytes]:
    rows = list(csv.reader(io.StringIO(content.decode()), delimiter=delimiter))
    row, column = st.integers(0, len(rows) - 1), st.integers(0, len(rows[0]) - 1)
    cell = st.one_of(st.sampled_from(_CELLS), st.text(max_size=6))
    edit = st.one_of(
        st.tuples(st.just("cell"), row, column, cell),
        st.tuples(st.just("cell"), row, column, cell),
        st.tuples(st.just("header"), st.just(0), column, cell),
        st.tuples(st.just("column"), st.just(0), column, cell),
        st.tuples(st.sampled_from(("drop column", "double column", "swap")), row, column, cell),
        st.tuples(st.sampled_from(("drop row", "double row", "short row", "long row")), row, column,
                  cell),
        st.tuples(st.sampled_from(("no rows", "no header")), row, column, cell),
    )  # fmt: skip
    look = st.sampled_from(
        ("\n", "\n", "\r\n", "\r", ";", "\t", "bom", "utf-16", "latin-1", "quoted", "spaces")
    )
    trees = st.builds(
        lambda edits, look: _csv(_edited_rows(rows, edits), look, delimiter),
        st.lists(edit, min_size=1, max_size=3),
        look,
    )
    return st.one_of(trees, trees, trees, changed_bytes(content))


def _edited_rows(rows: list[list[str]], edits: list[tuple]) -> list[list[str]]:
    rows = [list(row) for row in rows]
    for kind, i, j, text in edits:
        if not rows or i >= len(rows) or j >= min(map(len, rows)):
            continue
        if kind in ("cell", "header"):
            rows[i][j] = text
        elif kind == "column":
            rows = [rows[0], *([*row[:j], text, *row[j + 1 :]] for row in rows[1:])]
        elif kind == "drop column":
            rows = [row[:j] + row[j + 1 :] for row in rows]
        elif kind == "double column":
            rows = [[*row, row[j]] for row in rows]
        elif kind == "swap":
            rows = [row[::-1] for row in rows]
        elif kind == "drop row":
            del rows[i]
        elif kind == "double row":
            rows.append(rows[i])
        elif kind == "short row":
            rows[i] = rows[i][:j]
        elif kind == "long row":
            rows[i] = [*rows[i], text]
        elif kind == "no rows":
            rows = rows[:1]
        elif kind == "no header":
            rows = rows[1:]
    return rows


def _csv(rows: list[list[str]], look: str, delimiter: str) -> bytes:
    content = io.StringIO()
    csv.writer(
        content,
        delimiter=look if look in ";\t" else delimiter,
        lineterminator=look if look in ("\r\n", "\r") else "\n",
        quoting=csv.QUOTE_ALL if look == "quoted" else csv.QUOTE_MINIMAL,
    ).writerows([[f" {c} " for c in row] for row in rows] if look == "spaces" else rows)
    text = content.getvalue()
    if look == "bom":
        return b"\xef\xbb\xbf" + text.encode(errors="replace")
    return text.encode(look if look in ("utf-16", "latin-1") else "utf-8", errors="replace")
