"""What turns out wrong after a spec was read: said with the file, the line or the option of its key."""

from __future__ import annotations

import pytest

from members.errors import BadInput
from orchestrator.errors import WrongRequest
from orchestrator.spec import load, located

SPEC = """\
name: mine
data: {layout: table, train: photos.csv}
folds:
  k: 5
members:
  - {name: net, model: test_resnet}
defaults:
  optimizer: sgd
small:
  folds:
    k: 2
"""


@pytest.mark.parametrize(
    ("text", "small", "sets", "place"),
    [
        ("folds.k: 5, but ...", False, (), "mine.yaml, line 4: "),
        ("folds.k: 2, but ...", True, (), "mine.yaml, line 11: "),
        ("folds.k: 7, but ...", False, ("folds.k=7",), "--set folds.k=7: "),
        ("folds.k: 7, but ...", False, ("folds.k=6", "folds.k=7"), "--set folds.k=7: "),
        ("folds.k: 9, but ...", False, ("folds={k: 9}",), "--set folds={k: 9}: "),
        ("folds.k: 5, but ...", False, ("folds.seed=3",), "mine.yaml, line 4: "),
        ("data.train: photos.csv: no such file.", True, (), "mine.yaml, line 2: "),
        ("data.copies.cut.train: no photo ...", False, (), "mine.yaml, line 2: "),
        ("resources.gpus: there is none", False, (), "mine.yaml, line 1: "),
        ("net: no batch of ...", False, (), "mine.yaml, line 6: "),
        ("net: no batch of ...", False, ("defaults.lr=1",), "mine.yaml, line 6: "),
        ("net: model: no such one", False, (), "mine.yaml, line 6: "),
        ("net: optimizer: no such one", False, (), "mine.yaml, line 8: "),
        (
            "net: optimizer: no ...",
            False,
            ("defaults.optimizer=x",),
            "--set defaults.optimizer=x: ",
        ),
        (
            "net: optimizer: no ...",
            False,
            ("members.net.optimizer=x",),
            "--set members.net.optimizer=x: ",
        ),
        ("net: lr: ...", False, ("defaults={lr: 3}",), "--set defaults={lr: 3}: "),
        ("photos.csv: row 3: no label", False, (), ""),
        ("nothing of the spec", False, (), ""),
    ],
)
def test_a_mistake_gets_the_place_of_its_key(tmp_path, monkeypatch, text, small, sets, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SPEC)
    spec = load("mine.yaml", small=small, sets=sets)
    with pytest.raises(WrongRequest) as caught, located(spec, "mine.yaml", small=small, sets=sets):
        raise BadInput([text, "another"])
    assert caught.value.problems == [place + text, "another"]


def test_what_is_no_mistake_of_the_request_passes_through(tmp_path):
    (tmp_path / "mine.yaml").write_text(SPEC)
    file = tmp_path / "mine.yaml"
    spec = load(file)
    with pytest.raises(RuntimeError, match="boom"), located(spec, file, small=False, sets=()):
        raise RuntimeError("boom")
