"""How many actors each member gets: pools that end their shares of the work at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

# What is left of a CPU for the tasks that read: they wait for the actors' blocks most of the time.
_OF_A_CPU = 0.98
_GOOD = 0.9


@dataclass(frozen=True)
class Pool:
    """Actors that hold the same members, by their numbers. cpus, gpus: of one actor."""

    members: tuple[int, ...]
    actors: int
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Plan:
    """readers: tasks that decode at once."""

    pools: tuple[Pool, ...]
    readers: int

    @property
    def actors(self) -> int:
        return sum(pool.actors for pool in self.pools)


def planned(costs: Sequence[float], reading: float, cpus: int, gpus: int = 0) -> Plan:
    """Pools for members with `costs`, seconds a photograph or anything in proportion, in their order.

    reading: the cost of reading and decoding. A pool a member, with actors in proportion to its cost;
    where whole actors do not divide the work evenly, two share a CPU or a GPU. Where there are more
    members than that, or it is uneven still, neighbours share a pool, down to one that holds all.
    """
    each = [max(own, 1e-9) for own in costs]
    work = sum(each)
    if gpus:
        slots, readers = gpus, max(1, cpus)
    else:
        cpus = max(1, cpus)
        slots = max(1, round(cpus * work / (work + reading)))
        readers = max(1, ceil(cpus * reading / (work + reading)))
    n_pools = len(each)
    while True:
        groups = _neighbours(each, n_pools)
        shares = [sum(each[i] for i in own) for own in groups]
        for sharing in (1, 2):
            counts = _divided(shares, sharing * slots)
            if n_pools == 1 or (counts and _evenness(shares, counts, slots) >= _GOOD):
                of_one = (
                    (_OF_A_CPU / sharing, 0.0) if not gpus else (0.0, 1 / sharing)
                )  # of a node's CPUs and GPUs the same share each: they fit whatever the nodes are
                pools = [
                    Pool(tuple(own), n, *of_one) for own, n in zip(groups, counts, strict=True)
                ]
                return Plan(tuple(pools), readers)
        n_pools = n_pools // 2


def _divided(shares: Sequence[float], slots: int) -> list[int]:
    """Slots in proportion to shares, one at least, by largest remainder; [] where they are too few."""
    if slots < len(shares):
        return []
    counts = [1] * len(shares)
    for _ in range(slots - len(shares)):
        slowest = max(range(len(shares)), key=lambda i: shares[i] / counts[i])
        counts[slowest] += 1
    return counts


def _evenness(shares: Sequence[float], counts: Sequence[int], slots: int) -> float:
    """Throughput as a share of what `slots` could do if the work were divided at will."""
    ideal = sum(shares) / slots
    return ideal / max(ideal, *(own / n for own, n in zip(shares, counts, strict=True)))


def _neighbours(costs: Sequence[float], n: int) -> list[list[int]]:
    """Members in `n` groups of neighbours whose costs are about the same."""
    if n == len(costs):
        return [[i] for i in range(n)]
    total, before = sum(costs), 0.0
    groups: list[list[int]] = [[] for _ in range(n)]
    for i, own in enumerate(costs):
        groups[min(n - 1, int(n * (before + own / 2) / total))].append(i)
        before += own
    return [own for own in groups if own]
