"""A vote over submission files: of labels, of probabilities, over all or those that scored best."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.compare import identical
from ensembles.files.places import Place
from ensembles.files.soft_submission import read_soft_submissions
from ensembles.files.submission import (
    Submission,
    answer_classes,
    class_numbers,
    file_names,
    read_submissions,
    reading_notes,
    submission_tables,
)
from ensembles.files.submissions.columns import RECOGNISED, Columns
from ensembles.files.table import RECORD, Table
from ensembles.rules import votes
from ensembles.voting.cast import cast
from ensembles.voting.fitting import fixed_rule
from ensembles.voting.matching import one_member_note
from ensembles.voting.record import VoteRecord
from ensembles.voting.request import VoteRequest
from ensembles.voting.result import Vote
from ensembles.voting.stored import of_rule

_HARD = VoteRequest("hard")


def cast_submissions(
    paths: Sequence[Place],
    answers: Sequence[str] | None = None,
    request: VoteRequest = _HARD,
    columns: Columns = RECOGNISED,
) -> Vote:
    """Vote over submission files, aligned by id, rows in the order of the first file.

    answers: the allowed answers of labels; without them, all that occur are the classes. request:
    hard (files of labels) or soft (of probabilities), with `weights` by the files' names
    (`file_names`), `pool`, and `top`, for which every file has the `vote.json` of its vote beside
    it. columns: the ids' and the answers', where they are not to be recognised. Raises BadInput.
    """
    started = time.perf_counter()
    names = file_names(paths)
    if paths and (problems := _problems(request, names)):
        raise BadInput(problems)
    soft = request.mode == "soft"
    found = read_soft_submissions(paths, columns) if soft else None
    submissions = {} if soft else read_submissions(paths, answers, columns)
    request, kept, notes = _best(request, dict(zip(names, paths, strict=True)))
    digests = {str(path): places.file_digest(path) for path in kept.values()}
    if found is not None:
        # their notes name the files already
        tables = {name: replace(found[name], notes=()) for name in kept}
        vote = cast(None, tables, request, digests=digests)
        vote.notes += [note for name in kept for note in found[name].notes]
    else:
        vote = _hard({name: submissions[name] for name in kept}, answers, request)
        vote.tables = digests
    vote.notes += notes
    vote.seconds = time.perf_counter() - started
    return vote


def submissions_as_tables(
    paths: Sequence[Place], request: VoteRequest, columns: Columns = RECOGNISED
) -> dict[str, Table]:
    """The files of a vote as tables; a label is a probability of 1. Raises BadInput."""
    if request.mode == "soft":
        return read_soft_submissions(paths, columns)
    return submission_tables(read_submissions(paths, columns=columns))


def _hard(
    submissions: Mapping[str, Submission], answers: Sequence[str] | None, request: VoteRequest
) -> Vote:
    names, classes = list(submissions), answer_classes(submissions, answers)
    choices, rule = class_numbers(submissions, classes), fixed_rule(request, names)
    shares = None if request.weights is None else rule.weights
    winners = votes.hard_labels(choices, len(classes), shares)
    notes = ["labels only: nothing can be said about the score."]
    if len(names) == 1:
        notes.append(one_member_note(names[0]))
    notes += [
        f"{' and '.join(same)} answer alike on every row: one prediction, {len(same)} votes."
        for same in identical(names, choices)
    ]
    notes += reading_notes(submissions, classes)
    table = Table(
        submissions[names[0]].ids,
        votes.vote_shares(choices, winners, len(classes), shares),
        meta={"member": "hard", "classes": classes, "answers": classes},
    )
    return Vote(
        mode="hard",
        rows="test",
        table=table,
        rule=rule,
        **of_rule(rule, names),
        notes=notes,
    )


def _problems(request: VoteRequest, names: Sequence[str]) -> list[str]:
    problems = request.problems(names)
    if request.mode == "weighted" or replace(request, top=None).needs_oof:
        problems.append(
            "submissions have no OOF rows to fit anything to: they take a hard or soft vote, with "
            "or without weights."
        )
    if given := request.after.given:
        problems.append(
            f"{', '.join(given)}: of submissions nothing is known that this could go by. Leave it out, "
            "or vote over the members' tables."
        )
    return problems


def _best(
    request: VoteRequest, paths: dict[str, Place]
) -> tuple[VoteRequest, dict[str, Place], list[str]]:
    """The request without `top`, the files (by name) that it leaves, in their order, and a note.

    Raises BadInput where a file has no `vote.json` of its own with an estimate beside it.
    """
    if request.top is None:
        return request, paths, []
    scores, problems = {}, []
    for name, path in paths.items():
        try:
            scores[name] = _estimate(path)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    best = sorted(scores, key=lambda name: -scores[name])[: request.top]  # of equal ones the first
    kept = {name: path for name, path in paths.items() if name in best}
    weights = {name: w for name, w in (request.weights or {}).items() if name in kept}
    shown = ", ".join(f"{name} ({scores[name]:.4f})" for name in best)
    note = (
        f"the best {request.top} of {len(paths)} files by the macro F1 that the vote.json beside "
        f"each estimates: {shown}. They were chosen by scores of their own runs, on rows that need "
        "not be the same."
    )
    return replace(request, top=None, weights=weights or None), kept, [note]


def _estimate(path: Place) -> float:
    """The macro F1 that the vote of a submission estimated on rows it was not fitted to."""
    folder, slash, file = str(path).rpartition("/")
    beside = places.join(folder, RECORD) if slash else RECORD
    lead = f"{path}: top chooses by the estimate of the vote.json beside each file, and"
    advice = "Leave top out, or vote over the members' tables: --tables DIR."
    if not places.exists(beside):
        raise BadInput(f"{lead} there is no {beside}. {advice}")
    record = VoteRecord.from_json(places.read_bytes(beside), beside)
    digest = record.files.get(PurePosixPath(file).name)
    if digest is None or (places.exists(path) and digest != places.file_digest(path)):
        raise BadInput(
            f"{lead} {beside} is of another file: its digest is not this one's. {advice}"
        )
    score = (record.estimate or {}).get("macro_f1")
    if score is None:
        raise BadInput(f"{lead} {beside} has none: its vote had no OOF rows. {advice}")
    return float(score)
