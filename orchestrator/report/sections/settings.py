"""What the run was trained with: settings that differ between members, versions, the whole spec."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.report.blocks import Cell, Column, Folded, Grid, Section
from orchestrator.report.material import Material
from orchestrator.version import __version__

MOST_SPEC = 60_000  # characters of the spec that are shown


def section(run: Material) -> Section:
    found = Section("settings", "Settings and versions")
    members = run.spec.model_dump(mode="json", exclude_none=True)["members"]
    settings = {str(own["name"]): _flat(own) for own in members}
    keys = list(dict.fromkeys(key for own in settings.values() for key in own if key != "name"))
    differ = [key for key in keys if len({own.get(key, "") for own in settings.values()}) > 1]
    if differ:
        rows = [
            [Cell(key), *(Cell(own.get(key, ""), kind="long") for own in settings.values())]
            for key in differ
        ]
        columns = [Column("setting", numbers=False)]
        columns += [Column(name, numbers=False) for name in settings]
        notes = [
            f"{len(keys) - len(differ)} other settings are the same for all: they stand in the spec below."
        ]
        found.blocks.append(Grid("What differs between the members", columns, rows, notes=notes))
    elif len(settings) > 1:
        found.say("All members have the same settings.")
    found.blocks.append(_machine(run))
    text = run.spec.to_yaml()
    cut = "" if len(text) <= MOST_SPEC else "\n... (the rest is in spec.yaml of the run)"
    found.blocks.append(Folded("The whole spec", text[:MOST_SPEC] + cut))
    return found


def _machine(run: Material) -> Grid:
    records = [record for own in run.units.values() for record in own.values()]
    versions: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            versions.setdefault(name, set()).add(version)
    facts = {
        "run": run.place,
        "this page, written by version": __version__,
        "finished units": str(len(records)),
        "devices": _each({record.device for record in records}),
        **_out_of_memory(run),
        **{name: _each(found) for name, found in sorted(versions.items())},
        "hash of the photographs": _each({record.data_hash for record in records}),
        "hash of the folds": _each({record.folds_hash for record in records}),
    }
    if records:
        facts["seconds of training"] = f"{sum(record.seconds.train for record in records):.0f}"
    if run.timing.get("wall"):
        facts["seconds of the last call that trained"] = f"{run.timing['wall']:.0f}"
    rows = [[Cell(name), Cell(value, kind="id")] for name, value in facts.items() if value]
    return Grid("Versions and hashes", [Column("what", False), Column("value", False)], rows)


def _out_of_memory(run: Material) -> dict[str, str]:
    """What units went on with that ran out of memory."""
    found = {
        f"{member} {fold}": record.out_of_memory.line()
        for member, own in run.units.items()
        for fold, record in own.items()
        if record.out_of_memory
    }
    return {f"memory, {unit}": line for unit, line in found.items()}


def _each(found: set[str]) -> str:
    return ", ".join(sorted(own for own in found if own))


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings by dotted key, each as text."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            inner = "" if key == "recipe" else f"{prefix}{key}."
            found |= _flat(value, inner)
        else:
            found[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return found
