"""This project's votes and published ones on table sets: every split's scores, kept in a file.

A file of scores is {split: {method: scores}}. A method's scores are those of the test rows by their
mean tables, and its CPU seconds; a vote of ours has `printed` besides: the estimate that it prints
with its standard error, the test rows' own error, and the mean score over the folds' tables.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sets import ours
from benchmarks.sets.neural import NEURAL
from benchmarks.sets.peers import PEERS, Split, Vote
from benchmarks.sets.report import report, set_of
from benchmarks.sets.sources import names, part_of
from ensembles.scores import metrics

Scores = dict[str, dict[str, Any]]
LACKING: dict[str, str] = {}  # method -> why it was skipped


def read(path: Path) -> tuple[Split, dict[str, Any]]:
    """What is fitted to, and what is tested on. Groups are None where each row is its own."""
    file = np.load(path, allow_pickle=False)
    found = {name: file[name] for name in file.files}
    groups = [found["groups"], found["test_groups"]]
    alone = all(len(np.unique(own)) == len(own) for own in groups)
    labels, folds = found["labels"].astype(int), found["folds"].astype(int)
    split = Split(found["oof"], labels, folds, None if alone else groups[0])
    test = {
        "tables": found["test"],
        "by_fold": found["test_folds"],
        "labels": found["test_labels"].astype(int),
        "groups": None if alone else groups[1],
    }
    return split, test


def scored(vote: Vote, test: dict[str, Any], seconds: float) -> dict[str, Any]:
    found = metrics.score_all(test["labels"], np.asarray(vote(test["tables"]), np.float32))
    return {**found, "seconds": seconds}


def printed(vote: Any, test: dict[str, Any]) -> dict[str, Any]:
    """What the vote says of itself, beside what it came to."""
    estimate = vote.vote_.estimate
    apply = ours.of_any(vote)
    labels = test["labels"]
    each = [metrics.score_all(labels, apply(own)) for own in test["by_fold"]]
    own_error = metrics.standard_errors(labels, apply(test["tables"]), test["groups"])
    return {
        "estimate": {name: estimate[name] for name in metrics.REPORTED},
        "error": estimate["standard_error"],
        "test_error": own_error,
        "folds": {name: float(np.mean([e[name] for e in each])) for name in metrics.REPORTED},
    }


def of_ours(split: Split, test: dict[str, Any], known: Scores) -> Scores:
    found: Scores = {}
    default = None
    for name, options in ours.PRESETS.items():
        started = time.process_time()
        vote = ours.fitted(split, options)
        if isinstance(vote, str):
            LACKING[name] = vote
            continue
        seconds = time.process_time() - started
        found[name] = scored(ours.of_any(vote), test, seconds) | {"printed": printed(vote, test)}
        default = vote if name == ours.DEFAULT else default
    for name in ours.candidates(default) if default else ():
        started = time.process_time()
        single = ours.candidate(split, name)
        if isinstance(single, str):
            LACKING[f"candidate {name}"] = single
            continue
        found[f"candidate {name}"] = scored(single, test, time.process_time() - started)
    return found


def of_peers(split: Split, test: dict[str, Any], known: Scores) -> Scores:
    found = {name: known[name] for name in PEERS | NEURAL if name in known}
    for name, fit in {**PEERS, **NEURAL}.items():
        if name in found:
            continue
        if name.startswith("LightGBM") and importlib.util.find_spec("lightgbm") is None:
            LACKING[name] = "lightgbm is not installed"
            continue
        started = time.process_time()
        vote = fit(split)
        found[name] = scored(vote, test, time.process_time() - started)
    return {name: found[name] for name in PEERS | NEURAL if name in found}


def measure(
    paths: list[Path], fit: Callable[[Split, dict[str, Any], Scores], Scores], file: Path | None,
    known: dict[str, Scores],
) -> dict[str, Scores]:  # fmt: skip
    """The scores of every split, kept in `file` after each; what is in `known` is not fitted again."""
    kept = dict(known)
    for i, path in enumerate(paths):
        kept[path.stem] = fit(*read(path), known.get(path.stem, {}))
        if file:
            part = file.with_name(file.name + ".part")
            part.write_text(json.dumps(kept))
            part.replace(file)
        if (i + 1) % 10 == 0:
            print(f"  {i + 1} of {len(paths)} splits", flush=True)
    return {path.stem: kept[path.stem] for path in paths}


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/voting.py real", description=__doc__)
    parser.add_argument("--part", choices=["devise", "check", "all"], default="devise")
    parser.add_argument("--sets", type=int, help="the first so many of the part")
    parser.add_argument("--splits", type=int, default=9, help="of each set the first so many")
    parser.add_argument("--tables", type=Path, default=Path("data/table-sets"),
                        help="the folder that benchmarks/table_sets.py wrote")  # fmt: skip
    parser.add_argument("--peers", type=Path,
                        help="file of the peers' scores: those in it are not measured again")  # fmt: skip
    parser.add_argument("--only-peers", action="store_true", help="fill --peers, print nothing")
    parser.add_argument("--json", type=Path, help="file for the scores of our votes")
    return parser.parse_args(given)


def main(given: list[str]) -> None:
    asked = arguments(given)
    warnings.filterwarnings("ignore")  # that a peer's solver stopped at its last step
    chosen = names(asked.part)[: asked.sets]
    every = [asked.tables / f"{name}-{seed}.npz" for name in chosen for seed in range(asked.splits)]
    paths = [path for path in every if path.exists()]
    there = {set_of(path.stem) for path in paths}
    for name in sorted(set(chosen) - there):
        print(f"{name} ({part_of(name)}): skipped, not in {asked.tables}: "
              f"python benchmarks/table_sets.py {asked.tables} --part {part_of(name)}")  # fmt: skip
    if not paths:
        raise SystemExit("no table sets to measure on")
    known = json.loads(asked.peers.read_text()) if asked.peers and asked.peers.exists() else {}
    peers = measure(paths, of_peers, asked.peers, known)
    if asked.only_peers:
        return
    own = measure(paths, of_ours, asked.json, {})
    for name, why in sorted(LACKING.items()):
        print(f"skipped: {name}: {why}")
    report({split: {**own[split], **peers[split]} for split in own}, ours.DEFAULT)
