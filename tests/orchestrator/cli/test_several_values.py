"""Several values after one flag, through the real command line, whatever the files are called."""

from __future__ import annotations

import pytest

from orchestrator.commands import check, train_members, vote

SPEC = """\
name: small
data: {layout: table, train: photos.csv}
members: [{name: a, model: test_resnet}, {name: b, model: test_resnet}]
"""


class Stop(Exception):
    """The command line was read, and the command begins."""


@pytest.fixture
def read(command, tmp_path, monkeypatch):
    """What a command line is read as, by the command's own names, or (code, message)."""
    for name in ("spec.yaml", "spec", "a", "my.spec"):
        (tmp_path / name).write_text(SPEC)
    seen = {}

    def stop(**found):
        seen.update(found)
        raise Stop

    monkeypatch.setattr(
        check, "show_plan", lambda spec, *_, **__: stop(k=spec.folds.k, name=spec.name)
    )
    monkeypatch.setattr(
        train_members,
        "train",
        lambda spec, *_, only, address, **__: stop(
            k=spec.folds.k, only=list(only), address=address
        ),
    )
    monkeypatch.setattr(
        vote,
        "cast",
        lambda found, _: stop(
            spec=str(found.spec) if found.spec else None,
            files=list(map(str, found.submissions or ())),
            sets=list(found.overrides or ()),
            weights=found.options.get("weights"),
            out=found.out,
        ),
    )

    def read(line: str):
        seen.clear()
        code, _, err = command(*line.split())
        return dict(seen) if "Stop" in err else (code, err)

    return read


@pytest.mark.parametrize(
    "line",
    [
        "check --set folds.k=3 name=x spec",
        "check --set folds.k=3 name=x my.spec",
        "check spec.yaml --set folds.k=3 name=x",
        "check --set folds.k=3 --set name=x a",
        "check --set=folds.k=3 --set=name=x spec",
        "check --set folds.k=3 name=x -- spec",
        "check spec --set name=x --set=folds.k=3",
    ],
)
def test_pairs_leave_what_has_no_equals_sign(read, line):
    assert read(line) == {"k": 3, "name": "x"}


@pytest.mark.parametrize(
    ("line", "only"),
    [
        ("train-members --only a b spec", ["a", "b"]),
        ("train-members --only a b a", ["a", "b"]),
        ("train-members spec --only a b", ["a", "b"]),
        ("train-members --only a --only b spec.yaml", ["a", "b"]),
        ("train-members --only=a --only=b spec", ["a", "b"]),
        ("train-members --only=a spec --only b", ["a", "b"]),
        ("train-members --only a b -- spec", ["a", "b"]),
        ("train-members --only a spec --address x:1", ["a"]),
        ("train-members --only a b spec --set folds.k=2", ["a", "b"]),
        ("train-members --address x:1 --only a spec", ["a"]),
        ("train-members --only a --small spec", ["a"]),
    ],
)
def test_names_leave_the_argument_that_the_command_still_lacks(read, tmp_path, line, only):
    if "--small" in line:
        (tmp_path / "spec").write_text(SPEC + "small: {folds: {k: 2}}\n")
    found = read(line)
    assert found["only"] == only
    assert found["address"] == ("x:1" if "x:1" in line else None)


def test_a_vote_takes_all_files_as_no_spec_is_needed(read):
    found = read("vote --submissions a b.csv --weights a=1 b=2 --out o")
    assert found["files"] == ["a", "b.csv"]
    assert (found["spec"], found["out"], found["weights"]) == (None, "o", {"a": 1, "b": 2})
    found = read("vote --weights a=1 b=2 spec --set x=1 y.z=2")
    assert (found["spec"], found["sets"], found["weights"]) == (
        "spec", ["x=1", "y.z=2"], {"a": 1, "b": 2},
    )  # fmt: skip
    assert read("vote spec --weights a=b=2")["weights"] == {"a=b": 2}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("check --set spec", "'--set': give KEY=VALUE ..., got 'spec'"),
        ("check spec --set", "'--set': give KEY=VALUE ..., got nothing"),
        ("check spec --set --small", "'--set': give KEY=VALUE ..., got '--small'"),
        ("check --set folds.k=3", "Missing argument 'SPEC'"),
        ("check --set=folds.k spec", "write --set key.subkey=value"),
        ("check --set folds.k=3 spec more", "unexpected extra argument"),
        ("train-members --only a", "Missing argument 'SPEC'"),
        ("train-members --only --small spec", "'--only': give MEMBER ..., got '--small'"),
        ("train-members --onyl a spec", "No such option"),
        ("train-members spec --only=a b", "unexpected extra argument"),
        ("vote --weights a", "'--weights': give MEMBER=W ..., got 'a'"),
        ("vote --weights a=x b= =3 a=1 a=2", "4 mistakes"),
        ("vote --submissions", "'--submissions': give CSV ..., got nothing"),
        ("nosuch --set a=1 spec", "No such command"),
    ],
)
def test_a_wrong_line_is_refused_with_what_is_wrong(read, line, text):
    code, err = read(line)
    assert code == 2
    assert text.lower() in err.lower()
