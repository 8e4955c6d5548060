"""`vote.json`: what a vote is made of and how good it is, written and read through one value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_type_hints

from ensembles.errors import BadInput
from ensembles.files.cells import parse_json
from ensembles.files.digests import sealed, unsealed
from ensembles.files.typed import type_problem
from ensembles.rules.pools import Rule
from ensembles.scores.metrics import REPORTED

# Names in the file that differ from the fields'.
_IN_FILE = {"weights": "members"}


@dataclass(kw_only=True)
class VoteRecord:
    """weights: member -> weight, sum 1. objective: what they were fitted for; None where they were
        not, or where the kind of vote was chosen.
    oof: macro_f1, accuracy, log_loss on the rows the weights were fitted to.
    estimate: the same on rows they were not, with `standard_error`.
    best_single (with `member`), uniform: as `estimate`, and under `oof` as `oof`.
    solo: member -> its own OOF figures as `estimate`.
    These are None (solo: empty) without OOF tables.
    rows: which were voted on, "test", or "oof" where there are no test tables.
    choice: the kind of vote that was chosen, where it was, from `candidates`, with their nested
        scores. reasons: one dict a member (`reasons.member_reasons`).
    pool, offsets, temperature: see `pools.Rule`. gap: of log-loss weights, see `weights.Fit`.
    tables: file ("swin/oof.parquet") or, of tables in memory, kind and member -> sha256 of all that
        went in. common_rows: where only the rows that all members have voted, kind -> `rows` and `of`
        how many that any has. missing_rows: where weights were fitted to rows that some members lack,
        `rows` that all have, `of` how many that any has, and how many each of `members` has.
        files: name -> sha256 of those written beside the record.
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
    candidates: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    pool: str | None = None
    offsets: list[float] | None = None
    temperature: float | None = None
    gap: float | None = None
    tables: dict[str, str] = field(default_factory=dict)
    common_rows: dict[str, dict[str, int]] | None = None
    missing_rows: dict[str, Any] | None = None
    files: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What `vote.json` holds; `gap`, `common_rows` and `missing_rows` only where there are any."""
        named = {own.name: getattr(self, own.name) for own in fields(VoteRecord)}
        for name in ("gap", "common_rows", "missing_rows"):
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
        declared = get_type_hints(VoteRecord)
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


def of_rule(rule: Rule, names: list[str]) -> dict[str, Any]:
    """The fields of a record that say what its rule is, by name; its weights sum to 1."""
    rule = rule.to_sum_1()
    return {
        "weights": dict(zip(names, rule.weights.tolist(), strict=True)),
        "pool": rule.pool,
        "offsets": None if rule.offsets is None else rule.offsets.tolist(),
        "temperature": rule.temperature,
    }


def _has_no_default(own: Any) -> bool:
    return own.default is MISSING and own.default_factory is MISSING
