"""`ensembles/*.yaml` -> a validated spec; every mistake at once, each with its line.

spec = load("ensembles/demo.yaml", small=True, sets=["members.effnet.lr=1e-3"])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from members.errors import nearest
from orchestrator.errors import WrongRequest
from orchestrator.spec.reader import read
from orchestrator.spec.shipped import names, shipped
from orchestrator.spec.spec import Spec
from orchestrator.spec.yaml_lines import parse, read_text


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
