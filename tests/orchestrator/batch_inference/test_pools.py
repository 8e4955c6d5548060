"""Pools of actors end their shares of the work at the same time, within what the cluster has."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.batch_inference.pools import Plan, planned


def throughput(plan: Plan, costs: list[float], slots: int) -> float:
    """Photographs a second as a share of what `slots` that never wait would do: a stage is as fast as its
    actors together, and no faster than all slots allow.
    """
    slowest = max(sum(costs[i] for i in pool.members) / pool.actors for pool in plan.pools)
    return sum(costs) / slots / max(slowest, sum(costs) / slots)


def test_a_pool_a_member_sized_to_its_cost():
    plan = planned([10, 3, 2], reading=1, cpus=16)
    assert [(own.members, own.actors) for own in plan.pools] == [((0,), 10), ((1,), 3), ((2,), 2)]
    assert plan.readers == 1
    assert all(0.9 < own.cpus < 1 for own in plan.pools)


def test_where_whole_actors_do_not_divide_the_work_two_share_a_cpu():
    costs = [10.0, 1.0, 1.0]
    plan = planned(costs, reading=0.01, cpus=3)
    assert [own.members for own in plan.pools] == [(0,), (1,), (2,)]
    assert plan.actors == 6
    assert all(own.cpus < 0.5 for own in plan.pools)


def test_more_members_than_slots_share_pools_of_neighbours():
    costs = [1.0] * 12
    plan = planned(costs, reading=0.1, cpus=2)
    assert sorted(i for own in plan.pools for i in own.members) == list(range(12))
    assert len(plan.pools) < 12
    assert throughput(plan, costs, 2) >= 0.9


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_any_costs_give_a_plan_that_fits_and_wastes_little(gpus):
    rng = np.random.default_rng(gpus)
    for _ in range(300):
        costs = list(rng.lognormal(0, 1.5, rng.integers(1, 20)))
        cpus, reading = int(rng.integers(1, 65)), float(rng.lognormal(-1, 1))
        plan = planned(costs, reading, cpus, gpus)
        assert [i for own in plan.pools for i in own.members] == list(range(len(costs)))
        assert min(own.actors for own in plan.pools) >= 1
        assert 1 <= plan.readers <= cpus
        if gpus:
            assert sum(own.actors * own.gpus for own in plan.pools) <= gpus + 1e-9
            assert all(own.cpus == 0 for own in plan.pools)
            slots = gpus
        else:
            assert sum(own.actors * own.cpus for own in plan.pools) < cpus
            slots = max(1, round(cpus * sum(costs) / (sum(costs) + reading)))
        assert throughput(plan, costs, slots) >= 0.9


def test_readers_have_all_cpus_where_gpus_do_the_rest():
    assert planned([5, 5], reading=1, cpus=12, gpus=2).readers == 12
