"""What a search draws from: NNI's steps, grids in their order, and mistakes in ranges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from orchestrator.search.draws import draw, grid
from orchestrator.spec.search import Distribution, Search, grid_size, samples


def space(**distributions: dict) -> dict[str, Distribution]:
    return {key: Distribution(**d) for key, d in distributions.items()}


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [(16, 64, 16), (0.05, 0.5, 0.1), (2, 10, 3), (0, 1, 0.25), (-1, 1, 0.5), (1e-4, 1e-3, 3e-4)],
)
def test_quniform_has_the_values_that_nni_draws(low, high, step):
    """NNI: clip(round(uniform(low, high) / q) * q, low, high)."""
    x = np.linspace(low, high, 20_001)
    nni = np.unique(np.round(np.clip(np.round(x / step) * step, low, high), 10))
    d = Distribution(quniform=[low, high, step])
    assert [d.value(i) for i in range(d.size())] == pytest.approx(nni.tolist())
    search = Search(members=["m"], space={"lr": d}, sampler="random")
    drawn = {draw(search, [], seed)["lr"] for seed in range(200)}
    assert drawn <= {d.value(i) for i in range(d.size())}
    assert len(drawn) >= d.size() - 1  # an end that only its own value is rounded to is never met


def test_whole_numbers_of_quniform_are_whole():
    d = Distribution(quniform=[16, 64, 16])
    assert [d.value(i) for i in range(4)] == [16, 32, 48, 64]
    assert all(isinstance(d.value(i), int) for i in range(4))
    assert Distribution(quniform=[0, 1, 0.1]).value(3) == 0.3  # not 0.30000000000000004


def test_a_grid_is_every_combination_in_the_order_of_nested_loops():
    s = space(
        batch_size={"quniform": [8, 24, 8]},
        loss={"choice": ["f1", "focal"]},
        step_epochs={"int_uniform": [2, 4]},
    )
    by_hand = [
        {"batch_size": b, "loss": loss, "step_epochs": e}
        for b, loss, e in itertools.product([8, 16, 24], ["f1", "focal"], [2, 3, 4])
    ]
    assert list(grid(s)) == by_hand
    assert grid_size(s) == 18
    assert grid_size({**s, "lr": Distribution(uniform=[0, 1])}) is None


def test_candidates_default_to_the_whole_grid_and_to_eight_elsewhere():
    s = space(loss={"choice": ["f1", "focal"]}, step_epochs={"int_uniform": [1, 10]})
    assert Search(members=["m"], space=s, sampler="grid").candidates == 20
    assert Search(members=["m"], space=s, sampler="grid", candidates=3).candidates == 3
    assert Search(members=["m"], space=s).candidates == 8
    again = Search(**Search(members=["m"], space=s, sampler="grid").model_dump())
    assert again.candidates == 20


def test_draws_stay_in_the_space_and_depend_on_the_seed_alone():
    s = {"lr": {"log_uniform": [1e-4, 1e-2]}, "batch_size": {"int_uniform": [8, 16]},
         "dropout": {"uniform": [0.0, 0.5]}, "image_size": {"choice": [[64, 48], [96, 72]]},
         "ema": {"quniform": [0.5, 0.9, 0.2]}}  # fmt: skip
    for sampler in ("random", "tpe"):
        search = Search(members=["m"], space=s, sampler=sampler, candidates=40)
        scored, rows = [], []
        for seed in range(40):
            settings = draw(search, scored, seed)
            assert draw(search, scored, seed) == settings
            assert 1e-4 <= settings["lr"] <= 1e-2
            assert settings["batch_size"] in range(8, 17)
            assert 0 <= settings["dropout"] <= 0.5
            assert settings["image_size"] in ([64, 48], [96, 72])
            assert settings["ema"] in (0.5, 0.6, 0.8, 0.9)
            scored.append((settings, -abs(np.log10(settings["lr"]) + 2)))  # best at lr = 1e-2
            rows.append(np.log10(settings["lr"]))
        if sampler == "tpe":
            assert (
                np.mean(rows[20:]) > np.mean(rows[:13]) + 0.2
            )  # it learns where the good ones are


def test_samples_hold_every_value_and_every_pair_of_values():
    s = space(
        model={"choice": ["a", "b", "c"]}, freeze={"choice": ["x", "y"]}, lr={"uniform": [0, 1]}
    )
    found = samples(s)
    assert {(f["model"], f["freeze"]) for f in found} == set(itertools.product("abc", "xy"))
    assert {f["lr"] for f in found} >= {0, 1}
    assert {f["lr"] for f in samples(s, fixed=frozenset(["lr"]))} == {0}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"uniform": [2, 1]}, "uniform: the low end must be below the high end, got [2, 1]"),
        ({"log_uniform": [0, 1]}, "log_uniform needs values above 0, got [0, 1]"),
        ({"quniform": [0, 1, 0]}, "the step must be above 0 and at most high - low = 1, got 0"),
        ({"quniform": [0, 1, 2]}, "the step must be above 0 and at most high - low = 1, got 2"),
        ({"quniform": [0, 1]}, "quniform.2"),
        ({"uniform": [0, float("inf")]}, "finite"),
        ({"choice": []}, "at least 1"),
        ({"choice": [1], "uniform": [0, 1]}, "exactly one of choice, uniform, log_uniform"),
        ({}, "got 0"),
    ],
)
def test_a_range_that_cannot_be_is_refused(given, problem):
    with pytest.raises(ValidationError) as error:
        Distribution(**given)
    assert problem in str(error.value)
