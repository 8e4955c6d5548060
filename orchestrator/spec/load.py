"""`ensembles/*.yaml` -> a validated spec; every mistake at once, each with its line.

spec = load("ensembles/demo.yaml", small=True, sets=["members.effnet.lr=1e-3"])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from members.errors import nearest
from orchestrator.errors import WrongRequest
from orchestrator.spec.reader import Reader
from orchestrator.spec.spec import Spec
from orchestrator.spec.yaml_lines import parse


def load(path: str | Path, *, small: bool = False, sets: Sequence[str] = ()) -> Spec:
    """Read and validate a spec file.

    `small` merges its `small:` block over the rest (a member mapped to null is left out) and ends
    the name in `-small`; `sets` are `a.b=value` overrides. Raises `WrongRequest` with every mistake
    found.
    """
    path = Path(path)
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.glob("*.yaml")))
        raise WrongRequest(f"no spec file at {path}.{near} Give the path of a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongRequest(f"{path} cannot be read as UTF-8 text: {error}.") from None
    return Reader(parse(text, str(path)), str(path)).read(small=small, sets=sets)
