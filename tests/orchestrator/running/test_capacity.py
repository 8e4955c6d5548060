"""How many runs a cluster holds, and what is done where it holds none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from orchestrator.cluster.connect import Cluster, Node
from orchestrator.errors import WrongRequest
from orchestrator.running import capacity
from orchestrator.running.capacity import Capacity, Processes, Shortage
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.spec.blocks.resources import Resources
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


class Silent:
    """Progress of a schedule that nobody looks at."""

    def expect(self, units): ...

    def started(self, unit, title, fresh): ...

    def reported(self, result): ...

    def ended(self, path, outcome): ...

    def interrupted(self, path): ...

    def note(self, text): ...

    def seconds_for(self, units): ...

    def seconds_for_candidate(self, name): ...


def schedule_of(folds: int, slots: int = 1) -> Schedule:
    member = Member(name="a", recipe={"model": "a"})
    units = [Unit(member, "a", fold, None) for fold in range(folds)]
    watch = Watch(Store("nowhere"), hang_minutes=10)
    return Schedule(units, {}, lambda m: units, lambda m: 1.0, slots, Silent(), watch)


class Asked:
    """An autoscaler that is told what to bring, and shows `sign`."""

    def __init__(self, grows: bool, sign: str | None = None):
        self.asked: list[int] = []
        self.sign, self._grows = sign, grows

    def grows(self) -> bool:
        return self._grows

    def signs(self) -> str | None:
        return self.sign

    def ask(self, bundles: list) -> None:
        self.asked.append(len(bundles))

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds, in one cell; sleeping makes them pass."""
    now = [0.0]
    passing = SimpleNamespace(
        monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    monkeypatch.setattr(capacity, "time", passing)
    return now


@pytest.fixture
def joined(monkeypatch, clock):
    """A cluster of other machines: its capacity, its nodes (to be changed), what was printed."""

    def joined(nodes: list[Node], asked: Asked, **resources):
        monkeypatch.setattr(capacity, "Asking", lambda address: asked)
        monkeypatch.setattr(Capacity, "_nodes", lambda self: nodes)
        printed: list[str] = []
        cluster = Cluster("there:6379", 0.0, 0.0, started_here=False)
        return Capacity(cluster, Resources(**resources), printed.append), printed

    return joined


@pytest.mark.parametrize(
    ("cpus", "gpus", "resources", "slots"),
    [
        (8, 0, {}, 8),
        (8, 0, {"workers": 2}, 4),
        (7, 0, {"workers": 2, "cpus": 2}, 1),
        (16, 4, {"workers": 2}, 2),
        (16, 4, {"workers": 4}, 1),
        (3, 4, {"workers": 2}, 1),
        (8, 1, {"gpus": 0.25}, 4),
        (3, 1, {"gpus": 0.25}, 3),
        (64, 2, {"gpus": 0.1}, 20),
        (16, 3, {"gpus": 0.4}, 6),  # two on each GPU: a share is of one
        (16, 3, {"gpus": 0.6}, 3),
        (16, 0, {"gpus": 0.25}, 0),
    ],
)
def test_slots_are_what_the_workers_of_a_unit_take_together(cpus, gpus, resources, slots):
    here = Cluster("here", cpus, gpus, started_here=True)
    assert Capacity(here, Resources(**resources), print).slots() == slots


@pytest.mark.fault(
    "a unit wants more CPUs or GPUs than this machine has",
    "refused at once, with what it wants and what there is",
)
def test_a_machine_too_small_for_them_is_refused_at_once_with_the_numbers(clock):
    here = Cluster("here", 4, 1, started_here=True)
    refused = Capacity(here, Resources(workers=2, cpus=2), print)
    with pytest.raises(WrongRequest, match=r"2 training.* 4 CPUs and 2 GPUs, .* 4 CPUs and 1 GPU"):
        refused.await_slots(1)
    assert clock == [0.0]


def test_a_process_is_on_one_node():
    two = [Node(2, 0), Node(2, 1)]
    assert Processes(4, 0.0, 1).slots(two) == 0  # 4 CPUs in all, and no process can have them
    assert Processes(2, 1.0, 1).slots(two) == 1
    assert Processes(1, 0.5, 1).slots(two) == 2
    assert Processes(1, 0.5, 1).slots([Node(8, 1), Node(8, 1), Node(1, 4)]) == 5
    assert Processes(1, 0.0, 4).slots(two) == 1  # the processes of a unit may be on several


def test_what_no_node_will_ever_have_is_said_in_a_minute(joined, clock):
    capacity, printed = joined([Node(2, 0), Node(2, 0)], Asked(grows=True), gpus=1)
    with pytest.raises(WrongRequest, match=r"1 CPU and 1 GPU, .* 4 CPUs and 0 GPUs.* Waited 60 s"):
        capacity.await_slots(3)
    assert clock[0] <= 61
    assert len(printed) == 1
    assert printed[0].startswith("waiting for nodes: one training process wants 1 CPU and 1 GPU")


def test_nodes_on_their_way_are_waited_for_and_decide_what_auto_is(joined, clock):
    nodes, asked = [], Asked(grows=True, sign="3 of type l4 being started")
    capacity, printed = joined(nodes, asked, gpus="auto")
    asked.signs = lambda: nodes.append(Node(8, 1)) if clock[0] > 400 else asked.sign
    capacity.await_slots(3)
    assert capacity.processes.gpus == 1
    assert set(asked.asked) == {3}
    assert ["3 of type l4 being started" in line for line in printed] == [True, True]


@pytest.mark.fault("the autoscaler starts machines and none ever joins", "given up after an hour")
def test_nodes_that_are_started_and_never_come_are_given_up_after_an_hour(joined, clock):
    capacity, _ = joined([], Asked(grows=True, sign="type l4 could not be started: no quota"))
    with pytest.raises(WrongRequest, match="no quota"):
        capacity.await_slots(3)
    assert 3600 <= clock[0] <= 3601


def test_slots_follow_the_nodes_and_the_autoscaler_hears_what_is_left(joined):
    nodes, asked = [Node(1, 0)], Asked(grows=True)
    capacity, _ = joined(nodes, asked)
    schedule = schedule_of(folds=4)
    capacity.follow(schedule)
    assert schedule.start("first") is not None
    assert schedule.start("second") is None
    nodes.append(Node(1, 0))
    capacity.follow(schedule)
    assert schedule.start("second") is not None
    for name in ("first", "second"):
        unit = schedule.runs[name].unit.path
        schedule.report(name, {"event": "done", "unit": unit})
        schedule.end(name)
    capacity.follow(schedule)
    assert asked.asked == [4, 3, 2]  # those that run stand for themselves


def test_on_a_cluster_that_does_not_grow_a_late_node_finds_something_to_do(joined):
    nodes = [Node(1, 0)]
    capacity, _ = joined(nodes, Asked(grows=False))
    schedule = schedule_of(folds=4)
    capacity.follow(schedule)
    schedule.start("first")
    nodes.append(Node(1, 0))
    capacity.follow(schedule)
    assert schedule.start("second") is not None


@pytest.mark.fault(
    "all machines of a cluster are lost for good",
    "the units that are left are given up after ten minutes, with the cause",
)
def test_where_the_nodes_are_lost_for_good_the_rest_is_given_up_with_its_cause(joined, clock):
    nodes = [Node(1, 0)]
    capacity, printed = joined(nodes, Asked(grows=False))
    schedule = schedule_of(folds=2)
    capacity.follow(schedule)
    schedule.start("first")
    nodes.clear()
    for clock[0] in range(0, 1300, 10):
        capacity.follow(schedule)
        if clock[0] == 700:
            assert not schedule.is_over()  # what runs may yet come back
            schedule.lost("first", "its machine was lost")
            schedule.end("first")
    assert schedule.is_over()
    assert "wants 1 CPU" in schedule.failures["a fold 1"]
    assert len(printed) >= 2


def test_a_shortage_with_signs_lasts(clock):
    signs = iter(["coming", None, None])
    shortage = Shortage(60, lambda: next(signs))
    for clock[0], over in ((50.0, False), (100.0, False), (111.0, True)):
        assert shortage.is_over() == over


@pytest.mark.parametrize("gpus", [-0.5, 1.5, 2, float("nan"), float("inf")])
def test_a_process_gets_one_gpu_at_most_or_a_share_of_one(gpus):
    with pytest.raises(ValueError, match=r"the share of a GPU .* several a unit write workers: 2"):
        Resources(gpus=gpus)
