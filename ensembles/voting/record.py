"""`vote.json`: what a vote is made of and how good it is, written and read through one value."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_type_hints

from ensembles.errors import BadInput
from ensembles.files.cells import parse_json
from ensembles.files.digests import sealed, unsealed
from ensembles.files.typed import type_problem
from ensembles.scores.metrics import REPORTED

# Names in the file that differ from the fields'.
_IN_FILE = {"weights": "members"}
_ONLY_IF_ANY = (
    *("gap", "averaging", "common_rows", "epsilon", "floor", "rules", "chosen_by", "near"),
    *("gradient", "missing_rows", "optimistic", "drift", "prior", "sets", "unknown"),
)


@dataclass(kw_only=True)
class VoteRecord:
    """weights: member -> weight, sum 1; effective ones where `rules` are averaged, how far the vote
        moves without each. objective: what they were fitted for, or the kind of vote was chosen by;
        None where neither, or where it was chosen by macro F1 without being asked.
    oof: macro_f1, accuracy, log_loss on the rows the weights were fitted to.
    estimate: the same on rows they were not, with `standard_error`.
    best_single (with `member`), uniform: as `estimate`, and under `oof` as `oof`.
    solo: member -> its own OOF figures as `estimate`.
    These are None (solo: empty) without OOF tables.
    rows: which were voted on, "test", or "oof" where there are no test tables.
    choice: the kind of vote that was chosen, where it was, from `candidates`, with their nested
        scores, or "mean" of several. chosen_by: "mean", "simplest" or the name that was asked for; near:
        within how many standard errors of the best a mean's candidates are.
    reasons: one dict a member (`reasons.member_reasons`).
    pool, offsets, temperature, epsilon, floor: see `pools.Rule`; the last two where there are any. rules:
        of a mean (pool "mean") one dict a rule: `name`, `share`, `pool`, `weights` by member, `offsets`,
        `temperature`, `epsilon`, `floor`, `gradient`; of a stacker also `features` and `coefficients`, its
        place in the file `stored.STACKERS`, the rest of the pool below it. gap: of log-loss weights, see
        `weights.Fit`. gradient: of log-linear ones, see `pools.Rule`.
    averaging: what each metric gains on test rows from the mean over the folds' models, where these
        predicted them one by one (`averaging.expected_gains`).
    tables: file ("swin/oof.parquet") or, of tables in memory, kind and member -> sha256 of all that
        went in. common_rows: where only the rows that all members have voted, kind -> `rows` and `of`
        how many that any has. missing_rows: where weights were fitted to rows that some members lack,
        `rows` that all have, `of` how many that any has, and how many each of `members` has.
        optimistic: member -> why its OOF rows are better than they should be, and with them what is fitted to
        them and every score above, as its table says.
        files: name -> sha256 of those written beside the record.
    drift: how test rows differ from OOF rows (`shift.drift`). prior: class shares before and after,
        where test rows were corrected for them (`shift.after`). sets, unknown: of the sets of
        classes and of the answers left open, where asked for.
    notes: further remarks, a sentence each.
    """

    mode: str
    objective: str | None = None
    weights: dict[str, float]
    oof: dict[str, float] | None = None
    estimate: dict[str, Any] | None = None
    best_single: dict[str, Any] | None = None
    uniform: dict[str, Any] | None = None
    solo: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: str
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    choice: str | None = None
    chosen_by: str | None = None
    near: float | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    pool: str | None = None
    offsets: list[float] | None = None
    temperature: float | None = None
    epsilon: float | None = None
    floor: float | None = None
    rules: list[dict[str, Any]] | None = None
    gap: float | None = None
    gradient: float | None = None
    averaging: dict[str, float] | None = None
    tables: dict[str, str] = field(default_factory=dict)
    common_rows: dict[str, dict[str, int]] | None = None
    missing_rows: dict[str, Any] | None = None
    optimistic: dict[str, str] | None = None
    drift: dict[str, Any] | None = None
    prior: dict[str, Any] | None = None
    sets: dict[str, Any] | None = None
    unknown: dict[str, Any] | None = None
    files: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What `vote.json` holds; what is `_ONLY_IF_ANY` only where there is any."""
        named = {own.name: getattr(self, own.name) for own in fields(VoteRecord)}
        for name in _ONLY_IF_ANY:
            if named[name] is None:
                del named[name]
        return {_IN_FILE.get(name, name): value for name, value in named.items()}

    def to_json(self) -> bytes:
        return (json.dumps(sealed(self.record()), indent=2, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, name: str) -> VoteRecord:
        """Read what this or an earlier version wrote; keys of a later one are left. Raises BadInput.

        name: the file's, for messages.
        """
        try:
            found = parse_json(content)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{name}: not valid JSON ({error}). Cast the vote again.") from None
        try:
            found = unsealed(found)
        except ValueError as error:
            raise BadInput(f"{name}: damaged, {error}. Cast the vote again.") from None
        known = {_IN_FILE.get(own.name, own.name): own for own in fields(VoteRecord)}
        needed = [key for key, own in known.items() if _has_no_default(own)]
        if not isinstance(found, Mapping) or (missing := [k for k in needed if k not in found]):
            lacks = "is no mapping" if not isinstance(found, Mapping) else f"lacks {missing}"
            raise BadInput(f"{name}: no record of a vote, it {lacks}. Cast the vote again.")
        declared = _declared()
        problems = [
            type_problem(found[key], declared[own.name], key)
            for key, own in known.items()
            if key in found
        ]
        problems += [
            _figures_problem(found[key], key)
            for key in ("oof", "estimate", "best_single", "uniform")
            if isinstance(found.get(key), Mapping)
        ]
        if isinstance(solo := found.get("solo"), Mapping):
            problems += [_figures_problem(own, f"solo.{member}") for member, own in solo.items()]
        if wrong := [problem for problem in problems if problem]:
            raise BadInput(
                f"{name}: no record of a vote, {'; '.join(wrong[:3])}. Cast the vote again."
            )
        return VoteRecord(**{own.name: found[key] for key, own in known.items() if key in found})


@functools.cache
def _declared() -> dict[str, Any]:
    """Field -> its type; to read 34 annotations takes a millisecond."""
    return get_type_hints(VoteRecord)


def _figures_problem(found: Any, at: str) -> str | None:
    """The figures that every vote reports are numbers."""
    if not isinstance(found, Mapping):
        return f"{at} is no mapping"
    of_metrics = {name: value for name, value in found.items() if name in REPORTED}
    if "macro_f1" not in of_metrics:
        return f"{at} lacks macro_f1"
    errors = found.get("standard_error")
    return type_problem(of_metrics, dict[str, float], at) or type_problem(
        errors, dict[str, float | None] | None, f"{at}.standard_error"
    )


def _has_no_default(own: Any) -> bool:
    return own.default is MISSING and own.default_factory is MISSING
