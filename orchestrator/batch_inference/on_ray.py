"""Ray Data as the engine: tasks that read and decode, then a pool of actors a member, all at once.

Blocks stream through: Ray Data starts work of a stage where the next one has room, within a bound on
what lies in Ray's object store, so memory does not grow with the list. What a worker was doing when it
died is done again, a few times.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from members.data.listing import some
from members.errors import BadInput
from orchestrator.batch_inference.blocks import Block
from orchestrator.batch_inference.pools import Plan, planned
from orchestrator.batch_inference.run import Engine
from orchestrator.batch_inference.stages import (
    AskMembers,
    answers_of,
    dropped_behind,
    in_stream_order,
    read,
    row_of,
    whole_path,
    with_whole_paths,
)
from orchestrator.cluster.connect import Cluster, connect
from orchestrator.errors import RunFailed, WrongRequest, counted
from orchestrator.inference.answers import Answers
from orchestrator.inference.ensemble import photos_at_once, ways_of
from orchestrator.inference.parts import Part, Trained
from orchestrator.inference.photos import Photo
from orchestrator.inference.vote import tables_of, vote_of
from orchestrator.running.causes import cause_of

RETRIES = 3  # of a block whose worker died; machines that go away are no fault of the photographs
_READER = 0.01  # CPUs that a task which reads takes of Ray's books: `Plan.readers` bounds them
_QUIET = logging.CRITICAL + 1
_STUCK = 6 * 3600  # seconds without any progress, on a cluster that others fill
_SAMPLE = 8  # photographs that reading, and members of unknown cost, are timed with


@contextmanager
def on_ray(
    trained: Trained, address: str, device: str | None = None, tables: bool = False
) -> Iterator[tuple[Engine, str]]:
    """The engine on the Ray at `address`, and what it runs on in words.

    device: None: GPUs where the cluster has any. The engine raises WrongRequest where networks cannot
    be loaded there, and RunFailed, with the photographs, where these end every process that reads them.
    """
    if "--debug" not in sys.argv:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of what Ray Data does
    with connect(address) as cluster:
        cpus, gpus = _free(cluster)
        if device is not None and device.startswith("cpu"):
            gpus = 0
        if device is not None and not device.startswith("cpu") and not gpus:
            raise WrongRequest(
                f"--device {device}: the Ray at {cluster.address} has no GPU that is free. Leave it "
                "out, or give cpu."
            )
        what = f"{counted(gpus, 'GPU')}" if gpus else f"{counted(cpus, 'CPU')}"
        yield partial(_ask, trained, cpus, gpus, tables), f"{what} of a Ray"


def _free(cluster: Cluster) -> tuple[int, int]:
    """CPUs and GPUs for the actors: whole ones of each node, as far as no other work has them."""
    import ray

    nodes, free = cluster.nodes(), ray.available_resources()
    cpus = min(sum(int(node.cpus) for node in nodes), int(free.get("CPU", 0)))
    gpus = min(sum(int(node.gpus) for node in nodes), int(free.get("GPU", 0)))
    return max(1, cpus), gpus


def _ask(
    trained: Trained, cpus: int, gpus: int, tables: bool, blocks: Sequence[Block]
) -> Iterator[tuple[Block, Answers]]:
    members = in_stream_order(with_whole_paths(trained))
    device = "cuda" if gpus else "cpu"
    reading, costs = _costs(trained, members, blocks[0], device)
    plan = planned(costs, reading, cpus, gpus)
    by_number = {block.number: block for block in blocks}
    left = dict(by_number)
    try:
        for rows in _stream(trained, members, plan, blocks, device):
            for i in range(len(rows)):
                number, problems, own = answers_of(rows, i, trained)
                found = tables_of(trained, own)
                block = left.pop(number)
                ids = [photo.id for photo in block.photos]
                voted = vote_of(trained, found)
                yield block, Answers(ids, problems, voted, found if tables else {})
    except Exception as error:
        if wrong := _within(error, BadInput):
            raise WrongRequest(wrong.problems) from error
        if not type(error).__module__.startswith("ray."):
            raise
        raise _failed(
            error, trained, list(left.values()), 2 * (plan.readers + plan.actors)
        ) from error


def _stream(
    trained: Trained, members: Sequence[Part], plan: Plan, blocks: Sequence[Block], device: str
) -> Iterator[Any]:
    """Arrow tables of the last stage, in any order."""
    from ray import data

    warnings.filterwarnings("ignore", message=".*ray_remote_args")  # see _remote
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(
            handler, logging.StreamHandler
        ):  # its words are about Ray, not about the work
            handler.setLevel(_QUIET)
    ways = ways_of(trained)
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = _STUCK
    of_a_block = photos_at_once(trained) * sum(3 * way.size[0] * way.size[1] for way in ways)
    limit = 2 * (plan.readers + 2 * plan.actors) * of_a_block
    context.execution_options.resource_limits = data.ExecutionResources.for_limits(
        object_store_memory=max(limit, 2**26)
    )
    whole: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow"}
    stream: Any = data.from_items([row_of(own) for own in blocks], override_num_blocks=len(blocks))
    stream = stream.map_batches(
        read,
        fn_kwargs={"ways": ways, "bits": trained.bits},
        num_cpus=_READER,
        compute=data.TaskPoolStrategy(size=plan.readers),
        **_remote(max_retries=RETRIES),
        **whole,
    )
    groups = [[members[i] for i in pool.members] for pool in plan.pools]
    for pool, parts, behind in zip(plan.pools, groups, dropped_behind(groups, ways), strict=True):
        known = [(part, len(trained.codec_of(part).classes)) for part in parts]
        stream = stream.map_batches(
            AskMembers,
            fn_constructor_args=(known, ways, behind, device),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            compute=data.ActorPoolStrategy(size=pool.actors),
            **_remote(max_restarts=-1, max_task_retries=RETRIES),
            **whole,
        )
    yield from stream.iter_batches(prefetch_batches=1, **whole)


def _remote(**how: int) -> dict[str, Any]:
    """Without these, Ray Data tries without end. It may take them no more from 2.64 on."""
    from inspect import Parameter, signature

    from ray import data

    kinds = {own.kind for own in signature(data.Dataset.map_batches).parameters.values()}
    return how if Parameter.VAR_KEYWORD in kinds else {}


# -- what members cost -----------------------------------------------------------------------------


def _costs(
    trained: Trained, members: Sequence[Part], block: Block, device: str
) -> tuple[float, list[float]]:
    """Milliseconds a photograph of reading, and of each member: as its table says, or timed there."""
    import ray

    unknown = [
        (own, len(trained.codec_of(own).classes)) for own in members if own.milliseconds is None
    ]
    places = [whole_path(photo.place) for photo in block.photos[:_SAMPLE]]
    gpus = 0.1 if unknown and device == "cuda" else 0
    timed = ray.remote(num_cpus=_READER, num_gpus=gpus, max_retries=0)(_timed)
    try:
        reading, found = ray.get(
            timed.remote(places, ways_of(trained), trained.bits, unknown, device)
        )
    except Exception as error:  # whatever it is, it is found where it is looked for
        if wrong := _within(error, BadInput):
            raise WrongRequest(wrong.problems) from error
        reading, found = 1.0, {}
    known = {own.name: own.milliseconds for own in members if own.milliseconds is not None} | found
    typical = float(np.mean(list(known.values()))) if known else 1.0
    return reading, [known.get(own.name, typical) for own in members]


def _timed(places, ways, bits, parts, device) -> tuple[float, dict[str, float]]:
    from orchestrator.inference.networks import ask_member
    from orchestrator.inference.pixels import see_all

    see_all(places[:1], ways, bits, 1)
    begun = time.perf_counter()
    see_all(places, ways, bits, 1)
    reading = 1000 * (time.perf_counter() - begun) / len(places)
    found = {}
    for part, n_classes in parts:
        pixels = np.zeros((_SAMPLE, *part.seen.size, 3), np.uint8)
        ask = ask_member(part, n_classes, device)
        ask(pixels)
        begun = time.perf_counter()
        ask(pixels)
        found[part.name] = 1000 * (time.perf_counter() - begun) / _SAMPLE
    return reading, found


# -- what went wrong -------------------------------------------------------------------------------


def _within(error: BaseException | None, kind: type) -> Any:
    """The exception of a kind that another one is about, where there is one."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None


def _failed(
    error: BaseException, trained: Trained, left: Sequence[Block], in_flight: int
) -> RunFailed:
    """What to raise where Ray gave up: with the photographs that end a process which reads them.

    left: blocks without answers, in their order; in_flight: of them about so many were begun.
    """
    again = "The answers so far are kept: the same command goes on from here."
    for block in islice(left, in_flight):
        if not _ends_its_reader(trained, block.photos):
            continue
        photos = [own for own in block.photos if _ends_its_reader(trained, [own])]
        ids = [photo.id for photo in photos or block.photos]
        return RunFailed(
            f"reading photographs ended the processes that read them, each time: {some(ids)}, in "
            f"block {block.number + 1}. Take them out of the list, or mend them. {again}"
        )
    first = left[0].number + 1 if left else 0
    return RunFailed(
        f"Ray gave up after {RETRIES} more attempts, at block {first} or one of the {in_flight} after "
        f"it: {cause_of(error).rstrip('.')}. {again}"
    )


def _ends_its_reader(trained: Trained, photos: Sequence[Photo]) -> bool:
    import ray

    places = [whole_path(photo.place) for photo in photos]

    task = ray.remote(num_cpus=_READER, max_retries=0)(_timed)
    with suppress(ray.exceptions.RayTaskError):
        try:
            ray.get(task.remote(places, ways_of(trained), trained.bits, [], "cpu"))
        except ray.exceptions.WorkerCrashedError:
            return True
    return False
