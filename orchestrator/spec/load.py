"""`ensembles/*.yaml` -> a validated spec; every mistake at once, each with its line, later ones too.

spec = load("ensembles/demo.yaml", small=True, sets=["members.effnet.lr=1e-3"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from members.errors import nearest
from members.recipe.recipe import Recipe
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.spec.reader import read
from orchestrator.spec.shipped import names, shipped
from orchestrator.spec.spec import Spec
from orchestrator.spec.yaml_lines import Document, parse, read_text


def load(path: str | Path, *, small: bool = False, sets: Sequence[str] = ()) -> Spec:
    """Read and validate a spec file.

    `small` merges its `small:` block over the rest (a member mapped to null is left out) and ends
    the name in `-small`; `sets` are `a.b=value` overrides. A file `ensembles/...` that is not in the
    current folder is the one that comes with the package. Raises `WrongRequest` with every mistake
    found.
    """
    given, path = path, shipped(path)
    if not path.exists():
        near = nearest(path.name, (file.name for file in path.parent.glob("*.yaml")))
        raise WrongRequest(
            f"no spec file at {given}.{near} Give the path of a YAML file. "
            f"Specs that come with the package: {', '.join(names())}."
        )
    return read(parse(read_text(path), str(path)), str(path), small=small, sets=sets)


def load_recorded(text: str, name: str) -> Spec:
    """The spec that a run folder keeps, called `name`. Raises WrongRequest."""
    return read(parse(text, name), name, small=False, sets=(), recorded=True)


@contextmanager
def located(spec: Spec, file: str | Path, *, small: bool, sets: Sequence[str]) -> Iterator[None]:
    """Mistakes found in the block that begin with a key or a member of `spec`, `folds.k: ...`, get the
    file and the line of it before them, or the `--set` that gave it.

    file, small, sets: what `load` read the spec from.
    """
    file = shipped(file)
    document = parse(read_text(file), str(file))  # now: it may be edited while units train
    try:
        yield
    except BAD_INPUT as error:
        problems = [
            _located(text, spec, document, str(file), small, sets) for text in error.problems
        ]
        raise WrongRequest(problems) from error


def _located(
    text: str, spec: Spec, document: Document, file: str, small: bool, sets: Sequence[str]
) -> str:
    key, colon, rest = text.partition(": ")
    names = [member.name for member in spec.members]
    if not colon or (key.partition(".")[0] not in Spec.model_fields and key not in names):
        return text
    keys = [f"members.{key}" if key in names else key]
    setting = rest.partition(": ")[0]
    if key in names and setting in Recipe.model_fields:  # of the member, or of the defaults
        keys = [f"members.{key}.{setting}", f"defaults.{setting}", *keys]
    for own in keys:
        for given in reversed(sets):  # the last one counts; `folds={k: 9}` gives folds.k, too
            if f"{own}.".startswith(given.partition("=")[0].strip() + "."):
                return f"--set {given}: {text}"
        paths = _paths(own, document, small)
        line = next((document.lines[path] for path in paths if path in document.lines), None)
        if line:
            return f"{file}, line {line}: {text}"
    return f"{file}, line {document.line(paths[-1])}: {text}"


def _paths(key: str, document: Document, small: bool) -> list[tuple]:
    """Where a dotted key, `folds.k` or `members.NAME.lr`, may stand in the file."""
    own: tuple = tuple(key.split("."))
    written = document.data.get("members") if isinstance(document.data, dict) else None
    # the file may hold more members than `small` leaves, and stacks
    at = {
        str(member.get("name")): i
        for i, member in enumerate(written if isinstance(written, list) else [])
        if isinstance(member, dict)
    }
    in_small = [("small", *own)] if small else []
    if own[0] == "members" and len(own) > 1 and own[1] in at:
        own = ("members", at[own[1]], *own[2:])
    return [*in_small, own]
