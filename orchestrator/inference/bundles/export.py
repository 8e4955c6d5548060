"""A trained ensemble written as a bundle: its networks, its vote, a program that asks them, a card."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensembles.voting.stored import STACKERS, stackers_of
from members.errors import BadInput, first_line
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.inference.bundles import card, onnx_files, record, stacks, torch_files
from orchestrator.inference.bundles.folder import place_problems, writing_bundle
from orchestrator.inference.bundles.graphs.vote import VoteGraph
from orchestrator.inference.bundles.networks import TOLERANCE, file_names, written
from orchestrator.inference.bundles.origin import origin_of
from orchestrator.inference.bundles.record import MANIFEST, SUFFIX, Kind, Manifest
from orchestrator.inference.bundles.run_file import Ask
from orchestrator.inference.parts import Trained
from orchestrator.inference.vote import tables_of, vote_of
from orchestrator.version import __version__

VOTE, PROGRAM, PIXELS, README, CARD = (
    "vote", "predict.py", "pixels.py", "README.md", "MODEL_CARD.md",
)  # fmt: skip
_ROWS = 257  # random ones that the vote's graph is compared on
_VERSIONS: Mapping[Kind, tuple[str, ...]] = {
    "onnx": ("torch", "timm", "onnx", "onnxscript"),
    "torch": ("torch", "timm"),
    "safetensors": ("torch", "timm", "safetensors"),
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What is written, and where: the options of `export` by their names."""

    out: str
    kind: Kind = "onnx"
    half: bool = False
    zipped: bool = False
    overwrite: bool = False


def request_problems(request: Request) -> list[str]:
    """What is wrong with a request, whatever the ensemble."""
    problems = place_problems(request.out, request.zipped, request.overwrite)
    return problems + (onnx_files.package_problems() if request.kind == "onnx" else [])


def ensemble_problems(trained: Trained, kind: Kind) -> list[str]:
    """What of an ensemble a bundle of that kind cannot do."""
    cut_out = [part.name for part in trained.members if part.seen.cut_out]
    if not cut_out or kind == "safetensors":
        return []
    verb = "sees" if len(cut_out) == 1 else "see"
    return [
        f"--format {kind}: {', '.join(cut_out)} {verb} photographs without their background, and the "
        f"{PROGRAM} of such a bundle cannot cut it out. Give --format safetensors, whose networks this "
        "package asks, or a --vote without that."
    ]


def export_bundle(
    trained: Trained,
    data: Mapping[str, Any],
    request: Request,
    progress: Progress | None = None,
    fewer: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write the bundle to the folder `request.out`, whole or not at all; what stands in MANIFEST.

    data: as of `data.facts_of`. progress: called with how many networks are written, of how many.
    fewer: of what `trained` is, where it is not of all networks: `soups` as of
    `soups.ensemble.with_soups`, or `refit` as of `refits.ensemble.with_refits`.
    Raises WrongRequest with all that is wrong with the request, and RunFailed where a file answers
    otherwise than what it was made of, by more than TOLERANCE.
    """
    if problems := request_problems(request) + ensemble_problems(trained, request.kind):
        raise WrongRequest(problems)
    with writing_bundle(Path(request.out), request.overwrite) as folder:
        manifest = _fill(
            folder, trained, data, request, progress or (lambda done, of: None), fewer or {}
        )
    return manifest


def _fill(
    folder: Path,
    trained: Trained,
    data: Mapping[str, Any],
    request: Request,
    progress: Progress,
    fewer: Mapping[str, Any],
) -> Manifest:
    kind, digests = request.kind, {}

    def keep(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        digests[name] = hashlib.sha256(content).hexdigest()

    of, done, problems = sum(len(part.networks) for part in trained.members), 0, []
    said: dict[str, list[np.ndarray]] = {}
    checked: dict[str, float] = {"networks": 0.0, "half": 0.0}
    for part in trained.members:
        said[part.name] = []
        n_classes = len(trained.codec_of(part).classes)
        try:
            for network in written(part, n_classes, kind, request.half):
                keep(network.file, network.content)
                said[part.name].append(network.said)
                checked["networks"] = max(checked["networks"], network.deviation)
                checked["half"] = max(checked["half"], network.from_half)
                done += 1
                progress(done, of)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise WrongRequest(problems)
    if (stackers := stackers_of(trained.rule)) is not None:
        keep(STACKERS, stackers)
    of_stacks = {}
    for name, stack in trained.stacks.items():
        file = f"stacks/{name}.safetensors"
        keep(file, stacks.to_bytes(stack))
        of_stacks[name] = record.OneStack(of=tuple(stack.of), file=file)
    graph = None
    if kind != "safetensors":
        graph = f"{VOTE}{SUFFIX[kind]}"
        content, checked["vote"] = _vote(trained, kind, said)
        keep(graph, content)
    manifest = Manifest(
        format=record.FORMAT,
        kind=kind,
        name=trained.name,
        made_by={"ensemble": __version__} | {own: _version(own) for own in _VERSIONS[kind]},
        half=request.half,
        classes=trained.classes,
        targets=tuple(trained.codec.targets.items()),
        bits=trained.bits,
        members=tuple(
            record.member_of(
                part,
                dict(zip([n.place for n in part.networks], file_names(part, kind), strict=True)),
                {n.place: origin_of(n.recipe) for n in part.networks},
            )
            for part in trained.members
        ),
        joins={name: tuple(own) for name, own in trained.joins.items()},
        stacks=of_stacks,
        vote=record.OneVote(
            name=trained.vote, voters=trained.voters, record=trained.record.record(), file=graph
        ),
        data=dict(data),
        soups=dict(fewer.get("soups", {})),
        refit=dict(fewer.get("refit", {})),
        checked=checked,
        files=digests,
    )
    programs = resources("orchestrator.inference.bundles.programs")
    (folder / PROGRAM).write_bytes((programs / f"predict_{kind}.py").read_bytes())
    if kind != "safetensors":
        (folder / PIXELS).write_bytes((programs / PIXELS).read_bytes())
    (folder / README).write_text(card.readme(manifest), encoding="utf-8")
    (folder / CARD).write_text(card.model_card(manifest), encoding="utf-8")
    # last: what has it is complete
    (folder / MANIFEST).write_bytes(manifest.to_bytes())
    record.trained_of_bundle(str(folder))
    return manifest


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _vote(
    trained: Trained, kind: Kind, said: Mapping[str, list[np.ndarray]]
) -> tuple[bytes, float]:
    """The vote as a graph, and how far it is from the rule on the networks' answers and on random ones."""
    graph, networks = VoteGraph(trained), [own for part in said.values() for own in part]
    examples = [torch.from_numpy(own[:3]) for own in networks]
    try:
        if kind == "onnx":
            names = [f"network_{i}" for i in range(len(networks))]
            model = onnx_files.graph_of(graph, examples, names)
            content = onnx_files.to_bytes(model, f"the vote {trained.vote}")
            ask: Ask = onnx_files.Session(content).run
        else:
            content = torch_files.to_bytes(torch_files.program_of(graph, examples))
            run = torch_files.loaded(content)

            def ask(*given: np.ndarray) -> np.ndarray:
                return run(*map(torch.from_numpy, given)).numpy()

    except Exception as error:  # exporters raise what they like
        raise RunFailed(
            f"the vote {trained.vote} cannot be written as {kind} ({first_line(error)}). Give --format "
            "safetensors, or another --vote."
        ) from error
    rng, worst = np.random.default_rng(0), 0.0
    made_up = {
        name: [rng.dirichlet(np.full(own.shape[1], 0.3), _ROWS).astype(np.float32) for own in each]
        for name, each in said.items()
    }
    for tables in (said, made_up):
        members = {
            name: np.stack(each).mean(axis=0, dtype=np.float64).astype(np.float32)
            for name, each in tables.items()
        }
        expected = vote_of(trained, tables_of(trained, members))
        found = ask(*(own for each in tables.values() for own in each))
        worst = max(worst, float(np.abs(found - expected).max()))
    if not worst <= TOLERANCE:
        raise RunFailed(
            f"the vote {trained.vote} written as {kind} answers otherwise than its rule: by {worst:.1g} in "
            f"probability, and at most {TOLERANCE:g} is allowed. Give --format safetensors, or another "
            "--vote."
        )
    return content, worst
