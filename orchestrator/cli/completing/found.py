"""What a line's spec and run hold, and what lies in folders: members, votes, runs, specs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator.cli.completing.line import Line

_SPECS = (".yaml", ".yml")
_PACKAGE = Path(__file__).parents[3] / "ensembles"


def files(written: str, endings: Iterable[str]) -> list[str]:
    """Paths that begin with what is written: folders, with a / behind them, and files so called."""
    return [own for own in _paths(written) if own.endswith(("/", *endings))]


def folders(written: str) -> list[str]:
    return files(written, ())


def _paths(written: str) -> list[str]:
    above, slash, name = written.rpartition("/")
    folder = Path(above + slash or ".").expanduser()
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return []
    shown = [own for own in inside if name.startswith(".") or not own.name.startswith(".")]
    return [f"{above}{slash}{own.name}{'/' if own.is_dir() else ''}" for own in shown]


def shipped_specs() -> list[str]:
    """As commands take them from any folder: `ensembles/demo.yaml`, ..."""
    inside = sorted(_PACKAGE.glob("*.yaml"))
    return [f"ensembles/{own.name}" for own in inside]


def runs() -> list[str]:
    """The folders of runs here, that of the last one first."""
    above = Path(_runs_folder())
    inside = [own for own in _folders_in(above) if (above / own / "spec.yaml").is_file()]
    last = _latest()
    return sorted((f"{above}/{own}" for own in inside), key=lambda own: own != str(last))


def votes(line: Line) -> list[str]:
    """Of the line's run: those that are whole."""
    run = _run(line)
    inside = _folders_in(run / "votes") if run else []
    return [own for own in inside if (run / "votes" / own / "vote.json").is_file()] if run else []


def networks(line: Line) -> list[str]:
    """Members that are trained."""
    return [own["name"] for own in _members(line) if "stack" not in own]


def named(line: Line) -> list[str]:
    return [own["name"] for own in _members(line)]


def voters(line: Line) -> list[str]:
    """Members that predict all targets, joins and stacks."""
    spec = _spec(line)
    joins = spec.get("join")
    joined = [joins] if isinstance(joins, dict) else joins if isinstance(joins, list) else []
    whole = [own for own in _members(line) if own.get("targets") is None]
    return [own["name"] for own in [*whole, *_with_names(joined)]]


def _members(line: Line) -> list[dict[str, Any]]:
    given = _spec(line).get("members")
    return _with_names(given if isinstance(given, list) else [])


def _with_names(blocks: list[Any]) -> list[dict[str, Any]]:
    return [own for own in blocks if isinstance(own, dict) and isinstance(own.get("name"), str)]


def _spec(line: Line) -> dict[str, Any]:
    """The spec that the line names, else that of its run; {} where none can be read."""
    file = _spec_file(line)
    if file is None:
        run = _run(line)
        file = run / "spec.yaml" if run else None
    return _read(file) if file else {}


def _spec_file(line: Line) -> Path | None:
    given = next((own for own in line.arguments if own.lower().endswith(_SPECS)), None)
    if given is None:
        return None
    own = _PACKAGE.parent / given
    return own if not Path(given).exists() and given.startswith("ensembles/") else Path(given)


def _run(line: Line) -> Path | None:
    """The folder that the line's command would read; None for one elsewhere (s3://)."""
    given = line.value("--run")
    given = given or next((own for own in line.arguments if Path(own, "spec.yaml").is_file()), None)
    if given is None and (file := _spec_file(line)):
        name = _read(file).get("name")
        small = "-small" if "--small" in line.options and _is_given(line, "--small") else ""
        given = f"{_runs_folder()}/{name}{small}"
    if given is None:
        return _latest()
    return None if "://" in given else Path(given)


def _is_given(line: Line, flag: str) -> bool:
    return id(line.options[flag]) in line.given


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _runs_folder() -> str:
    """As `orchestrator.runs.folders.runs`, which takes pyarrow to import; a test holds that they agree."""
    return (os.environ.get("SM_MODEL_DIR") or "").rstrip("/") or "runs"


def _latest() -> Path | None:
    try:
        name = Path(_runs_folder(), "latest").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not name or "://" in name:
        return None
    return (
        Path(name) if name.startswith("/") else Path(os.path.normpath(f"{_runs_folder()}/{name}"))
    )


def _folders_in(folder: Path) -> list[str]:
    try:
        return sorted(own.name for own in folder.iterdir() if own.is_dir())
    except OSError:
        return []
