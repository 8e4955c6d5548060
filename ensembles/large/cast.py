"""A vote over tables too large for memory: rows come in ranges, sums over them in a fixed order.

The log-loss weights are fitted to all rows, everything else to a sample of them
(`derived.stratified_rows`). Each pass is a function of one range, so that a cluster may run them:
`run(function, ranges)` must give the results in order, as `map` does, and then the vote is the same
bit for bit wherever it ran.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.parquet import members_in
from ensembles.files.places import Place
from ensembles.files.table import (
    CONFIDENCE,
    HELD_OUT,
    PROBABILITIES,
    RECORD,
    SUBMISSION,
    class_names,
)
from ensembles.files.targets import target_indices
from ensembles.judging.estimate import refit_shifts
from ensembles.judging.steps import Progress, begins
from ensembles.large.derived import RunRanges, derive
from ensembles.large.fit import fit_large, reasons_of_sample
from ensembles.large.held_out import write_held_out
from ensembles.large.ranges import Tables, compare_kinds, open_tables, repeated_ids
from ensembles.large.scores import score_ranges
from ensembles.large.sides import held_out_of_sample, sample_of, vote_range
from ensembles.rules.mean import AnyRule
from ensembles.shift.after import Asked, known
from ensembles.shift.written import FIELDS, header, lines
from ensembles.voting.fitting import fixed_rule
from ensembles.voting.matching import optimistic_notes
from ensembles.voting.record import VoteRecord
from ensembles.voting.request import Mode, VoteRequest
from ensembles.voting.stored import of_rule, write_stackers
from ensembles.weights.stack import stack_members


def cast_large(
    folder: Place,
    out: Place,
    mode: Mode | VoteRequest = "weighted",
    objective: str | None = None,
    members: Sequence[str] | None = None,
    run: RunRanges = map,
    cache: str | os.PathLike[str] | None = None,
    notes: Sequence[str] = (),
    named: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> VoteRecord:
    """Vote over `folder/<member>/{oof,test}.parquet` and write the files of a vote to `out`.

    mode, objective, options: as `voting.cast.cast`. Log-loss weights are fitted to all rows; of any other
    fit the notes say to how many rows. The OOF tables may have a column `group`. cache: see
    `derived.derive`. notes: further ones of the record. named: the submission shows the classes'
    names. progress: as of `cast`. Returns what vote.json holds. Raises BadInput.
    """
    started = time.perf_counter()
    request = VoteRequest.of(mode, objective, **options)
    oof, test = (open_tables(folder, kind, members) for kind in ("oof", "test"))
    source = test or oof
    if source is None:
        raise BadInput(f"{folder}: no <member>/oof.parquet or <member>/test.parquet in it.")
    targets = target_indices(source.meta, source.n_classes)
    problems = request.problems(source.names, list(targets))
    if request.needs_oof and oof is None:
        problems.append("what is fitted here needs OOF tables, and there are none.")
    if oof and test and oof.names != test.names:
        problems.append("OOF and test tables are of different members: give both of each.")
    elif oof and test:
        problems += compare_kinds(oof, test)
    for option in ("common_rows", "missing_rows"):
        if not getattr(request, option):
            continue
        problems.append(
            f"{option}: tables of this size are read in ranges of the same rows. Write tables of "
            "the rows that all members have."
        )
    if problems:
        raise BadInput(problems)
    for own in (oof, test):
        problems += own.damage() if own else []
    if problems:
        raise BadInput(problems)
    for kind, own in (("oof", oof), ("test", test)):
        problems += repeated_ids(own, kind) if own else []
    if problems:
        raise BadInput(problems)
    answers = source.meta.get("answers") or range(source.n_classes)
    answers = class_names(source.meta) if named else list(map(str, answers))
    if problems := request.after.problems(
        oof is not None, test is not None, source.n_classes, answers
    ):
        raise BadInput(problems)
    figures: dict[str, Any] = {}
    rule: AnyRule
    held_out = None
    # products as small as a vote's are slower on several threads, by far where cores are busy
    with threadpool_limits(1, "blas"):
        if oof is None:
            rule = fixed_rule(request, source.names)
        else:
            begins(progress, "reading the OOF tables")
            kept = derive(oof, run, cache)
            per_target = request.per_target(targets)
            data = stack_members(
                kept.sample, kept.labels[kept.sample_rows], per_target.get(request.metric)
            )
            begins(progress, "fitting")
            rule, by_fold, figures = fit_large(request, oof, kept, data, progress)
            begins(progress, "scoring all rows")
            shifts = refit_shifts(data, rule, list(by_fold.values()), per_target)
            figures |= score_ranges(
                oof, rule, by_fold, kept, request.metric, per_target, shifts, run
            )
            begins(progress, "voting without each member")
            rule, figures["reasons"] = reasons_of_sample(request, oof, kept, data, rule, by_fold)
            held_out = held_out_of_sample(kept, data, by_fold)
        of_rows = known(request.after, held_out, lambda: sample_of(source, rule, run))
        asked = Asked(of_rows, source.n_rows) if test else None
        begins(progress, "voting on all rows")
        paths = _write(source, rule, out, np.array(answers, object), asked, run)
        if oof is not None:
            paths[HELD_OUT] = places.join(out, HELD_OUT)
            meta = {**source.meta, "member": "vote"}
            begins(progress, "voting on all OOF rows by rules fitted without them")
            write_held_out(paths[HELD_OUT], oof, kept, by_fold, meta, run)
        paths |= write_stackers(rule, out)
        names = source.meta.get("classes") or list(map(str, range(source.n_classes)))
        after, more = asked.figures(request.mode, names) if asked else (of_rows.fields, [])
    record = VoteRecord(
        mode=request.mode,
        objective=request.fitted_for,
        rows="oof" if test is None else "test",
        **of_rule(rule, source.names),
        **figures,
        **after,
        tables={
            f"{name}/{kind}.parquet": digest
            for kind, own in (("oof", oof), ("test", test))
            for name, digest in (own.digests if own else {}).items()
        },
        files={n: places.file_digest(path) for n, path in paths.items() if n != RECORD},
    )
    record.notes += [*more, *notes]
    if oof is not None and oof.optimistic:
        record.optimistic = oof.optimistic
        said = optimistic_notes(oof.optimistic)
        record.notes += [note for note in said if note not in record.notes]
    if members is None:
        record.notes += members_in(folder)[1]
    record.seconds = time.perf_counter() - started
    places.write_bytes(paths[RECORD], record.to_json())
    return record


def _write(
    source: Tables,
    rule: AnyRule,
    out: Place,
    answers: np.ndarray,
    asked: Asked | None,
    run: RunRanges,
) -> dict[str, str]:
    """probabilities.parquet and, of test rows, the submissions, one range after the other.

    answers: (K,) str, what they show for the classes. asked: where test rows are counted, and what is
    written of them; None of OOF rows.
    """
    of_test, further = (SUBMISSION, CONFIDENCE), {} if asked is None else asked.known.further
    paths = {name: places.join(out, name) for name in (*of_test, *FIELDS, PROBABILITIES, RECORD)}
    for path in (*paths.values(), places.join(out, HELD_OUT)):
        places.remove(path)
    for name in (*of_test, *FIELDS):
        if asked is None or (name in FIELDS and name not in further):
            del paths[name]
    names = [f"p{k}" for k in range(source.n_classes)]
    fields = [("image_id", pa.string())]
    fields += [(c, pa.int16()) for c in ("fold", "label") if c in source.columns]
    fields += [(name, pa.float32()) for name in names]
    schema = pa.schema(fields, metadata={"ensemble": json.dumps({**source.meta, "member": "vote"})})
    with ExitStack() as files:
        text, sure = (
            files.enter_context(places.writing(paths[name])) if asked else None for name in of_test
        )
        others = {name: files.enter_context(places.writing(paths[name])) for name in further}
        writer = files.enter_context(
            pq.ParquetWriter(
                files.enter_context(places.writing(paths[PROBABILITIES])),
                schema,
                compression="zstd",
                use_dictionary=["image_id"],
                use_byte_stream_split=names,
                write_page_checksum=True,
            )
        )
        if text and sure:
            text.write(b"ImageID,ans\n")
            sure.write(b"ImageID,ans,confidence\n")
        for name, file in others.items():
            file.write(header(name))
        function = partial(vote_range, source, rule, asked is not None)
        for ids, mixed, contradict, fold, label in run(function, source.ranges):
            if asked is not None:
                mixed = asked.add(mixed, contradict)
            arrays = [ids]
            arrays += [pa.array(a) for a in (fold, label) if a is not None]
            arrays += [pa.array(np.ascontiguousarray(own)) for own in mixed.T]
            writer.write_table(pa.table(arrays, schema=schema))
            if text and sure:
                decided = zip(ids.to_pylist(), answers[mixed.argmax(axis=1)], strict=True)
                pairs = [f"{_quoted(i)},{_quoted(a)}" for i, a in decided]
                text.write("".join(f"{line}\n" for line in pairs).encode())
                surest = np.asarray(mixed.max(axis=1), np.float32).astype(str)
                both = zip(pairs, surest, strict=True)
                sure.write("".join(f"{line},{p}\n" for line, p in both).encode())
            for name, file in others.items():
                file.write(lines(name, further[name], ids.to_pylist(), mixed, answers.tolist()))
    return paths


def _quoted(text: str) -> str:
    if any(c in text for c in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text
