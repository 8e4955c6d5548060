"""What `train-members --refit` has to do, once all folds of a member are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ensembles.files.places import file_digest
from orchestrator.errors import WrongRequest, counted
from orchestrator.photographs.table import Photographs
from orchestrator.planning.kept import Resolved
from orchestrator.planning.plan import Plan, is_done
from orchestrator.runs.damage import Damage
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec
from orchestrator.units.damage import damaged_weights
from orchestrator.units.record import find_record
from orchestrator.units.refit import WEIGHTS, all_rows_folders, refit_problem, refit_units
from orchestrator.units.unit import Unit, is_trained


def require_refits(spec: Spec, names: Sequence[str], photographs: Photographs) -> None:
    """Raise WrongRequest where one of the members `names` cannot be trained on all rows, or learns from
    one that this call does not train so."""
    problems, fine = [], []
    for name in names:
        member = spec.member(name)
        if why := refit_problem(member, photographs):
            problems.append(f"--refit: {name}: {why}")
            continue
        fine.append(name)
        teachers = [own.name for own in member.teachers] if member.pseudo else []
        if lacking := [own for own in teachers if own not in names]:
            problems.append(
                f"--refit: {name} learns test photos as its teachers' networks of all rows label them, and "
                f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not among --only. Name "
                f"{'it' if len(lacking) == 1 else 'them'} too: --only {' '.join([*lacking, name])}"
            )
    if problems and fine and len(fine) < len(names):
        problems.append(f"--refit --only {' '.join(fine)} trains the others")
    if problems:
        raise WrongRequest(problems)


def epochs_line(units: Sequence[Unit]) -> str:
    """Of units of all rows: which member is trained for how many epochs."""
    epochs = {unit.member.name: unit.refit.epochs for unit in units if unit.refit}
    return ", ".join(f"{name} for {counted(n, 'epoch')}" for name, n in epochs.items())


def damaged_refits(names: Iterable[str], store: Store) -> list[Damage]:
    """Weights of all rows of the members `names` that are not what was recorded.

    They are compared here, since nothing that trains loads them before `export` does.
    """
    found = []
    for folder in (folder for name in names for folder in all_rows_folders(name, store)):
        record, path = find_record(folder, store), f"{folder}/{WEIGHTS}"
        if (
            record
            and store.exists(path)
            and file_digest(store.uri(path)) != record.digests.get(WEIGHTS)
        ):
            found.append(damaged_weights(path, "damaged: its sha256 is not the one in its record"))
    return found


def make_refit_plan(
    spec: Spec, names: Iterable[str], photographs: Photographs, store: Store
) -> tuple[Plan, dict[str, str]]:
    """The units of all rows of the members `names`, whose tables are made; and of those that cannot be
    trained so, which their search may have decided, why."""
    now = Resolved(photographs, spec, {}, [])
    failures: dict[str, str] = {}
    units: list[Unit] = []
    for name in names:
        if why := refit_problem(spec.member(name), photographs):
            failures[f"{name} all rows"] = why
        else:
            units += refit_units(spec.member(name), photographs, store)
    todo = [unit for unit in units if not is_done(unit, now, store)]
    trained = [unit for unit in todo if is_trained(unit, store)]
    return Plan(now, list(names), units, todo, trained, []), failures
