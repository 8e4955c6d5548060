"""Which votes cannot be lazy, and the nearest that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ensembles.errors import BadInput
from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.rules.stacker import Stacker
from ensembles.shift.options import Options
from ensembles.voting.kinds import STACKERS

# The pool that every stacker starts from.
BELOW_STACKERS = "ridge pool"
_OF_THE_WHOLE = {
    "prior": "class shares are fitted to what all members say of all photographs together",
    "sets": "a set of classes goes by the probabilities of the whole vote",
    "unknown": "whether an answer is left open goes by its probability in the whole vote",
}


def problems(
    rule: AnyRule, after: Options = Options(), candidates: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """Why a vote cannot be lazy, a text each, none where it can.

    after: what is done after the rule. candidates: the record's, by which the nearest vote is told.
    Nothing bounds a stacker but that probabilities are between 0 and 1: where stackers have half of a
    mean or more, no answer is certain before all members were asked.
    """
    found = [
        f"{name}: {_OF_THE_WHOLE[name]}, and a lazy vote does not ask all members. Leave it out, or "
        "do not vote lazily."
        for name in after.given
    ]
    if isinstance(rule, MeanRule):
        own = {
            name: share
            for (name, part), share in zip(rule.parts.items(), rule.shares.tolist(), strict=True)
            if isinstance(part, Stacker)
        }
        if sum(own.values()) >= 0.5 - 1e-9:
            found.append(
                f"lazy: {sum(own.values()):.0%} of this vote are stackers ({', '.join(own)}), which may "
                "turn to any class until every member was asked; less than half may be. Nearest is "
                f"{_nearest(candidates)}. Or do not vote lazily."
            )
    return found


def require_bounds(
    rule: AnyRule, after: Options = Options(), candidates: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Arguments as of `problems`. Raises BadInput with all of them."""
    if found := problems(rule, after, candidates):
        raise BadInput(found)


def _nearest(candidates: Sequence[Mapping[str, Any]]) -> str:
    """The candidate least behind the best that is no stacker, as it is asked for."""
    there = [row for row in candidates if row["name"] not in STACKERS]
    if not there:
        return f'the vote --choice "{BELOW_STACKERS}", the pool that stackers start from'
    row = min(there, key=lambda own: float(own["behind"]))
    return (
        f'the vote --choice "{row["name"]}", {row["behind"]:.4f} ±{row["standard_error"]:.4f} behind '
        "the best of its kinds"
    )
