"""YAML values as people mean them, each key with its line."""

from __future__ import annotations

import pytest
import yaml

from orchestrator.errors import WrongRequest
from orchestrator.spec.yaml_lines import parse, parse_value

TEXT = """\
a: 1
b:
  - {c: 2.5, d: text}
  - e: [true, null, '7']
f: -1.0e-3
g: 1_000
"""


def test_plain_values_agree_with_pyyaml():
    assert parse(TEXT, "t.yaml").data == yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("off", "off"), ("yes", "yes"), ("0.5", 0.5), ("5.", 5.0), ("010", "010"),
     ("~", None), ("[1, 2]", [1, 2]), ("1e3x", "1e3x"), ("2026-11-21", "2026-11-21")],
)  # fmt: skip
def test_values_are_read_as_yaml_1_2_means_them(text, value):
    assert parse_value(text, []) == value
    assert type(parse_value(text, [])) is type(value)


def test_every_key_knows_its_line():
    document = parse(TEXT, "t.yaml")
    assert document.line(("a",)) == 1
    assert document.line(("b", 0, "d")) == 3
    assert document.line(("b", 1, "e", 2)) == 4
    assert document.line(("b", 1, "nowhere", "deeper")) == 4


def test_a_filled_in_variable_is_typed_like_written_text(monkeypatch):
    monkeypatch.setenv("K", "7")
    document = parse("a: ${K}\nb: '${K}'\nc: x-${K}-${L:-y}\nd: ${EMPTY:-3}", "t.yaml")
    assert document.data == {"a": 7, "b": "7", "c": "x-7-y", "d": 3}


def test_an_anchor_and_its_alias_hold_the_same():
    assert parse("a: &x {k: 1}\nb: *x", "t.yaml").data == {"a": {"k": 1}, "b": {"k": 1}}


def test_an_alias_that_contains_itself_is_refused():
    with pytest.raises(WrongRequest, match="contains itself"):
        parse("a: &x [*x]", "t.yaml")


@pytest.mark.parametrize(
    "text", ["!!int x", "!!bool maybe", "!!float x", "!own x", "!!set {a}", "!!binary aGk=", "!!seq {}",
             "!!python/object:os.system x", "!!timestamp 2026-01-01", "1e400", "-1e999"],
)  # fmt: skip
def test_tags_that_are_not_read_and_numbers_that_are_too_large_are_mistakes(text):
    (problem,) = parse(f"a:\n  b: {text}", "t.yaml").problems
    assert problem.startswith("t.yaml, line 2: a.b: ")


def test_a_tag_that_says_what_is_there_changes_nothing():
    assert parse("a: !!str 1\nb: !!int 2\nc: !!map {}", "t.yaml").data == {
        "a": "1",
        "b": 2,
        "c": {},
    }


def test_a_key_that_stands_twice_in_a_given_value_is_a_mistake():
    problems: list[str] = []
    parse_value("{a: 1, a: 2}", problems)
    assert "stands twice" in problems[0]
