"""From members' tables or submission files to a vote with its honest score."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles import metrics, vote
from ensembles.errors import BadInput, examples
from ensembles.estimate import best_single, estimate, folds_for_weights, nested_probabilities
from ensembles.places import Place
from ensembles.result import Vote
from ensembles.submission import answer_classes, class_numbers, identical, read_submissions
from ensembles.tables import Table, align, compare_classes
from ensembles.weights import OBJECTIVES, Fit, fit_weights

MODES = ("hard", "soft", "weighted")


def cast(
    oof: dict[str, Table] | None,
    test: dict[str, Table] | None,
    mode: str,
    objective: str = "macro_f1",
    groups: Mapping[str, str] | None = None,
) -> Vote:
    """Vote over members' tables, which need not be aligned yet.

    oof, test: member -> table. Either may be None or empty, but a weighted vote needs `oof`. The
    rows voted on are `test`'s, or `oof`'s where there is no test table.
    mode: "hard", "soft" or "weighted". objective: "log_loss", "macro_f1" or "accuracy"; what
    weights are fitted for, and what the best single member is best in.
    groups: image id -> group (a person, say) of every OOF row, for standard errors that know which
    rows err together.

    Raises BadInput with every problem: an unknown mode or objective, tables that do not fit.
    """
    started = time.perf_counter()
    _check_choices(mode, objective)
    oof, test = _aligned(oof or {}, test or {}, mode)
    source = test or oof
    names = list(source)
    scores: dict[str, Any] = {}
    notes = [] if len(names) > 1 else [_one_member(names[0])]
    fit = Fit(np.full(len(names), 1 / len(names)), None)
    if oof:
        fit, scores, more = _scored(oof, mode, objective, groups)
        notes += more
    else:
        notes.append("no OOF tables: nothing can be said about the score.")
    first = source[names[0]]
    fitted_for = objective if mode == "weighted" else None
    table = Table(
        first.ids,
        _combine(mode, _stack(source), fit.weights),
        first.fold,
        first.label,
        {**first.meta, "member": f"{mode}-{fitted_for}" if fitted_for else mode},
    )
    return Vote(
        mode,
        fitted_for,
        "test" if test else "oof",
        table,
        dict(zip(names, fit.weights.tolist(), strict=True)),
        gap=fit.gap,
        notes=notes,
        **scores,
        seconds=time.perf_counter() - started,
    )


def cast_submissions(paths: Sequence[Place], answers: Sequence[str] | None = None) -> Vote:
    """Hard vote over submission files, aligned by id, rows in the order of the first file.

    answers: the allowed answers; without them, all that occur are the classes. Raises BadInput.
    """
    started = time.perf_counter()
    submissions = read_submissions(paths, answers)
    names, classes = list(submissions), answer_classes(submissions, answers)
    choices = class_numbers(submissions, classes)
    winners = vote.hard_labels(choices, len(classes))
    notes = ["labels only: nothing can be said about the score."]
    if len(names) == 1:
        notes.append(_one_member(names[0]))
    notes += [
        f"{' and '.join(same)} answer alike on every row: one prediction, {len(same)} votes."
        for same in identical(names, choices)
    ]
    table = Table(
        submissions[names[0]].ids,
        vote.vote_shares(choices, winners, len(classes)),
        meta={"member": "hard", "classes": classes, "answers": classes},
    )
    weights = dict.fromkeys(names, 1 / len(names))
    seconds = time.perf_counter() - started
    return Vote("hard", None, "test", table, weights, seconds=seconds, notes=notes)


def _scored(
    oof: dict[str, Table], mode: str, objective: str, groups: Mapping[str, str] | None
) -> tuple[Fit, dict[str, Any], list[str]]:
    """Weights, the figures of `Vote` by name, and notes, from aligned OOF tables."""
    names, probabilities = list(oof), _stack(oof)
    first = oof[names[0]]
    labels = first.label.astype(np.intp)
    group_of = _group_array(first.ids, groups)
    folds = folds_for_weights(first.fold, group_of)
    notes = _notes(first, probabilities, labels, folds)

    def score(mixed: np.ndarray) -> dict[str, Any]:
        return estimate(labels, mixed, group_of)

    def nested(fit) -> dict[str, Any]:
        return score(nested_probabilities(probabilities, labels, folds, fit))

    def pick(p: np.ndarray, y: np.ndarray) -> np.ndarray:
        return best_single(p, y, objective)

    fit = Fit(np.full(len(names), 1 / len(names)), None)
    if mode == "weighted":
        fit = fit_weights(probabilities, labels, objective)
    mixed = _combine(mode, probabilities, fit.weights)
    best = int(pick(probabilities, labels).argmax())
    uniform = vote.soft(probabilities)
    figures = {
        "oof": metrics.scores(labels, mixed),
        "estimate": nested(lambda p, y: fit_weights(p, y, objective).weights)
        if mode == "weighted"
        else score(mixed),
        "best_single": {
            "member": names[best],
            **nested(pick),
            "oof": metrics.scores(labels, probabilities[best]),
        },
        "uniform": {**score(uniform), "oof": metrics.scores(labels, uniform)},
        "solo": {name: score(own) for name, own in zip(names, probabilities, strict=True)},
    }
    return fit, figures, notes


def _notes(
    first: Table, probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray
) -> list[str]:
    notes = []
    if folds is not first.fold:
        notes.append(
            f"all OOF rows are of one fold: weights were refitted inside {len(np.unique(folds))} "
            "drawn parts of it for the estimate."
        )
    absent = np.setdiff1d(np.arange(first.n_classes), labels)
    if absent.size:
        names = ", ".join(first.classes[k] for k in absent)
        notes.append(f"classes without any OOF row, which count as 0 in macro F1: {names}.")
    impossible = (probabilities[:, np.arange(len(labels)), labels] == 0).all(axis=0).sum()
    if impossible:
        notes.append(
            f"{impossible} rows whose true class every member rules out: no weights help them."
        )
    return notes


def _combine(mode: str, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if mode != "hard":
        return vote.weighted(probabilities, weights)
    winners = vote.hard(probabilities)
    return vote.vote_shares(probabilities.argmax(axis=2), winners, probabilities.shape[2])


def _check_choices(mode: str, objective: str) -> None:
    problems = []
    for what, got, allowed in (("mode", mode, MODES), ("objective", objective, OBJECTIVES)):
        if got not in allowed:
            near = difflib.get_close_matches(str(got), allowed, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            problems.append(f"{what}: {got!r}, but must be one of {', '.join(allowed)}.{hint}")
    if problems:
        raise BadInput(problems)


def _aligned(
    oof: dict[str, Table], test: dict[str, Table], mode: str
) -> tuple[dict[str, Table], dict[str, Table]]:
    """Both sets of tables checked and aligned, with the same members in the same order."""
    problems = []
    if not oof and not test:
        problems.append("no tables to vote on: give <member>/oof.parquet or <member>/test.parquet.")
    elif mode == "weighted" and not oof:
        problems.append(
            "a weighted vote needs OOF tables to fit weights to, and there are none. Add "
            "<member>/oof.parquet with fold and label, or vote with --mode soft."
        )
    if oof and test:
        for having, lacking, kind in ((oof, test, "test"), (test, oof, "OOF")):
            if without := [name for name in having if name not in lacking]:
                problems.append(
                    f"no {kind} table of members: {', '.join(without)}. Add it, or leave them out."
                )
    aligned = []
    for tables, kind in ((oof, "oof"), (test, "test")):
        try:
            aligned.append(align(tables, kind) if tables else {})
        except BadInput as error:
            problems += [f"{kind} tables: {problem}" for problem in error.problems]
    if problems:
        raise BadInput(problems)
    oof, test = aligned
    if oof and test:
        name = next(iter(oof))
        whose = f"member {name}'s test table"
        if found := compare_classes(whose, test[name], "its OOF table", oof[name]):
            raise BadInput(found)
        test = {name: test[name] for name in oof}
    return oof, test


def _group_array(ids: np.ndarray, groups: Mapping[str, str] | None) -> np.ndarray | None:
    if groups is None:
        return None
    without = [image_id for image_id in ids if image_id not in groups]
    if without:
        raise BadInput(f"{len(without)} OOF rows are of no group: {examples(without)}.")
    return np.array([str(groups[image_id]) for image_id in ids])


def _stack(tables: dict[str, Table]) -> np.ndarray:
    return np.stack([table.probabilities for table in tables.values()])


def _one_member(name: str) -> str:
    return f"one member only: the vote is {name}'s own prediction."
