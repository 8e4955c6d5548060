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
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.judging.evaluate import target_indices
from ensembles.judging.reasons import member_reasons
from ensembles.large.derived import Derived, Run, derive
from ensembles.large.ranges import Tables, open_tables, read_range
from ensembles.large.scores import scores
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.voting import gate
from ensembles.voting.fitting import finish, fitter, fixed_rule
from ensembles.voting.record import VoteRecord, of_rule
from ensembles.voting.request import VoteRequest
from ensembles.voting.result import PROBABILITIES, RECORD, SUBMISSION
from ensembles.weights.simplex import GAP, log_loss_weights, newton_step
from ensembles.weights.stack import Stack, stack

START_ROWS = 200_000
RowScores = Callable[[np.ndarray, np.ndarray], np.ndarray]


def cast_large(
    folder: Place,
    out: Place,
    mode: str | VoteRequest = "weighted",
    objective: str | None = None,
    members: Sequence[str] | None = None,
    run: Run = map,
    cache: str | os.PathLike[str] | None = None,
    notes: Sequence[str] = (),
    **options: Any,
) -> VoteRecord:
    """Vote over `folder/<member>/{oof,test}.parquet` and write the three files to `out`.

    mode, objective, options: as `casting.cast`. Log-loss weights are fitted to all rows; of any other
    fit the notes say to how many rows. The OOF tables may have a column `group`. cache: see
    `derived.derive`. notes: further ones of the record. Returns what vote.json holds. Raises BadInput.
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
    if problems:
        raise BadInput(problems)
    figures: dict[str, Any] = {}
    with threadpool_limits(1, "blas"):
        if oof is None:
            rule = fixed_rule(request, source.names)
        else:
            kept = derive(oof, run, cache)
            per_target = request.per_target(targets)
            data = stack(kept.sample, kept.labels[kept.sample_rows], per_target.get(request.metric))
            rule, by_fold, figures = _fit(request, oof, kept, data)
            figures |= scores(oof, rule, by_fold, kept, request.metric, per_target, run)
            figures["reasons"] = _reasons(request, oof, kept, data, rule, by_fold)
        paths = _write(source, rule, out, test is not None, run)
    record = VoteRecord(
        mode=request.mode,
        objective=request.fitted_for,
        rows="oof" if test is None else "test",
        **of_rule(rule, source.names),
        **figures,
        tables={
            f"{name}/{kind}.parquet": digest
            for kind, own in (("oof", oof), ("test", test))
            for name, digest in (own.digests if own else {}).items()
        },
        files={n: places.file_digest(path) for n, path in paths.items() if n != RECORD},
    )
    record.notes += notes
    record.seconds = time.perf_counter() - started
    places.write_bytes(paths[RECORD], record.to_json())
    return record


def too_large(folder: Place, members: Sequence[str] | None = None, limit: int = 1 << 29) -> bool:
    """Whether the probabilities of either kind take more than `limit` bytes."""
    sizes = [0]
    for kind in ("oof", "test"):
        try:
            found = open_tables(folder, kind, members)
        except (BadInput, pa.ArrowInvalid, OSError):
            return False  # the reader of whole tables says it better
        if found:
            sizes.append(4 * len(found.paths) * found.n_rows * found.n_classes)
    return max(sizes) > limit


def _fit(
    request: VoteRequest, oof: Tables, kept: Derived, sample: Stack
) -> tuple[Rule, dict[int, Rule], dict[str, Any]]:
    """The rule for all rows, one for each fold fitted without it, and what to say of them."""
    folds, n_rows = np.unique(kept.folds).tolist(), len(kept.labels)
    objective = metrics.METRICS.get(request.objective or "")
    log_loss = request.mode == "weighted" and objective is not None and objective.convex
    sample_folds, groups = _of_sample(kept)
    whole = "" if kept.groups is None else " of whole groups"
    to_sample = f"to a stratified sample{whole}, {len(sample.labels):,} of {n_rows:,} rows."
    if log_loss and request.pool != "log_linear" and request.top is None and not request.ridge:
        weights, gap = _log_loss_weights(oof, kept, None)
        rule, by_fold = finish(request, Rule(weights), sample), {}
        for fold in folds:
            own = Rule(_log_loss_weights(oof, kept, fold)[0])
            by_fold[fold] = finish(request, own, sample.take(sample_folds != fold))
        notes = [f"fitted to all {n_rows:,} rows."]
        if request.offsets or request.temperature:
            asked = {"offsets": request.offsets, "temperature": request.temperature}
            notes = [
                f"weights {notes[0]}",
                f"{' and '.join(k for k in asked if asked[k])} {to_sample}",
            ]
        return rule, by_fold, {"gap": gap, "notes": notes}
    if not request.needs_oof:
        rule = fitter(request, oof.names)(sample)
        return rule, dict.fromkeys(folds, rule), {"notes": ["nothing is fitted."]}
    note = f"fitted {to_sample}"
    if request.gated and sample.n_members > 1:
        choice = gate.choose(sample, sample_folds, groups)
        # the gate merges folds, so each has one rule
        by_fold = {
            fold: rule
            for rows, rule in choice.rules
            for fold in np.unique(sample_folds[rows]).tolist()
        }
        more = {"choice": choice.name, "candidates": choice.table}
        return choice.rule, by_fold, {"notes": [note], **more}
    fit = fitter(request, oof.names)
    by_fold = {fold: fit(sample.take(sample_folds != fold)) for fold in folds}
    return fit(sample), by_fold, {"notes": [note]}


def _of_sample(kept: Derived) -> tuple[np.ndarray, np.ndarray | None]:
    """Folds and groups (n,) of the sample's rows."""
    groups = None if kept.groups is None else kept.groups[kept.sample_rows]
    return kept.folds[kept.sample_rows], groups


def _reasons(
    request: VoteRequest,
    oof: Tables,
    kept: Derived,
    sample: Stack,
    rule: Rule,
    by_fold: dict[int, Rule],
) -> list[dict[str, Any]]:
    """`member_reasons` on the sample."""
    folds, groups = _of_sample(kept)
    rules = [(np.flatnonzero(folds == fold), own) for fold, own in by_fold.items()]
    weights = rule.to_sum_1().weights
    return member_reasons(sample, oof.names, weights, rules, request.metric, groups)


def _log_loss_weights(oof: Tables, kept: Derived, without: int | None) -> tuple[np.ndarray, float]:
    """Weights of least log-loss on all rows (but those of a fold), and the certified gap.

    Solved on every n-th row first; then Newton steps whose sums run over the ranges.
    """
    stride = max(1, oof.n_rows // START_ROWS)
    inside = np.ones(oof.n_rows, bool) if without is None else kept.folds != without

    def parts() -> Iterable[tuple[np.ndarray, np.ndarray]]:
        for begin, end in oof.ranges:
            yield kept.true(begin), inside[begin:end]

    # every n-th of the rows that count: folds may themselves lie at a fixed step
    some = [np.take(true, np.flatnonzero(own)[::stride], axis=1) for true, own in parts()]
    weights = log_loss_weights(np.concatenate(some, axis=1), 1e-7).weights
    best, n_rows = (weights, np.inf), int(inside.sum())
    for _ in range(30):
        gradient, hessian = 0.0, 0.0
        for true, own in parts():
            relative = true / (weights @ true)
            relative *= own
            gradient += relative.sum(axis=1)
            hessian += relative @ relative.T
        gap = max(float(gradient.max()) / n_rows - 1, 0.0)
        if gap < best[1]:
            best = weights, gap
        if gap <= GAP:
            break
        weights = newton_step(weights, gradient / n_rows - 1, hessian / n_rows)
        weights /= weights.sum()
    return best


def _write(source: Tables, rule: Rule, out: Place, is_test: bool, run: Run) -> dict[str, str]:
    """probabilities.parquet and, of test rows, submission.csv, one range after the other."""
    paths = {name: places.join(out, name) for name in (SUBMISSION, PROBABILITIES, RECORD)}
    for path in paths.values():
        places.remove(path)
    if not is_test:
        del paths[SUBMISSION]
    answers = np.array(
        [str(a) for a in source.meta.get("answers") or range(source.n_classes)], object
    )
    names = [f"p{k}" for k in range(source.n_classes)]
    fields = [("image_id", pa.string())]
    fields += [(c, pa.int16()) for c in ("fold", "label") if c in source.columns]
    fields += [(name, pa.float32()) for name in names]
    schema = pa.schema(fields, metadata={"ensemble": json.dumps({**source.meta, "member": "vote"})})
    with ExitStack() as files:
        text = files.enter_context(places.writing(paths[SUBMISSION])) if is_test else None
        writer = files.enter_context(
            pq.ParquetWriter(
                files.enter_context(places.writing(paths[PROBABILITIES])),
                schema,
                compression="zstd",
                use_dictionary=["image_id"],
                use_byte_stream_split=names,
            )
        )
        if text:
            text.write(b"ImageID,ans\n")
        for ids, mixed, fold, label in run(partial(_vote_range, source, rule), source.ranges):
            arrays = [ids]
            arrays += [pa.array(a) for a in (fold, label) if a is not None]
            arrays += [pa.array(np.ascontiguousarray(own)) for own in mixed.T]
            writer.write_table(pa.table(arrays, schema=schema))
            if text:
                pairs = zip(ids.to_pylist(), answers[mixed.argmax(axis=1)], strict=True)
                text.write("".join(f"{_quoted(i)},{a}\n" for i, a in pairs).encode())
    return paths


def _vote_range(source: Tables, rule: Rule, rows: tuple[int, int]) -> tuple:
    part = read_range(source, *rows)
    return part.ids, rule.apply(part.probabilities), part.fold, part.label


def _quoted(text: str) -> str:
    if any(c in text for c in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text
