"""`--keep-units`: finished units of earlier photographs are used, where that leaks nothing.

It is sound where photographs are gone and nothing else changed. Every photograph that is left keeps
its label, group, content and fold: so its OOF prediction is still by a network that never saw its
group, and units that have yet to be trained are trained in those folds, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from members.data.folds.assign import n_folds, require_whole_groups
from orchestrator.errors import WrongRequest
from orchestrator.photographs.earlier import Earlier, differences, folds_block, identity
from orchestrator.photographs.table import Photographs, column
from orchestrator.runs.store import Store
from orchestrator.search.candidates import MemberSearch, resolve
from orchestrator.spec.spec import Spec
from orchestrator.units.unit import Unit, chosen, is_trained, of_member


@dataclass(frozen=True)
class Resolved:
    """A spec for a table of photographs: with the winners of its searches, and those still open."""

    photographs: Photographs
    spec: Spec
    searching: dict[str, MemberSearch]
    left_out: list[str]

    def units(self, name: str, store: Store) -> list[Unit]:
        return chosen(self.spec.member(name), self.photographs, store)

    def trained(self) -> list[str]:
        """Names of the members whose settings are known."""
        waiting = {*self.searching, *self.left_out}
        return [m.name for m in self.spec.members if m.name not in waiting]


def resolved(spec: Spec, photographs: Photographs, store: Store) -> Resolved:
    return Resolved(photographs, *resolve(spec, photographs, store))


def with_kept(now: Resolved, spec: Spec, earlier: list[Earlier], store: Store) -> Resolved:
    """The photographs of `now` in the folds of earlier ones, whose finished units are used.

    now: of `spec` without that. Raises `WrongRequest` where no unit can be kept, or none need be.
    """
    trained = [is_trained(u, store) for name in now.trained() for u in now.units(name, store)]
    if all(trained) and not now.searching:
        raise WrongRequest(
            "--keep-units: every unit is trained on the photographs as they are, and none is kept. "
            "Leave it out"
        )
    others = [e for e in earlier if identity(e.photographs) != identity(now.photographs)]
    reasons = [obstacles(before, now.photographs, spec) for before in others]
    fitting = [e for e, reason in zip(others, reasons, strict=True) if not reason]
    candidates = [_kept(now, spec, base, fitting, store) for base in fitting]
    kept = [sum(map(len, kept_units(candidate, store).values())) for candidate in candidates]
    if max(kept, default=0):
        return candidates[int(np.argmax(kept))]
    why = f": {'; '.join(reasons[0])}" if reasons and reasons[0] else ""
    raise WrongRequest(
        f"--keep-units: no finished unit of earlier photographs can be used{why}. They can where "
        "photos are gone and those that are left have their labels, groups, contents and folds. "
        "Leave it out: all units are trained on the photographs of now"
    )


def obstacles(before: Earlier, now: Photographs, spec: Spec) -> list[str]:
    """Why units that were trained on the photographs `before` cannot be used for those of `now`."""
    copies = [name for name in spec.data.copies if column("digest", name) in now.train]
    found = differences(before.photographs, now, copies, years="age_years" in now.train)
    found.pop("fewer", None)
    if found:
        return list(found.values())
    if before.folds != folds_block(spec.folds):
        return ["other folds in the spec"]
    fold = _folds_of(before.photographs, now)
    if spec.folds.scheme == "own" and (fold != now.train["fold"].to_numpy()).any():
        return ["other folds in the file of folds"]
    if n_folds(fold) != before.photographs.n_folds or {*fold} != {
        *before.photographs.train["fold"].to_numpy()
    }:
        return ["a fold has no photos any more"]
    return []


def _kept(
    now: Resolved, spec: Spec, base: Earlier, fitting: list[Earlier], store: Store
) -> Resolved:
    """`now` in the folds of `base`, with the units of all earlier tables that have those folds."""
    photographs = now.photographs
    fold = _folds_of(base.photographs, photographs)
    same = [e.photographs for e in fitting if (_folds_of(e.photographs, photographs) == fold).all()]
    same.sort(key=lambda table: len(table.train))  # what has seen the fewest others comes first
    kept = replace(photographs, train=photographs.train.assign(fold=fold), earlier=tuple(same))
    require_whole_groups(kept.train, fold)
    before = resolved(spec, base.photographs, store)
    if before.searching:  # what was never decided is decided on the photographs of now
        return resolved(spec, kept, store)
    return Resolved(kept, before.spec, {}, before.left_out)


def kept_units(kept: Resolved, store: Store) -> dict[str, list[Unit]]:
    """Member -> its units that were trained on earlier photographs."""
    found: dict[str, list[Unit]] = {}
    for name in kept.trained():
        own = {unit.hash for unit in of_member(kept.spec.member(name), kept.photographs)}
        found[name] = [unit for unit in kept.units(name, store) if unit.hash not in own]
    return {name: units for name, units in found.items() if units}


def _folds_of(before: Photographs, now: Photographs) -> np.ndarray:
    """Folds (N,) int16 that the photographs of `now` had; each was there."""
    folds: Any = before.train.set_index("image_id")["fold"]
    return folds.loc[now.train["image_id"]].to_numpy(np.int16)
