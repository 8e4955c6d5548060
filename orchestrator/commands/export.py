"""The command `export`: a run's ensemble as one folder that answers without this package."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from orchestrator.commands.predict import SPECS
from orchestrator.commands.run import Run, find_run
from orchestrator.errors import WrongRequest, counted
from orchestrator.inference.bundles.data import facts_of
from orchestrator.inference.bundles.export import (
    Request,
    ensemble_problems,
    export_bundle,
    request_problems,
)
from orchestrator.inference.bundles.folder import write_zip
from orchestrator.inference.bundles.hub import hub_problems, push
from orchestrator.inference.bundles.record import Kind, Manifest, is_bundle
from orchestrator.inference.of_run import trained_of
from orchestrator.inference.refits.ensemble import with_refits
from orchestrator.inference.refits.said import lines
from orchestrator.inference.soups.ensemble import with_soups
from orchestrator.inference.soups.said import soup_lines
from orchestrator.program import called
from orchestrator.screens.reading import reading


@dataclass(frozen=True)
class Command:
    """The command's options by their names. run: a run folder or a spec; None: the one trained last.
    judge: what soups are judged by (`soups.judges.find_judge`); None: what the run has.
    """

    out: str
    run: str | None = None
    format: Kind = "onnx"
    vote: str | None = None
    half: bool = False
    zip: bool = False
    push_to_hub: str | None = None
    overwrite: bool = False
    small: bool = False
    sets: Sequence[str] = ()
    folds: Literal["all", "soup", "refit"] = "all"
    judge: str | None = None


def export(command: Command, console: Console) -> dict[str, Any]:
    """Carry the command out; returns what --json holds. Raises WrongRequest, and RunFailed where a
    network cannot be written in the format, or the Hub does not answer.
    """
    started = time.monotonic()
    request = Request(command.out, command.format, command.half, command.zip, command.overwrite)
    problems = request_problems(request)
    if command.push_to_hub is not None:
        problems += hub_problems(command.push_to_hub)
    is_spec = command.run is not None and command.run.lower().endswith(SPECS)
    if command.run is not None and not is_spec and is_bundle(command.run):
        problems.append(
            f"{command.run}: a bundle, which has its format already. Give the run that it was exported "
            "from."
        )
    if command.judge is not None and command.folds != "soup":
        problems.append(
            f"--judge {command.judge}: has no effect with --folds {command.folds}. Leave it out, or give "
            "--folds soup."
        )
    if problems:
        raise WrongRequest(problems)
    spec = Path(command.run) if is_spec and command.run is not None else None
    run = find_run(spec, command.small, command.sets, None if is_spec else command.run)
    trained = trained_of(run.spec, run.store, command.vote)
    data = facts_of(run.spec, run.store, trained.codec)
    fewer: dict[str, Any] = {}
    with reading(console) as progress, tempfile.TemporaryDirectory() as made:
        if command.folds != "all" and (wrong := ensemble_problems(trained, request.kind)):
            raise WrongRequest(wrong)  # before what takes minutes
        if command.folds == "soup":
            trained, own = with_soups(trained, run.store, command.judge, Path(made), progress)
            fewer = {"soups": own}
        elif command.folds == "refit":
            trained, own = with_refits(trained, run.store, _trains_on_all_rows(command, run))
            fewer = {"refit": own}
        manifest = export_bundle(
            trained, data, request, lambda done, of: progress("networks", done, of), fewer
        )
    out = Path(command.out)
    file = write_zip(out) if command.zip else None
    _show(manifest, out, file, time.monotonic() - started, console)
    found: dict[str, Any] = {
        "bundle": str(out),
        "format": manifest.kind,
        "vote": manifest.vote.name,
        "networks": sum(len(own.networks) for own in manifest.members),
        "bytes": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        "checked": manifest.checked,
        "zip": None if file is None else str(file),
        **fewer,
    }
    if command.push_to_hub is not None:
        found["commit"] = push(out, command.push_to_hub)
        console.print(
            f"pushed to {command.push_to_hub} (a new repository is private): {found['commit']}"
        )
    return found | {"seconds": round(time.monotonic() - started, 3)}


def _trains_on_all_rows(command: Command, run: Run) -> str:
    """The command that trains what `--folds refit` takes."""
    words = ["train-members"]
    if command.run is not None and command.run.lower().endswith(SPECS):
        words += [command.run, *(["--small"] if command.small else [])]
        words += [word for own in command.sets for word in ("--set", own)]
    elif run.spec.search is None:
        words += [run.store.uri("spec.yaml"), "--run", run.store.root]
    else:  # a search of an earlier version is known by the settings that it began from only
        words += ["SPEC", "--run", run.store.root]
    return f"{called()} {shlex.join([*words, '--refit'])}"


def _show(
    manifest: Manifest, out: Path, file: Path | None, seconds: float, console: Console
) -> None:
    networks = sum(len(own.networks) for own in manifest.members)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    in_half = ", weights in 16 bits" if manifest.half else ""
    console.print(
        f"{counted(networks, 'network')} and the {manifest.vote.name} vote of {manifest.name} as "
        f"{manifest.kind}{in_half}: {out} ({size:.1f} MB, {seconds:.1f} s)"
    )
    for line in (*soup_lines(manifest.soups), *lines(manifest.refit)):
        console.print(line)
    if file is not None:
        console.print(f"zipped: {file}")
    worst = max(manifest.checked.get(name, 0.0) for name in ("networks", "vote"))
    console.print(f"compared with what it was made of: probabilities differ by at most {worst:.1g}")
    if manifest.half:
        console.print(
            f"because of 16 bits a network's differ by up to {manifest.checked['half']:.1g}"
        )
    console.print(f"ask it: {called()} predict --bundle {out} PHOTOS..., or its own predict.py")
