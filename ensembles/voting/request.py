"""What a vote should be: its options, what they mean together, and which of them do not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from ensembles.errors import BadInput, nearest
from ensembles.scores import metrics
from ensembles.scores.metrics import METRICS
from ensembles.shift.options import Options
from ensembles.voting.kinds import CHOICES, MEAN
from ensembles.weights.offsets import OFFSETS_FOR

Mode = Literal["hard", "soft", "weighted"]
Pool = Literal["linear", "log_linear"]
Prior = Literal["test"]
MODES = get_args(Mode)
# what weights can be fitted to exactly
CONVEX = tuple(name for name, metric in METRICS.items() if metric.convex)
# options that leave the kind of vote to be chosen
BESIDE_THE_RULE = {"common_rows", "prior", "sets", "unknown"}
# Where a mistake is, ("pool",) or ("weights", "swin"), and what it is.
Mistake = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class VoteRequest:
    """The options of a vote, as the command line, a spec's `vote:` and `cast` take them.

    objective: one of `metrics.METRICS` or its aliases; what weights are fitted for and what the best
    members are best in; of one target as "macro_f1:age" where the tables' metadata names targets.
    choice: of a weighted vote without further options, how it is made of many fitted kinds
    (`ensembles.voting.gate`): "mean" (default) of those near the best in the objective, "simplest" of
    those as good in macro F1, or one by its name, of `kinds.CANDIDATES`.
    pool: "linear" (default) or "log_linear", for a soft vote the geometric mean.
    offsets: fit one log-prior a class, bagged. temperature: fit one after the average.
    ridge: pull towards equal weights, in photographs. negative: allow weights of any sign
    (log-linear only). top: vote over the best so many members. weights: member -> weight, fixed, of
    a hard or soft vote; 1 for members that it does not name. common_rows: vote over the rows that
    all members have, where some lack a fold or photographs, instead of refusing them. missing_rows:
    log-loss weights from all OOF rows, each by the members that have it (`voting.partial`).
    prior: "test" corrects test rows for their class shares. sets: write sets of classes that hold
    the true one in this share of cases. unknown: write answers of a lower probability as unknown.

    An option that would have no effect is a mistake: see `mistakes`.
    """

    mode: Mode = "weighted"
    objective: str | None = None
    pool: Pool | None = None
    offsets: bool = False
    temperature: bool = False
    ridge: float | None = None
    negative: bool = False
    top: int | None = None
    weights: Mapping[str, float] | None = None
    common_rows: bool = False
    missing_rows: bool = False
    choice: str | None = None
    prior: Prior | None = None
    sets: float | None = None
    unknown: float | None = None

    # read by pydantic where a spec holds one: an unknown key is a mistake
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if isinstance(self.objective, str):
            object.__setattr__(self, "objective", metrics.canonical(self.objective))

    @classmethod
    def of(
        cls, mode: Mode | VoteRequest, objective: str | None = None, **options: Any
    ) -> VoteRequest:
        """From a mode and options, or a request as it is. Raises BadInput for both at once."""
        if not isinstance(mode, VoteRequest):
            return cls(mode, objective, **options)
        if objective is not None or options:
            raise BadInput(
                "options beside a VoteRequest: it holds them all. Change it with "
                "dataclasses.replace(request, ...)."
            )
        return mode

    @property
    def options(self) -> dict[str, Any]:
        """Those that differ from the defaults, by name, without the mode."""
        fields = dataclasses.fields(self)[1:]
        given = {own.name: getattr(self, own.name) for own in fields}
        return {own.name: given[own.name] for own in fields if given[own.name] != own.default}

    @property
    def gated(self) -> bool:
        """Whether the kind of vote is left to be chosen."""
        if self.choice is not None:
            return True
        return self.mode == "weighted" and not self.options.keys() - BESIDE_THE_RULE

    @property
    def after(self) -> Options:
        """What comes after the rule."""
        return Options(self.prior, self.sets, self.unknown)

    @property
    def metric(self) -> str:
        by_loss = self.ridge is not None or self.pool == "log_linear" or self.missing_rows
        fitted_for = "log_loss" if self.mode == "weighted" and by_loss else "macro_f1"
        return self.objective or fitted_for

    @property
    def fitted_for(self) -> str | None:
        """What weights are fitted for; None where none are, or where the kind is to be chosen and no
        objective was given.
        """
        if self.gated:
            return self.objective
        return self.metric if self.mode == "weighted" else None

    @property
    def needs_oof(self) -> bool:
        fitted = self.mode == "weighted" or self.top is not None
        return fitted or self.offsets or self.temperature

    @property
    def useless_objective(self) -> bool:
        """Whether an objective is given by which nothing is chosen: hard and soft votes fit no
        weights, and offsets are fitted for those of OFFSETS_FOR only.
        """
        if self.objective is None or self.mode == "weighted" or self.top is not None:
            return False
        return not (self.offsets and self.objective in OFFSETS_FOR)

    def per_target(self, targets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
        """The metric where it is not reported anyway, with the values that classes mean of its
        target, or None where all classes count (`metrics.Views`).

        targets: as `targets.target_indices`.
        """
        target = self.metric.partition(":")[2]
        known = self.metric in metrics.REPORTED
        return {} if known else {self.metric: targets[target] if target else None}

    @property
    def _of_log_loss(self) -> bool:
        """Whether no other score than the one that log-linear pools and ridges go by is given."""
        return self.objective is None or self.objective in CONVEX

    @property
    def _turnable(self) -> bool:
        """Whether class offsets have a sweep for it; log-loss goes with those for macro F1."""
        return metrics.base(self.metric) in (*CONVEX, *OFFSETS_FOR)

    def problems(
        self, members: Sequence[str] | None = None, targets: Sequence[str] | None = ()
    ) -> list[str]:
        """`mistakes` as text, each beginning with its option."""
        return [f"{path[0]}: {text}" for path, text in self.mistakes(members, targets)]

    def mistakes(
        self, members: Sequence[str] | None = None, targets: Sequence[str] | None = ()
    ) -> list[Mistake]:
        """Everything that is wrong with it, useless options among it.

        members: their names; None where they are not known yet. targets: their names; None where
        any may turn out to be one.
        """
        found = list(self._unknown_choices(targets))
        if not found:
            found += self._misfits()
        found += self.after.mistakes(self.mode)
        n_members = np.inf if members is None else len(members)
        if self.top is not None and not (_is_whole(self.top) and 1 <= self.top <= n_members):
            most = "" if members is None else f" to {n_members}, the members there are"
            found.append((("top",), f"{self.top}, but must be 1{most or ' or more'}."))
        if self.ridge is not None and not 0 <= self.ridge < np.inf:
            found.append((("ridge",), f"{self.ridge!r}, but must be 0 or more."))
        if self.weights is not None:
            found += _weight_mistakes(self.weights, members)
        return found

    def _unknown_choices(self, targets: Sequence[str] | None) -> list[Mistake]:
        objective = "macro_f1" if self.objective is None else self.objective
        allowed = (
            *METRICS,
            *(f"{name}:{target}" for name in METRICS for target in targets or ()),
        )
        if targets is None and str(objective).partition(":")[0] in METRICS:
            allowed = (*allowed, objective)
        return [
            ((what,), f"{got!r}, but must be one of {', '.join(those)}.{nearest(got, those)}")
            for what, got, those in (
                ("mode", self.mode, MODES),
                ("objective", objective, allowed),
                ("pool", "linear" if self.pool is None else self.pool, get_args(Pool)),
                ("choice", MEAN if self.choice is None else self.choice, CHOICES),
            )
            if got not in those
        ]

    def _misfits(self) -> list[Mistake]:
        """Options that contradict each other or do nothing beside the others."""
        if self.choice is not None:
            return self._beside_a_choice()
        found: list[Mistake] = []
        if self.useless_objective:
            text = (
                f"nothing in this {self.mode} vote is chosen by {self.objective}. Leave it out, or "
                "add top, for the members that are best in it."
            )
            found.append((("objective",), text))
        if self.offsets and ":" in self.metric:
            found.append(
                (("offsets",), "they turn decisions between all classes; leave the target out.")
            )
        elif self.offsets and not self._turnable:
            text = (
                f"they are fitted for {' or '.join(OFFSETS_FOR)}, not for {self.objective}. Leave "
                "them out, or name one of those."
            )
            found.append((("offsets",), text))
        if self.mode == "hard" and self.pool:
            found.append(
                (("pool",), "a hard vote counts votes, so it takes none. Leave the pool out.")
            )
        if self.mode == "weighted" and self.pool == "log_linear":
            if not self._of_log_loss:
                text = (
                    f"{self.objective!r}, but the log-linear pool's weights are fitted to "
                    "log_loss. Add offsets to turn its decisions towards macro F1."
                )
                found.append((("objective",), text))
        elif self.negative:
            text = (
                "weights below 0 need the log-linear pool of a weighted vote: mode weighted, pool "
                "log_linear."
            )
            found.append((("negative",), text))
        if self.ridge is not None and self.mode != "weighted":
            found.append((("ridge",), f"only a weighted vote takes one; this one is {self.mode}."))
        elif self.ridge is not None and not self._of_log_loss:
            text = "only log-loss weights take one. Use objective log_loss."
            found.append((("ridge",), text))
        found += self._beside_missing_rows()
        if self.weights is not None and self.mode == "weighted":
            text = "a weighted vote fits its own. Give them to a soft or hard one (mode)."
            found.append((("weights",), text))
        return found

    def _beside_a_choice(self) -> list[Mistake]:
        found: list[Mistake] = []
        if self.mode != "weighted":
            found.append((("choice",), f"only a weighted vote takes one; this one is {self.mode}."))
        decided = self.options.keys() - BESIDE_THE_RULE - {"choice", "objective"}
        if decided:
            text = "a choice among kinds decides it. Leave it out, or leave out choice."
            found += [((name,), text) for name in self.options if name in decided]
        if self.choice == MEAN and ":" in self.metric:
            text = "a choice is made for all classes; leave the target out, or leave out choice."
            found.append((("objective",), text))
        elif self.choice != MEAN and self.objective not in (None, "macro_f1"):
            text = (
                f"{self.objective!r}, but {self.choice!r} goes by macro_f1. Leave it out, or use "
                f"choice {MEAN}."
            )
            found.append((("objective",), text))
        return found

    def _beside_missing_rows(self) -> list[Mistake]:
        if not self.missing_rows:
            return []
        texts = []
        if self.mode != "weighted":
            texts.append(
                f"a {self.mode} vote fits no weights to them. Use common_rows, for the rows that all "
                "members have."
            )
        elif self.common_rows:
            texts.append("they are left out by common_rows. Give one of the two.")
        elif not self._of_log_loss or self.pool == "log_linear":
            texts.append(
                "only log-loss weights of the linear pool are fitted to rows that some members lack. "
                "Use objective log_loss, or common_rows."
            )
        elif self.top is not None:
            texts.append("the best members are chosen by rows that all have. Leave top out.")
        elif self.ridge == 0:
            texts.append("their weights need a ridge above 0. Leave it out for 1.")
        return [(("missing_rows",), text) for text in texts]


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _weight_mistakes(weights: Mapping[str, float], members: Sequence[str] | None) -> list[Mistake]:
    found: list[Mistake] = []
    if not weights:
        found.append((("weights",), "they name no member. Give MEMBER and number, or leave them."))
    for name, weight in weights.items():
        if members is not None and name not in members:
            there = f"there are {', '.join(members)}.{nearest(name, members)}"
            found.append((("weights", name), f"no member {name!r}; {there}"))
        if not 0 <= float(weight) < np.inf:
            found.append((("weights", name), f"that of {name} is {weight}, but must be 0 or more."))
    if members and not found and not any(weights.get(name, 1) for name in members):
        text = "they sum to 0: no member would vote. Give one more than 0."
        found.append((("weights",), text))
    return found
