"""The ensemble of a run folder, for one of its votes.

The spec's photographs are not needed, nor their table: which networks a member's tables are of stands
beside these tables, and how each network was trained beside its weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ensembles.files import places
from ensembles.files.digests import require_right
from ensembles.files.parquet import read_members
from ensembles.files.table import RECORD
from ensembles.lazy.decided import needed
from ensembles.second_level.stack import FittedStack, fit_stack
from ensembles.voting.record import VoteRecord
from ensembles.voting.stored import rule_of
from members.data.codec import Codec
from members.pixels.augment import crop_of
from members.pixels.background import VERSION
from members.recipe.blocks import Statistics
from members.recipe.recipe import Recipe
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.inference.parts import Network, Part, Seen, Trained, with_parts
from orchestrator.photographs.reading import read_reading
from orchestrator.program import called
from orchestrator.runs.contents import groups_of
from orchestrator.runs.damage import MADE_FROM
from orchestrator.runs.partial import folder_of
from orchestrator.runs.standing import StandingTables
from orchestrator.runs.store import Store
from orchestrator.runs.votes import vote_name
from orchestrator.spec.spec import Spec
from orchestrator.units.record import read_record

_TRAIN = "train-members makes it again."
_COST = "milliseconds_per_photo"


def trained_of(
    spec: Spec, store: Store, vote: str | None = None, every_member: bool = False
) -> Trained:
    """The ensemble of a run. vote: the name of one of its votes, None: the spec's own, or the only one.

    every_member: those without influence on the vote, too. Raises WrongRequest where there is no such
    vote or it is of other tables, where members' tables or records are missing or damaged, and where
    photographs cannot be shown to a member as it was trained.
    """
    name, record = _vote_of(spec, store, vote)
    rule = rule_of(record, store.uri(f"votes/{name}"))
    if record.prior and "temperature" not in record.prior:
        raise WrongRequest(
            f"{store.uri(f'votes/{name}/{RECORD}')}: corrected for class shares by a version that did "
            f"not keep how. Cast it again: {called()} vote --run {store.root} --prior test"
        )
    joins = {own.name: tuple(own.of) for own in spec.join}
    stacks = {own.name: tuple(own.stack.of) for own in spec.stacks}
    voters = tuple(record.weights)
    wanted = [own for own, moves in zip(voters, needed(rule), strict=True) if moves or every_member]
    names = with_parts(wanted, joins | stacks)
    problems: list[str] = []
    parts = []
    for own in names:
        if own not in joins and own not in stacks:
            try:
                parts.append(part_of(own, store))
            except BAD_INPUT as error:
                problems += error.problems
    if problems:
        raise WrongRequest(problems)
    groups = groups_of(store) if any(own in stacks for own in names) else None
    read_as = read_reading(store)
    return Trained(
        name=spec.name,
        place=store.root,
        codec=Codec.from_json(recorded("targets.json", store).decode()),
        members=tuple(parts),
        vote=name,
        record=record,
        rule=rule,
        voters=voters,
        joins={own: joins[own] for own in names if own in joins},
        stacks={own: _fitted(own, spec, store, groups) for own in names if own in stacks},
        bits=spec.data.bits or (read_as.bits if read_as else None),
    )


def _vote_of(spec: Spec, store: Store, asked: str | None) -> tuple[str, VoteRecord]:
    """The vote that was asked for, by its folder's name, and its record."""
    there = [own for own in store.list("votes") if store.exists(f"votes/{own}/{RECORD}")]
    if not there:
        raise WrongRequest(
            f"{store.root}: there is no vote in this run, so nothing says how its members decide. Cast "
            f"one: {called()} vote --run {store.root}"
        )
    name = asked.removeprefix("votes/").rstrip("/") if asked is not None else vote_name(spec.vote)
    if asked is None and name not in there and len(there) == 1:
        name = there[0]
    if name not in there:
        what = f"--vote {asked}" if asked is not None else f"the spec's own vote, {name}"
        raise WrongRequest(
            f"{what}: {store.root} has no such vote. It has {', '.join(there)}: give one of these as "
            f"--vote, or cast it: {called()} vote --run {store.root}"
        )
    path = store.uri(f"votes/{name}/{RECORD}")
    record = VoteRecord.from_json(places.read_bytes(path), path)
    differ = StandingTables(store.root).differ_from(record)
    if differ is not False:
        why = "of other tables than the run has now" if differ else "without digests of its tables"
        raise WrongRequest(
            f"{path}: a vote {why}, so its weights may be of other networks. Cast it again: "
            f"{called()} vote --run {store.root}"
        )
    return name, record


def part_of(name: str, store: Store, *, held_out: bool = False) -> Part:
    """The networks that a member's tables are of. held_out: to be shown photographs of the training part,
    so without a normalisation that is for those to predict.

    Raises WrongRequest where a table, a record or weights are missing or damaged.
    """
    units, views = units_of(name, store)
    networks, member = [], {}
    for folder, epoch in units:
        record = read_record(folder, store)
        member = record.member
        file = f"epochs/{epoch}.safetensors" if epoch else "model.safetensors"
        if not store.exists(f"{folder}/{file}"):
            raise WrongRequest(
                f"{store.uri(f'{folder}/{file}')}: the weights of {name} are not there. {_TRAIN}"
            )
        recipe = Recipe(**member["recipe"])
        if held_out:
            recipe = recipe.model_copy(update={"test_normalize": None})
        recipe = to_predict(recipe, record.normalize, views)
        place, digest = store.uri(f"{folder}/{file}"), record.digests.get(file)
        networks.append(Network(place, digest, recipe, record.fold))
    recipe = networks[0].recipe
    cut_out = _is_cut_out(member.get("photos"), name, store)
    targets, cost = member.get("targets"), meta_of(name, store).get(_COST)
    seen = Seen(recipe.image_size, crop_of(recipe), cut_out)
    return Part(name, seen, tuple(networks), tuple(targets) if targets else None, cost)


def units_of(name: str, store: Store) -> tuple[list[tuple[str, int | None]], list[str] | None]:
    """The folders of the units that a member's tables are of, each with the epoch whose weights are
    meant where they are not the unit's own; and the views that were chosen, where some were.
    """
    folder = folder_of(name, store)
    try:
        stamp = recorded(f"{folder}/{MADE_FROM}", store).decode()
        chosen = json.loads(recorded(f"{folder}/epochs.json", store))
    except FileNotFoundError as error:
        raise WrongRequest(
            f"{store.uri(folder)}: {name} votes, but its tables are not there. {_TRAIN}"
        ) from error
    first = stamp.split(maxsplit=1)[0]
    kept = re.search(r"; units ((?:[0-9a-f]{16} ?)+)", stamp)
    epochs: dict[str, int] = chosen["epochs"]
    hashes = kept[1].split() if kept else [first] * len(epochs)
    of_epoch = chosen["select"] == "common_epoch"
    found = [
        (f"units/{name}/{own}/{unit}", epoch if of_epoch else None)
        for own, (unit, epoch) in zip(hashes, epochs.items(), strict=True)
    ]
    return found, chosen.get("views")


def to_predict(
    recipe: Recipe, computed: str | dict[str, Any] | None, views: list[str] | None
) -> Recipe:
    """A unit's recipe for photographs to predict. computed: the statistics of the network's own training
    photographs, where the recipe asks for those; views: where they were chosen.
    """
    changes: dict[str, Any] = {}
    if recipe.normalize == "computed":
        changes["normalize"] = Statistics.model_validate(computed)
    if recipe.test_normalize is not None:
        changes["normalize"] = recipe.test_normalize
    if views is not None:
        changes["views"] = tuple(views)
    return recipe.model_copy(update=changes)


def _is_cut_out(copy: str | None, name: str, store: Store) -> bool:
    """Whether a member sees photographs whose background `prepare` made black.

    Raises WrongRequest for other copies: nothing here can make them of new photographs.
    """
    if copy is None:
        return False
    read_as = read_reading(store)
    version = read_as.cut_out.get(copy) if read_as else None
    if version == VERSION:
        return True
    why = "which was made by another program"
    if read_as is None:
        why = "of which the run does not say how it was made (train-members with this version adds it)"
    elif version is not None:
        why = f"which version {version} of the cutting made, and this is version {VERSION}"
    raise WrongRequest(
        f"{name} sees the copy {copy!r} of the photographs, {why}: it cannot be made of new ones. "
        "Give a --vote without this member."
    )


def meta_of(name: str, store: Store) -> dict[str, Any]:
    """The metadata of a member's table; of its test table, where there is one."""
    for kind in ("test", "oof"):
        path = f"{folder_of(name, store)}/{kind}.parquet"
        if store.exists(path):
            metadata = places.open_parquet(store.uri(path)).schema_arrow.metadata or {}
            return json.loads(metadata.get(b"ensemble", b"{}"))
    return {}


def _fitted(name: str, spec: Spec, store: Store, groups: Mapping[str, str] | None) -> FittedStack:
    """The stackers of a second level, fitted again to what they were fitted to: the same bits."""
    stack = next(own.stack for own in spec.stacks if own.name == name)
    return fit_stack(read_members(store.uri("tables"), "oof", stack.of), stack.kind, groups)


def recorded(path: str, store: Store) -> bytes:
    """A file with its digest beside it. Raises FileNotFoundError, and BadInput where it is damaged."""
    if store.exists(path):
        require_right(store.uri(path))
    return store.read(path)
