"""The largest ensemble that ends in the time allowed: networks, sizes, batch sizes, folds, epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from members.errors import BadInput
from members.networks.cost import multiply_accumulates
from members.recipe.recipe import Recipe
from members.training.memory import memory_of
from orchestrator.cluster.preflight import room_on
from orchestrator.errors import WrongRequest
from orchestrator.first_spec.cost import Cost, Folds, Load, Measured, cost, unit_seconds
from orchestrator.first_spec.machine import Machine
from orchestrator.first_spec.measuring import Stopwatch
from orchestrator.first_spec.networks import (
    FEWEST,
    LEAST_SIDE,
    MOST,
    TIERS,
    Network,
    Tier,
    image_size,
)
from orchestrator.first_spec.photos import Seen
from orchestrator.first_spec.weights import Weights
from orchestrator.photographs.cache import cache_folder
from orchestrator.photographs.streaming import room_in

# multiply-accumulates a second that no core, and no GPU, reaches: what would take too long even so is
# not timed
_CORE, _GPU = 2e10, 3e14
_GPU_SHARE = 0.85  # of its memory that training may take
_KFOLD = (Folds("kfold", 5), Folds("kfold", 3), Folds("kfold", 2))
_HOLDOUT = Folds("holdout")


@dataclass(frozen=True)
class Epochs:
    """least: below that nothing is learned. good: what a larger network must be given. most: more is of no
    use."""

    least: int
    good: int
    most: int


def epochs_for(n_train: int, from_weights: bool) -> Epochs:
    """By how many photographs an epoch has: of few, more epochs make as many steps."""
    if from_weights:
        return Epochs(2, 5, 20 if n_train < 5000 else 12)
    return Epochs(3, 15, 100 if n_train < 2000 else 60 if n_train < 20_000 else 40)


@dataclass(frozen=True)
class Chosen:
    """members: with what was timed. slots: units at once. left_out: networks that cannot be trained here,
    and why."""

    tier: Tier
    members: list[Measured]
    networks: list[Network]
    from_weights: bool
    folds: Folds
    epochs: int
    slots: int
    cost: Cost
    left_out: dict[str, str]


class Chooser:
    """Times what it needs of the tiers, the largest first."""

    def __init__(
        self, seen: Seen, machine: Machine, weights: Weights, watch: Stopwatch, seconds: float
    ):
        self.seen, self.machine, self.weights = seen, machine, weights
        self.watch, self.seconds = watch, seconds
        self.load = Load(
            seen.n_train,
            seen.n_test,
            seen.sizes.seconds,
            watch.start,
            machine.cpus,
            machine.loaders,
            room_in(Path(cache_folder())),
        )
        self.left_out: dict[str, str] = {}
        self.kfold: Sequence[Folds] = _KFOLD

    def choose(self, tiers: Sequence[Tier], trial: bool = False) -> Chosen:
        """trial: three folds at most, and the least of the smallest tier where nothing fits. Raises
        WrongRequest where nothing does, with the least time that is needed."""
        if trial:
            self.kfold = _KFOLD[1:]
        for tier in sorted(tiers, key=lambda own: -own.side):
            found = self._of_tier(tier, smallest=tier is tiers[0])
            if found is not None:
                return found
        least = self._least(tiers[0])
        if trial:
            return least
        raise WrongRequest(
            f"--hours {self.seconds / 3600:g}: too little for these photographs on this machine. The "
            f"least, {len(least.members)} tiny networks for {least.epochs} epochs, takes about "
            f"{_hours(least.cost.total)}: --hours {_up(least.cost.total / 3600):g}. Or `init --try`, "
            "which takes as long as it takes."
        )

    # -- one tier --------------------------------------------------------------------------------

    def _of_tier(self, tier: Tier, smallest: bool) -> Chosen | None:
        """The tier's ensemble where it fits with epochs enough; of the smallest, with the least."""
        networks, from_weights = self._networks(tier)
        limits = epochs_for(self.seen.n_train, from_weights)
        if len(networks) < 2 or (not smallest and self._is_hopeless(tier, networks[0], limits)):
            return None
        timed = self._timed(tier, networks, from_weights, FEWEST, limits, smallest)
        if len(timed) < 2:
            return None
        goods = [limits.good, limits.least] if smallest else [limits.good]
        for good in goods:
            for folds, members in self._ways(timed, good == limits.least):
                epochs = self._most_epochs(members, folds, limits.most)
                if epochs >= good:
                    found = self._chosen(tier, members, from_weights, folds, epochs)
                    return self._more(found, networks, limits)
        return None

    def _ways(self, timed: list[Measured], few: bool) -> Iterator[tuple[Folds, list[Measured]]]:
        """Folds and members, the most first; few: down to two members on a part that is held out."""
        possible = [own for own in self.kfold if self.seen.allows(own.keys())]
        for folds in possible if few else possible[:2] or possible:
            yield folds, timed
        if few or not possible:
            cheapest = sorted(timed, key=lambda own: own.steps.step)[:2]
            yield from ((folds, cheapest) for folds in possible[-1:])
            yield _HOLDOUT, cheapest

    def _more(self, found: Chosen, networks: list[Network], limits: Epochs) -> Chosen:
        """More members of the tier, where more epochs would be of no use."""
        for network in networks[FEWEST:MOST]:
            if found.epochs < limits.most:
                return found
            more = self._measure(found.tier, network, found.from_weights)
            if more is None:
                continue
            members = [*found.members, more]
            epochs = self._most_epochs(members, found.folds, limits.most)
            if epochs < limits.good:
                return found
            found = self._chosen(found.tier, members, found.from_weights, found.folds, epochs)
        return found

    def _least(self, tier: Tier) -> Chosen:
        networks, from_weights = self._networks(tier)
        limits = epochs_for(self.seen.n_train, from_weights)
        timed = self._timed(tier, networks, from_weights, FEWEST, limits, True)
        if not timed:
            why = "; ".join(f"{name}: {text}" for name, text in self.left_out.items())
            raise WrongRequest(f"no network of the smallest can be trained here: {why}")
        members = sorted(timed, key=lambda own: own.steps.step)[:2]
        return self._chosen(tier, members, from_weights, _HOLDOUT, limits.least)

    def _chosen(
        self, tier: Tier, members: list[Measured], weights: bool, folds: Folds, epochs: int
    ) -> Chosen:
        slots = self._slots(members)
        found = cost(members, self.load, folds, epochs, slots)
        named = {own.name: own for own in tier.networks}
        networks = [named[own.name] for own in members]
        left = dict(self.left_out)
        return Chosen(tier, members, networks, weights, folds, epochs, slots, found, left)

    def _most_epochs(self, members: list[Measured], folds: Folds, most: int) -> int:
        """The most that end in time; 0: not even one."""
        slots = self._slots(members)
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            if cost(members, self.load, folds, middle, slots).total <= self.seconds:
                low = middle
            else:
                high = middle - 1
        return low

    # -- its networks ------------------------------------------------------------------------------

    def _networks(self, tier: Tier) -> tuple[list[Network], bool]:
        """Those that suit the photographs, and whether they start from published weights: all do, or none."""
        short = max(LEAST_SIDE, min(self.seen.sizes.median))
        fitting = [own for own in tier.networks if own.fixed is None or own.fixed <= 2 * short]
        with_weights = [own for own in fitting if self.weights.of(own)]
        if len(with_weights) >= FEWEST:
            return with_weights, True
        return [own for own in fitting if not own.needs_weights], False

    def _is_hopeless(self, tier: Tier, network: Network, limits: Epochs) -> bool:
        """Whether not even a machine of a dream would train one network of the tier in time."""
        size = image_size(network, tier.side, self.seen.sizes.median)
        recipe = Recipe(model=network.model.partition(".")[0], image_size=size)
        try:
            work = 3 * multiply_accumulates(recipe, self.seen.n_classes)
        except BadInput:
            return False
        speed = _GPU if self.machine.gpus else _CORE * self.machine.cpus_each
        units = 3 / min(3, self.machine.slots)
        return units * limits.good * self.seen.n_train * 2 / 3 * work / speed > self.seconds

    def _timed(
        self,
        tier: Tier,
        networks: list[Network],
        from_weights: bool,
        count: int,
        limits: Epochs,
        smallest: bool,
    ) -> list[Measured]:
        """The first `count` that can be trained; none where one alone takes too long."""
        found: list[Measured] = []
        for network in networks:
            if len(found) == count:
                break
            own = self._measure(tier, network, from_weights)
            if own is None:
                continue
            alone = unit_seconds(own, self.load, _KFOLD[1], limits.good)
            if not smallest and alone * 3 / min(3, self.machine.slots) > self.seconds:
                return []
            found.append(own)
        return found

    def _measure(self, tier: Tier, network: Network, from_weights: bool) -> Measured | None:
        recipe = self._recipe(tier, network, from_weights)
        while True:
            problem = self._memory_problem(recipe)
            if problem is None:
                timed = self.watch.time(recipe, self._most_of_a_step(tier, recipe, from_weights))
                steps, problem = timed.steps, timed.problem
                share = _GPU_SHARE * self.machine.gpu_memory
                if steps is not None and steps.memory <= share:
                    return Measured(network.name, network.family, recipe, steps)
                problem = problem or "the GPU has too little memory"
            if recipe["batch_size"] <= 8 or "memory" not in problem.lower():
                self.left_out[network.name] = problem.splitlines()[0]
                return None
            recipe = {**recipe, "batch_size": recipe["batch_size"] // 2}

    def _most_of_a_step(self, tier: Tier, recipe: dict[str, Any], from_weights: bool) -> float:
        """Seconds above which the network alone takes too long; of the smallest tier there are none."""
        if tier is TIERS[0]:
            return math.inf
        good = epochs_for(self.seen.n_train, from_weights).good
        steps = math.ceil(self.seen.n_train * 2 / 3 / recipe["batch_size"])
        return self.seconds * min(3, self.machine.slots) / (3 * good * steps)

    def _recipe(self, tier: Tier, network: Network, from_weights: bool) -> dict[str, Any]:
        size = image_size(network, tier.side, self.seen.sizes.median)
        return {
            **network.keys(from_weights),
            "image_size": list(size),
            "batch_size": self._batch_size(),
        }

    def _batch_size(self) -> int:
        """Steps enough in an epoch of few photographs; a GPU is not kept waiting by small ones."""
        n = self.seen.n_train
        size = 16 if n < 2000 else 32 if n < 20_000 else 64
        return 2 * size if self.machine.gpus and n >= 2000 else size

    # -- memory --------------------------------------------------------------------------------------

    def _bytes(self, recipe: dict[str, Any]) -> int:
        own = Recipe(**recipe)
        return memory_of(own, self.seen.n_classes, 1, self.machine.loaders).total

    def _memory_problem(self, recipe: dict[str, Any]) -> str | None:
        if self.machine.gpus:
            return None  # it is tried
        try:
            found = self._bytes(recipe)
        except BadInput as error:
            return error.problems[0]
        return room_on(self.machine.memory, 1, {"it": found}).refusal()

    def _slots(self, members: Sequence[Measured]) -> int:
        if self.machine.gpus:
            return self.machine.slots
        sizes = {own.name: self._bytes(own.recipe) for own in members}
        return room_on(self.machine.memory, self.machine.slots, sizes).slots


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _up(hours: float) -> float:
    """A number of two digits that is no less."""
    for digits in (3, 2, 1, 0):
        step = 10.0**-digits
        if hours <= 50 * step or digits == 0:
            return round(-(-hours // step) * step, 3)
    raise AssertionError
