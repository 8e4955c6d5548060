"""The command `report`: what a run holds, read and written as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import ensembles
from ensembles.errors import nearest
from ensembles.files import places
from ensembles.files.align import common_rows
from ensembles.files.digests import require_right
from ensembles.files.table import HELD_OUT, RECORD, OofTable, Table
from ensembles.judging.estimate import group_array
from ensembles.voting.record import VoteRecord
from ensembles.voting.stored import rule_of
from orchestrator.audit import contradictions
from orchestrator.audit.contradictions import COPIES, Contradiction, read_contradictions
from orchestrator.commands.leaderboard import standings, unit_records
from orchestrator.commands.pages.truth import read_test_part
from orchestrator.commands.run import Run, read_tables
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.program import called
from orchestrator.report import page
from orchestrator.report.material import Material
from orchestrator.report.thumbnails import read_kept, write_kept
from orchestrator.runs.ballot import Ballot
from orchestrator.runs.contents import groups_of, paths_of, recorded_spec
from orchestrator.runs.damage import PARTIAL, read_json
from orchestrator.runs.fronts import FOLDER as FRONTS
from orchestrator.runs.fronts import read_front
from orchestrator.runs.partial import finished_folds, folder_of
from orchestrator.runs.standing import StandingTables
from orchestrator.runs.store import Store
from orchestrator.runs.votes import vote_name
from orchestrator.search.record import SearchRecord, read_search
from orchestrator.units.record import UnitRecord

NESTED = "Each row's vote is by rules that were fitted without its fold."
FITTED_TO_THEM = (
    "The vote's rules were fitted to these rows, too, so that it looks a little better here than it is: "
    "it was cast by an earlier version. Cast it again for rows held out."
)
NO_VOTE = "No vote of today's tables was cast: the plain mean of the members stands in for it."


def write_report(
    run: Run,
    truth: Path | None = None,
    vote: str | None = None,
    out: str | None = None,
    ballot: Ballot | None = None,
    maps: Console | None = None,
) -> dict[str, Any]:
    """Write the page to `out`, or into the run folder; where it is and what it shows.

    vote: the name of one of its votes, None: the spec's own, else the best by its estimate. ballot: the
    tables of that vote, where they were read already. maps: with class-activation maps of the hardest
    photographs, and where to say how far they are. Raises WrongRequest where there is no such vote, and
    where what the run holds is damaged.
    """
    material = material_of(run, truth, vote, ballot)
    if maps is not None:
        from orchestrator.commands.pages.maps import add_maps

        add_maps(material, run, maps)
    material.thumbnails = read_kept(run.store)
    known = set(material.thumbnails)
    content = page.page(material).encode("utf-8", "backslashreplace")
    place = out or run.store.uri(page.NAME)
    if out:
        places.write_bytes(out, content)
    else:
        run.store.write(page.NAME, content)
        if not known.issuperset(material.thumbnails):
            write_kept(run.store, material.thumbnails)
    return {
        "report": place,
        "bytes": len(content),
        "vote": material.vote,
        "members": [row["name"] for row in material.rows if row["kind"] == "member"],
        "photographs": len(material.labels) if material.oof else 0,
        "notes": material.notes,
    }


def report_of(store: Store, console: Console) -> None:
    """As `report_beside`, of a run that was just trained."""
    report_beside(lambda: Run(recorded_spec(store), store), store, console)


def report_beside(
    run: Callable[[], Run],
    store: Store,
    console: Console,
    vote: str | None = None,
    ballot: Ballot | None = None,
) -> None:
    """Write the page at the end of another command. That it cannot be is a note, never the command's end."""
    try:
        found = write_report(run(), vote=vote, ballot=ballot)
    except Exception as error:  # whatever it is: the command has done what it was asked for
        text = "; ".join(error.problems) if isinstance(error, BAD_INPUT) else f"{error}"
        console.print(
            f"note: the report was not written ({type(error).__name__}: {text}). "
            f"{called()} report {store.root} tries again."
        )
        return
    console.print(f"report: {found['report']}")


def material_of(
    run: Run, truth: Path | None, vote: str | None, ballot: Ballot | None = None
) -> Material:
    """Everything that the page is written from."""
    rows = standings(run, None, every_member=True)
    records = {
        row["name"]: VoteRecord.from_json(
            run.store.read(f"votes/{row['name']}/{RECORD}"),
            run.store.uri(f"votes/{row['name']}/{RECORD}"),
        )
        for row in rows
        if row["kind"] == "vote"
    }
    standing = StandingTables(run.store.root)
    others = {name: standing.differ_from(record) for name, record in records.items()}
    chosen = _chosen(run, records, others, vote)
    found = Material(
        name=run.spec.name, place=run.store.root, spec=run.spec, rows=rows, records=records, others=others,
        vote=chosen, units=_units(run), searches=_searches(run), paths=paths_of(run.store, "images"),
    )  # fmt: skip
    if run.store.exists("timing.json"):
        timing = read_json("timing.json", run.store)
        found.timing = timing if isinstance(timing, dict) else {}
    members = _members(run, records[chosen] if chosen else None)
    if lacking := [
        name for name in (found.record.weights if found.record else ()) if name not in members
    ]:
        found.notes.append(
            f"Without tables of all rows, so not compared row by row: {', '.join(lacking)}."
        )
    if not members:
        found.why_no_rows = "No member has out-of-fold tables of all rows yet."
        return found
    if _too_large(run, members):
        found.why_no_rows = (
            "The tables are too large to be looked at row by row: shown is what stands in records."
        )
        return found
    read = ballot or Ballot(read_tables(run.store, members, "oof"), {}, groups_of(run.store))
    _read_rows(run, found, {n: t for n, t in read.oof.items() if n in members}, read.groups)
    found.test = read_test_part(run, members, records, others, truth, read.test)
    found.front = _front(run, found, standing)
    return found


def _front(run: Run, found: Material, standing: StandingTables) -> dict[str, Any] | None:
    """That of `vote --pareto` for the page's vote, where it is of today's tables."""
    front = read_front(run.store, found.vote) if found.vote else None
    if front is None or standing.differ(front["tables"]) is False:
        return front
    found.notes.append(
        f"The front of vote --pareto ({FRONTS}/{found.vote}.json) is of other tables than the run has now, "
        "and not shown."
    )
    return None


def _chosen(
    run: Run, records: Mapping[str, VoteRecord], others: Mapping[str, bool | None], vote: str | None
) -> str | None:
    if vote is not None:
        if vote not in records:
            hint = nearest(vote, list(records))
            there = ", ".join(records) or "none"
            raise WrongRequest(
                f"--vote {vote}: {run.store.root} has no such vote; it has: {there}.{hint}"
            )
        return vote
    own = vote_name(run.spec.vote)
    if own in records and not others[own]:
        return own
    scored = [n for n in records if not others[n] and records[n].estimate] or list(records)
    if not scored:
        return None
    return max(scored, key=lambda n: (records[n].estimate or {}).get("macro_f1", -1.0))


def _members(run: Run, record: VoteRecord | None) -> list[str]:
    """Those that the page compares row by row: of the vote, or else all voters. Unfinished ones are none."""
    there = run.store.list("tables")
    for name in run.store.list(PARTIAL):
        finished = finished_folds(name, run.store)
        if finished and finished.complete:
            there.append(name)
    names = [name for name in (record.weights if record else ()) if name in there]
    voters = [name for name in run.spec.voters() if name in there and name not in names]
    # a voter of fewer targets than all is in a join, and no voter
    return names or voters


def _too_large(run: Run, members: list[str]) -> bool:
    from ensembles.large.footers import too_large

    return too_large(run.store.uri("tables"), members)


def _read_rows(
    run: Run, found: Material, tables: Mapping[str, Table], groups: Mapping[str, str] | None
) -> None:
    """The members' OOF rows, and the vote's on them."""
    if not tables:
        found.why_no_rows = "There are no out-of-fold tables: nothing can be said row by row."
        return
    oof = {name: OofTable.of(table, name) for name, table in tables.items()}
    found.widest = max(oof.values(), key=lambda table: len(table.ids))
    if len({frozenset(table.fold.tolist()) for table in oof.values()}) > 1:
        oof = common_rows(oof)
        n = len(next(iter(oof.values())).ids)
        found.notes.append(
            f"Compared row by row: the {n} of {len(found.widest.ids)} out-of-fold rows that all members have."
        )
    oof = ensembles.align(oof, "oof")
    mixed, how = _vote_rows(run, found, oof)
    if mixed is not None and isinstance(mixed, Table):
        rows = _rows_of(next(iter(oof.values())), mixed)
        oof = {name: table.take(rows) for name, table in oof.items()}
        order = {image_id: row for row, image_id in enumerate(mixed.ids.tolist())}
        at = [order[image_id] for image_id in next(iter(oof.values())).ids.tolist()]
        mixed = mixed.probabilities[at]
    found.oof, found.mixed, found.how, found.nested = oof, mixed, how, how == NESTED
    found.copies = _copies(run, found)
    with suppress(*BAD_INPUT):  # rows of no group: each stands alone
        found.groups = group_array(oof, groups)
        found.all_groups = group_array({"": found.widest}, groups)


def _copies(run: Run, found: Material) -> list[Contradiction] | None:
    """Those that `audit` found among photographs that have these labels still."""
    place = f"{contradictions.FOLDER}/{contradictions.NAME}"
    if not run.store.exists(place):
        return None
    labels = {str(i): found.classes[k] for i, k in zip(found.first.ids, found.labels, strict=True)}
    return [
        own
        for own in read_contradictions(run.store.uri(place))
        if own.kind == COPIES and all(labels.get(i) == name for i, name in own.values.items())
    ]


def _rows_of(first: OofTable, voted: Table) -> np.ndarray:
    """(n,) int, the rows of `first` that were voted on."""
    asked = set(voted.ids.tolist())
    return np.array([row for row, own in enumerate(first.ids.tolist()) if own in asked], int)


def _vote_rows(
    run: Run, found: Material, oof: Mapping[str, OofTable]
) -> tuple[Table | np.ndarray | None, str]:
    """The vote on OOF rows: held out, or by its rule; None where it is of other tables."""
    record = found.record
    if record is None or found.vote is None or found.others[found.vote]:
        return None, NO_VOTE
    if HELD_OUT in record.files:
        place = run.store.uri(f"votes/{found.vote}/{HELD_OUT}")
        require_right(place)
        table = ensembles.read_table(place)
        if set(table.ids.tolist()) & set(next(iter(oof.values())).ids.tolist()):
            return table, NESTED
    if not record.weights or not all(name in oof for name in record.weights):
        return None, NO_VOTE
    rule = rule_of(record, run.store.uri(f"votes/{found.vote}"))
    stack = np.stack([oof[name].probabilities for name in record.weights])
    return rule.apply(stack), FITTED_TO_THEM


def _units(run: Run) -> dict[str, dict[str, UnitRecord]]:
    found = {}
    for member in run.spec.members:
        records = unit_records(run.store, member.name, folder_of(member.name, run.store))
        if records:
            found[member.name] = records
    return found


def _searches(run: Run) -> dict[str, SearchRecord]:
    records = {name: read_search(name, run.store) for name in run.spec.searched()}
    return {name: record for name, record in records.items() if record and record.candidates}
