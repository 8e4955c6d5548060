"""How many runs the cluster can hold, as its nodes come and go.

Nodes are looked at again while training goes on: one that joins late is used, and where the cluster
has an autoscaler, it is asked for what is left to do, for as long as the command lives. What no node
can hold and none will come for is refused, or given up, with what was wanted and what there is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.cluster.connect import Cluster, Node
from orchestrator.cluster.ray_internals import autoscaler
from orchestrator.errors import WrongRequest, counted
from orchestrator.running.schedule import Schedule
from orchestrator.spec.blocks.resources import Resources

_LOOK_SECONDS = 1.0  # between two looks at the nodes
# For how long nothing could run, without a sign that a node is coming, before it is given up: when
# training begins somebody looks on; later a machine may be on its way up again.
_AT_THE_START, _LATER = 60.0, 600.0
_IN_ALL = 3600.0  # the same where nodes are started and none ever comes
_SAY_AGAIN = 300.0
# What is asked of an autoscaler.
_MOST = 1000  # bundles: no more nodes are ever useful at once, and the request stays small
_BETWEEN = 5.0  # seconds between two requests
_REPEAT = 30.0  # seconds after which the same is asked for again
_EXPIRES = 120.0  # seconds after which what is not asked for again is forgotten


@dataclass(frozen=True)
class Processes:
    """What the `workers` training processes of a run want: each its share of some one node."""

    cpus: int
    gpus: float
    workers: int

    def slots(self, nodes: Iterable[Node]) -> int:
        """How many runs go on `nodes` at once."""
        return sum(self._on(node) for node in nodes) // self.workers

    def _on(self, node: Node) -> int:
        on = int(node.cpus // self.cpus)
        if not self.gpus:
            return on
        # the share of a process is of one GPU: 0.4 twice, and not five times on two
        return min(on, int(node.gpus) * int(1 / self.gpus + 1e-9))

    def bundles(self, runs: int) -> list[dict[str, float]]:
        """What Ray calls bundles: one a process."""
        one = {"CPU": float(self.cpus), **({"GPU": self.gpus} if self.gpus else {})}
        return [one] * (self.workers * runs)

    def __str__(self) -> str:
        """`one training process wants 2 CPUs and 1 GPU`"""
        each = f"{counted(self.cpus, 'CPU')} and {_of('GPU', self.gpus)}"
        if self.workers == 1:
            return f"one training process wants {each}"
        together = f"{self.workers * self.cpus} CPUs and {_of('GPU', self.workers * self.gpus)}"
        return (
            f"the {self.workers} training processes of a unit want together {together}, each of "
            f"them {each} of one node"
        )


class Shortage:
    """A time in which nothing can run. signs: what shows now that a node is coming; None: nothing."""

    def __init__(self, patience: float, signs: Callable[[], str | None]):
        self._patience, self._signs = patience, signs
        self._begun = self._last_sign = time.monotonic()
        self._said: tuple[float, bool] | None = None  # when, and whether there was a sign
        self.sign: str | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def is_to_say(self) -> bool:
        """At first, as soon as a node is coming, and then every few minutes."""
        now, coming = time.monotonic(), self.sign is not None
        if self._said and now - self._said[0] < _SAY_AGAIN and self._said[1] >= coming:
            return False
        self._said = now, coming
        return True

    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        now = time.monotonic()
        self.sign = self._signs()
        if self.sign:
            self._last_sign = now
        return now - self._last_sign >= self._patience or now - self._begun >= _IN_ALL


class Asking:
    """What one command asks for; the autoscaler adds up what all commands do."""

    def __init__(self, address: str):
        self._address = address
        self._name = f"train-members-{uuid.uuid4().hex}"
        self._bundles: list[dict[str, float]] | None = None
        self._last = -_REPEAT
        self._grows = False

    def grows(self) -> bool:
        """Whether the cluster can start nodes by itself; on a new one it shows after seconds."""
        self._grows = self._grows or autoscaler.has_autoscaler(self._address)
        return self._grows

    def signs(self) -> str | None:
        """What the autoscaler does about it, for people; None: nothing."""
        return autoscaler.nodes_to_come(self._address) if self.grows() else None

    def ask(self, bundles: list[dict[str, float]]) -> None:
        """That nodes which hold all of these are there besides what runs; empty: none need stay."""
        bundles = bundles[:_MOST]
        wait = _REPEAT if bundles == self._bundles else _BETWEEN
        now = time.monotonic()
        if now - self._last < wait or not self.grows():
            return
        self._last, self._bundles = now, bundles
        autoscaler.ask(self._name, bundles, _EXPIRES)

    def close(self) -> None:
        """Withdraw what was asked for."""
        if self._bundles is not None:
            with suppress(Exception):  # the cluster itself may be gone; else it expires
                autoscaler.withdraw(self._name)


class Capacity:
    """resources: what the spec says; note: gets a sentence for the screen."""

    def __init__(self, cluster: Cluster, resources: Resources, note: Callable[[str], None]):
        self._cluster, self._resources, self._note = cluster, resources, note
        self._seen: list[Node] = []
        self._most: int | None = None
        self._looked: float | None = None
        self._shortage: Shortage | None = None
        self._asking = None if cluster.started_here else Asking(cluster.address)
        self.processes = self._processes()

    def __enter__(self) -> Capacity:
        return self

    def __exit__(self, *_: object) -> None:
        if self._asking:
            self._asking.close()

    def _processes(self) -> Processes:
        """`gpus: auto` is one GPU where the cluster has any now."""
        resources = self._resources
        gpus = resources.gpus
        if gpus == "auto":
            gpus = float(sum(node.gpus for node in self._nodes()) > 0)
        return Processes(resources.cpus, gpus, resources.workers)

    def _nodes(self) -> list[Node]:
        now = time.monotonic()
        if self._looked is None or now - self._looked >= _LOOK_SECONDS:
            self._looked, self._seen = now, self._cluster.nodes()
        return self._seen

    def slots(self) -> int:
        """How many runs the cluster can hold now."""
        found = self.processes.slots(self._nodes())
        return found if self._most is None else min(found, self._most)

    def hold_at_most(self, runs: int) -> None:
        """However many there are CPUs and GPUs for."""
        self._most = runs

    def await_slots(self, runs: int) -> None:
        """Until a run can begin, where `runs` are to do; decides what `gpus: auto` is.

        Raises `WrongRequest` where none can: at once on a Ray of this machine, else after a minute
        in which no node was on its way.
        """
        while not self.slots():
            if not self._asking:
                raise WrongRequest(self._refusal())
            self._shortage = self._shortage or Shortage(_AT_THE_START, self._asking.signs)
            self._asking.ask(self.processes.bundles(runs))
            if self._shortage.is_over():
                raise WrongRequest(f"{self._refusal()} {self._waited(self._shortage)}")
            self._say(self._shortage)
            time.sleep(_LOOK_SECONDS)
            self.processes = self._processes()
        self._shortage = None

    def follow(self, schedule: Schedule) -> None:
        """Tell the schedule how many runs there may be now, and the autoscaler what is left."""
        schedule.slots = self.slots()
        if not self._asking:
            return
        wanted = schedule.wanted()
        self._asking.ask(self.processes.bundles(wanted - len(schedule.runs)))
        if schedule.slots or schedule.is_over():
            self._shortage = None
            return
        self._shortage = self._shortage or Shortage(_LATER, self._asking.signs)
        if self._shortage.is_over() and not schedule.runs:
            schedule.give_up(f"{self._want()}. {self._waited(self._shortage)}")
        else:
            self._say(self._shortage)

    def _say(self, shortage: Shortage) -> None:
        if shortage.is_to_say():
            self._note(
                f"waiting for nodes: {self._want()}; {shortage.sign or 'none is coming yet'}"
            )

    def _waited(self, shortage: Shortage) -> str:
        return (
            f"Waited {shortage.seconds:.0f} s; {shortage.sign or 'none that would do is coming'}."
        )

    def _want(self) -> str:
        nodes = self._nodes()
        cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        have = f"{_of('CPU', cpus)} and {_of('GPU', gpus)}"
        if len(nodes) > 1:
            most = max(nodes, key=lambda node: (node.gpus, node.cpus))
            have += f", its largest node {_of('CPU', most.cpus)} and {_of('GPU', most.gpus)}"
        return f"{self.processes}, and the cluster has {have}"

    def _refusal(self) -> str:
        keys = "resources.cpus or resources.gpus"
        if self.processes.workers > 1:
            keys = f"resources.workers, {keys}"
        return f"{self._want()}. Lower {keys} in the spec, or join a larger cluster with --address."


def _of(noun: str, n: float) -> str:
    """`0.5 GPUs`, `1 GPU`."""
    return f"{n:g} {noun}{'' if n == 1 else 's'}"
