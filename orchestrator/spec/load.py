"""`ensembles/*.yaml` -> a validated spec; every mistake at once, each with its line, later ones too.

spec = load("ensembles/demo.yaml", small=True, sets=["members.effnet.lr=1e-3"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from members.errors import nearest
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
    key, colon, _ = text.partition(": ")
    written = document.data.get("members") if isinstance(document.data, dict) else None
    # where a member stands in the file, which may hold more than `small` leaves, and stacks
    at = {
        str(own.get("name")): i
        for i, own in enumerate(written if isinstance(written, list) else [])
        if isinstance(own, dict)
    }
    names = [member.name for member in spec.members]
    if not colon or (key.partition(".")[0] not in Spec.model_fields and key not in names):
        return text
    for given in reversed(sets):  # the last one counts; `folds={k: 9}` gives folds.k, too
        if f"{key}.".startswith(given.partition("=")[0].strip() + "."):
            return f"--set {given}: {text}"
    first, *rest = key.removeprefix("members.").split(".")
    path: tuple = tuple(key.split("."))
    if key in names or (key.startswith("members.") and first in at):
        path = ("members", at.get(first, -1), *rest)
    own = ("small", "members", first, *rest) if path[0] == "members" else ("small", *path)
    if small and own in document.lines:
        path = own
    return f"{file}, line {document.line(path)}: {text}"
