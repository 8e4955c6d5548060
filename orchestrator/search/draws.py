"""Settings of candidates: by chance or TPE with Optuna, or every combination of a grid.

search = Search(members=["effnet"], space={"lr": {"log_uniform": [1e-4, 1e-2]}})
draw(search, scored=[], seed=0)          # {"lr": 0.0012...}
next(grid({"loss": Distribution(choice=["f1", "focal"])}))          # {"loss": "f1"}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.spec.search import Distribution, Search

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def grid(space: Mapping[str, Distribution]) -> Iterator[dict[str, Any]]:
    """Every combination; the values of the last key change first."""
    sizes: dict[str, int] = {}
    for key, distribution in space.items():
        size = distribution.size()
        assert size is not None, f"{key}: the reader of specs refuses a grid of a continuous range"
        sizes[key] = size
    for number in range(math.prod(sizes.values())):
        places = {}
        for key, size in reversed(sizes.items()):
            number, places[key] = divmod(number, size)
        yield {key: space[key].value(places[key]) for key in space}


def draw(search: Search, scored: list[tuple[dict[str, Any], float]], seed: int) -> dict[str, Any]:
    """Settings for one candidate: by chance, or by TPE from the (settings, score) pairs of
    `scored`, of which a greater score is better."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {key: _distribution(d) for key, d in search.space.items()}
    startup = max(2, min(10, search.candidates // 3))
    sampler: optuna.samplers.BaseSampler = (
        optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        if search.sampler == "tpe"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for settings, score in scored:
        parameters = {k: _encode(search.space[k], v) for k, v in settings.items()}
        study.add_trial(
            optuna.trial.create_trial(params=parameters, distributions=distributions, value=score)
        )
    drawn = study.ask(distributions).params
    return {key: _decode(search.space[key], value) for key, value in drawn.items()}


def _distribution(d: Distribution) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if d.choice is not None:  # numbered: Optuna takes scalars only, a choice may be a list
        return CategoricalDistribution(list(range(len(d.choice))))
    if d.int_uniform is not None:
        return IntDistribution(*d.int_uniform)
    if d.log_uniform is not None:
        return FloatDistribution(*d.log_uniform, log=True)
    ends = d.uniform
    if d.quniform is not None:  # not Optuna's own steps: those count from the low end, NNI's from 0
        ends = d.quniform[:2]
    assert ends is not None  # a distribution is exactly one of the five
    return FloatDistribution(*ends)


def _decode(d: Distribution, value: Any) -> Any:
    if d.choice is not None:
        return d.choice[value]
    if d.quniform is not None:
        low, _, step = d.quniform
        return d.value(round(value / step) - round(low / step))
    return value


def _encode(d: Distribution, value: Any) -> Any:
    return next(i for i, c in enumerate(d.choice) if c == value) if d.choice is not None else value
