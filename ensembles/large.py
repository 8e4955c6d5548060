"""A vote over tables too large for memory: rows come in ranges, sums over them in a fixed order.

The log-loss weights are fitted to all rows, everything else to a stratified sample of them. Each
pass is a function of one range, so that a cluster may run them: `run(function, ranges)` must give
the results in order, as `map` does, and then the vote is the same bit for bit wherever it ran.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from ensembles import gate, metrics, places, ranges
from ensembles.errors import BadInput
from ensembles.places import Place
from ensembles.pools import Rule
from ensembles.ranges import Tables, open_tables, read_range
from ensembles.request import Request
from ensembles.result import PROBABILITIES, RECORD, SUBMISSION
from ensembles.simplex import GAP, log_loss_weights, newton_step
from ensembles.stack import Stack, stack

SAMPLE = 20_000
START_ROWS = 200_000
Run = Callable[[Callable[[tuple[int, int]], Any], Sequence[tuple[int, int]]], Iterable[Any]]


def cast_large(
    folder: Place,
    out: Place,
    mode: str = "weighted",
    objective: str | None = None,
    members: Sequence[str] | None = None,
    run: Run = map,
    cache: Place | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Vote over `folder/<member>/{oof,test}.parquet` and write the three files to `out`.

    Log-loss weights are fitted to all rows; for any other vote the sample's size stands in the
    notes. cache: where what is derived from the tables is kept, by their digest; default
    `$XDG_CACHE_HOME/ensemble-votes`. Returns what vote.json holds. Raises BadInput.
    """
    started = time.perf_counter()
    request = Request(mode, objective, **how)
    oof, test = (open_tables(folder, kind, members) for kind in ("oof", "test"))
    source = test or oof
    if source is None:
        raise BadInput(f"{folder}: no <member>/oof.parquet or <member>/test.parquet in it.")
    problems = request.problems(source.names)
    if request.needs_oof and oof is None:
        problems.append("what is fitted here needs OOF tables, and there are none.")
    if oof and test and oof.names != test.names:
        problems.append("OOF and test tables are of different members: give both of each.")
    if problems:
        raise BadInput(problems)
    record: dict[str, Any] = {"mode": mode, "objective": objective, "notes": []}
    with threadpool_limits(1, "blas"):
        if oof is None:
            weights = request.fixed(source.names)
            rule = Rule(weights, "hard" if mode == "hard" else request.pool or "linear")
            record |= {"oof": None, "estimate": None}
        else:
            kept = _derived(oof, cache, run)
            rule, by_fold, more = _fit(request, oof, kept, run)
            record |= more | _scores(oof, rule, by_fold, kept, run)
        paths = _write(source, rule, out, test is not None, run)
    final = rule.to_sum_1()
    record |= {
        "members": dict(zip(source.names, final.weights.tolist(), strict=True)),
        "rows": "oof" if test is None else "test",
        "pool": final.pool,
        "offsets": None if final.offsets is None else final.offsets.tolist(),
        "temperature": final.temperature,
        "seconds": time.perf_counter() - started,
    }
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    places.write_bytes(paths[RECORD], text.encode())
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


def _derived(oof: Tables, cache: Place | None, run: Run) -> Path:
    """The folder with, for each range, `true` (M, n) float32, and labels and folds of all rows."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache or Path(home) / "ensemble-votes") / ranges.digest(oof)
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        labels, folds = np.empty(oof.n_rows, np.int16), np.empty(oof.n_rows, np.int16)
        for (begin, end), (true, label, fold) in zip(
            oof.ranges, run(partial(_true_of, oof), oof.ranges), strict=True
        ):
            np.save(folder / f"true-{begin}.npy", true)
            labels[begin:end], folds[begin:end] = label, fold
        np.save(folder / "labels.npy", labels)
        np.save(folder / "folds.npy", folds)
        (folder / "complete").touch()
    return folder


def _true_of(oof: Tables, rows: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    part = read_range(oof, *rows)
    true = part.probabilities[:, np.arange(len(part.label)), part.label]
    return np.maximum(true, np.float32(metrics.EPSILON)), part.label, part.fold


def _fit(
    request: Request, oof: Tables, kept: Path, run: Run
) -> tuple[Rule, dict[int, Rule], dict[str, Any]]:
    """The rule for all rows, one for each fold fitted without it, and what to say of them."""
    folds = np.load(kept / "folds.npy")
    fold_names = np.unique(folds).tolist()
    log_loss = request.mode == "weighted" and request.objective == "log_loss"
    if log_loss and request.pool != "log_linear" and request.top is None and not request.ridge:
        if request.offsets or request.temperature:
            raise BadInput("offsets, temperature: not for log-loss weights of tables this large.")
        weights, gap = _log_loss_weights(oof, kept, folds, None)
        by_fold = {
            f: Rule(_log_loss_weights(oof, kept, folds, f)[0] if len(fold_names) > 1 else weights)
            for f in fold_names
        }
        return Rule(weights), by_fold, {"gap": gap, "notes": [f"fitted to all {len(folds):,} rows"]}
    sample, sample_folds = _sample(oof, kept, folds, run)
    note = f"fitted to a stratified sample of {len(sample.labels):,} of {len(folds):,} rows"
    if request.gated and sample.n_members > 1:
        choice = gate.choose(sample, sample_folds)
        rule, more = choice.rule, {"choice": choice.name, "candidates": choice.table}

        def fit(part: Stack) -> Rule:
            return gate.fit_candidate(part, choice.name, request.metric)
    else:
        fit, more = request.fit(oof.names), {}
        rule = fit(sample)
    by_fold = dict.fromkeys(fold_names, rule)
    if request.needs_oof and len(fold_names) > 1:
        by_fold = {f: fit(sample.take(sample_folds != f)) for f in fold_names}
    return rule, by_fold, {"notes": [note], **more}


def _log_loss_weights(
    oof: Tables, kept: Path, folds: np.ndarray, without: int | None
) -> tuple[np.ndarray, float]:
    """Weights of least log-loss on all rows (but those of a fold), and the certified gap.

    Solved on every n-th row first; then Newton steps whose sums run over the ranges.
    """
    stride = max(1, oof.n_rows // START_ROWS)

    def parts(every: int = 1) -> Iterable[np.ndarray]:
        for begin, end in oof.ranges:
            true = np.load(kept / f"true-{begin}.npy").astype(np.float64)
            inside = np.ones(end - begin, bool) if without is None else folds[begin:end] != without
            # every n-th of the rows that count: folds may themselves lie at a fixed step
            yield true[:, np.flatnonzero(inside)[::every]]

    weights = log_loss_weights(np.concatenate(list(parts(stride)), axis=1), 1e-7).weights
    best = weights, np.inf
    for _ in range(30):
        gradient, hessian, n_rows = 0.0, 0.0, 0
        for true in parts():
            relative = true / (weights @ true)
            gradient += relative.sum(axis=1)
            hessian += relative @ relative.T
            n_rows += true.shape[1]
        gap = max(float(gradient.max()) / n_rows - 1, 0.0)
        if gap < best[1]:
            best = weights, gap
        if gap <= GAP:
            break
        weights = newton_step(weights, gradient / n_rows, hessian / n_rows)
    return best


def _sample(oof: Tables, kept: Path, folds: np.ndarray, run: Run) -> tuple[Stack, np.ndarray]:
    """About SAMPLE rows with the shares of classes and folds that the whole has."""
    labels = np.load(kept / "labels.npy")
    cells = folds.astype(np.int64) * oof.n_classes + labels
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(cells[order], kind="stable")]
    # every n-th row of the rows shuffled and laid class beside class
    chosen = np.sort(order[:: max(1, len(order) // SAMPLE)])
    wanted = [chosen[(chosen >= b) & (chosen < e)] - b for b, e in oof.ranges]
    by_begin = {b: rows for (b, _), rows in zip(oof.ranges, wanted, strict=True)}
    parts = list(run(partial(_rows_of, oof, by_begin), oof.ranges))
    return stack(np.concatenate(parts, axis=1), labels[chosen]), folds[chosen]


def _rows_of(oof: Tables, wanted: dict[int, np.ndarray], rows: tuple[int, int]) -> np.ndarray:
    return read_range(oof, *rows).probabilities[:, wanted[rows[0]]]


def _scores(
    oof: Tables, rule: Rule, by_fold: dict[int, Rule], kept: Path, run: Run
) -> dict[str, Any]:
    """`oof` and `estimate` over all rows, from one pass."""
    counts, losses, squares = 0, np.zeros(2), np.zeros(2)
    function = partial(_score_range, oof, rule, by_fold)
    for some_counts, some_losses, some_squares in run(function, oof.ranges):
        counts = counts + some_counts
        losses += some_losses
        squares += some_squares
    n_rows, found = oof.n_rows, []
    for own, loss in zip(counts, losses / n_rows, strict=True):
        accuracy = float(own.trace() / n_rows)
        f1 = float(metrics.f1_by_class(own).mean())
        found.append({"macro_f1": f1, "accuracy": accuracy, "log_loss": float(loss)})
    accuracy, loss = found[1]["accuracy"], found[1]["log_loss"]
    error = {
        "macro_f1": metrics.f1_standard_error(counts[1]),
        "accuracy": float(np.sqrt(accuracy * (1 - accuracy) / n_rows)),
        "log_loss": float(np.sqrt(max(squares[1] / n_rows - loss**2, 0) / n_rows)),
    }
    return {"oof": found[0], "estimate": {**found[1], "standard_error": error}}


def _score_range(
    oof: Tables, rule: Rule, by_fold: dict[int, Rule], rows: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confusion counts (2, K, K), sum and sum of squares of the log-losses (2,)."""
    part = read_range(oof, *rows)
    fitted = rule.apply(part.probabilities)
    held_out = np.empty_like(fitted)
    for fold in np.unique(part.fold).tolist():
        inside = np.flatnonzero(part.fold == fold)
        held_out[inside] = by_fold[fold].apply(np.take(part.probabilities, inside, axis=1))
    label, both = part.label.astype(np.intp), (fitted, held_out)
    counts = [metrics.confusion(label, mixed.argmax(axis=1), oof.n_classes) for mixed in both]
    losses = np.stack([metrics.row_losses(label, mixed) for mixed in both])
    return np.stack(counts), losses.sum(axis=1), (losses**2).sum(axis=1)


def _write(source: Tables, rule: Rule, out: Place, is_test: bool, run: Run) -> dict[str, str]:
    """probabilities.parquet and, of test rows, submission.csv, one range after the other."""
    paths = {name: places.join(out, name) for name in (SUBMISSION, PROBABILITIES, RECORD)}
    for path in paths.values():
        places.remove(path)
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
