"""What `train-members` makes of finished units, when nothing more is trained: the tables that vote."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field

from rich.console import Console

from members.files import in_threads
from members.pixels.memory import GIB, Budget
from orchestrator.commands.run import KEPT_UNITS
from orchestrator.errors import BAD_INPUT
from orchestrator.photographs.table import Photographs, codec_of
from orchestrator.runs.damage import PARTIAL
from orchestrator.runs.partial import FinishedFolds, discard, finished_folds
from orchestrator.runs.snapshot import Snapshot
from orchestrator.runs.store import Store
from orchestrator.screens.fits import fits_shown
from orchestrator.spec.folds.choice import folds_of
from orchestrator.spec.spec import Member, Spec
from orchestrator.units.assemble import assemble, kept_units
from orchestrator.units.joins import assemble_join
from orchestrator.units.partial import assemble_partial, finished_units
from orchestrator.units.stacks import assemble_stack
from orchestrator.units.unit import chosen

# Members whose tables are made at once: each mostly waits for the disk or the server of the run folder.
_AT_ONCE = 16
_MEMORY = (
    GIB  # bytes that the tables of all these may take; those of one member, all that they need
)
_COPIES = (
    5  # of a member's rows while its tables are made: by fold, joined, in order, turned, written
)


@dataclass
class Made:
    """tables: members, joins and stacks that are complete; partial: members with finished folds only ->
    which; some_folds: of `tables` the members that by the spec train some folds -> which;
    failures: stacks that could not be fitted -> why."""

    tables: list[str] = field(default_factory=list)
    partial: dict[str, str] = field(default_factory=dict)
    some_folds: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def make_tables(
    spec: Spec,
    undecided: Collection[str],
    left_out: Collection[str],
    photographs: Photographs,
    store: Store,
    console: Console | None,
) -> Made:
    """The tables of everything in `spec` of today's units; those of other units are removed.

    undecided: members whose settings are still searched, so that none of their units is the member's.
    left_out: members that lost in the search; they may have been trained before they had to compete.
    console: None where there is no time to fit stacks: those that must be are removed only.
    """
    made, store = Made(), Snapshot(store)
    voters, memory = spec.voters(), Budget(_MEMORY)

    def of_member(member: Member) -> tuple[bool, FinishedFolds | None]:
        """Whether all its tables are there, and the folds where they are of some."""
        name = member.name
        if name in left_out:
            store.delete(f"tables/{name}")
            return False, None
        with memory.taken(_bytes(member, photographs)):
            if assemble(member, photographs, store):
                return True, finished_folds(name, store)
            if (
                name not in voters or name in undecided
            ):  # nothing reads others': a join needs every row
                return False, None
            return False, assemble_partial(member, photographs, store)

    with closing(in_threads(of_member, spec.members, _AT_ONCE)) as found:
        for member, (complete, folds) in zip(spec.members, found, strict=True):
            if complete:
                made.tables.append(member.name)
            if folds:
                (made.some_folds if complete else made.partial)[member.name] = folds.line()
    for name in store.list(PARTIAL):
        if name not in made.partial and name not in made.some_folds:
            discard(name, store)
    for join in spec.join:
        if assemble_join(join, spec, photographs, store):
            made.tables.append(join.name)
    _stack(spec, photographs, store, console, made)
    _record_kept(spec, photographs, store)
    return made


def _bytes(member: Member, photographs: Photographs) -> int:
    """About what a member's tables take while they are made; more than that of small ones."""
    classes = len(codec_of(member, photographs.codec).classes)
    test = 0 if photographs.test is None else len(photographs.test)
    units = len(folds_of(member.folds, photographs.n_folds)) * len(member.seeds or (None,))
    copies = _COPIES + len(member.recipe.choose_views)
    return 4 * classes * (copies * (len(photographs.train) + test) + units * test)


def _stack(
    spec: Spec, photographs: Photographs, store: Store, console: Console | None, made: Made
) -> None:
    """The tables of all stacks, in their order. Fills `made`."""
    for stacked in spec.stacks:
        try:
            if console is None:
                complete = assemble_stack(stacked, photographs, store, fit=False)
            else:
                with fits_shown(console) as progress:
                    complete = assemble_stack(stacked, photographs, store, progress)
        except BAD_INPUT as error:
            made.failures[stacked.name] = "; ".join(error.problems)
            continue
        if complete:
            made.tables.append(stacked.name)


def _record_kept(spec: Spec, photographs: Photographs, store: Store) -> None:
    """`kept_units.json`: member -> which of its units were trained on other photographs."""
    kept: dict[str, str] = {}
    whole, partial = ({*store.list(folder)} for folder in ("tables", PARTIAL))
    for member in spec.members if photographs.earlier else ():
        if member.name in whole:
            kept[member.name] = kept_units(chosen(member, photographs, store), photographs)
        elif member.name in partial:
            own = finished_units(member, photographs, store)
            own = own or chosen(member, photographs, store)  # those of some folds are complete
            kept[member.name] = kept_units(own, photographs)
    kept = {name: text for name, text in kept.items() if text}
    if kept:
        store.write_json(KEPT_UNITS, kept)
    else:
        store.delete(KEPT_UNITS)
