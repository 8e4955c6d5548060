"""`--folds soup`: an ensemble with fewer networks, each member's by its own score and all by the vote's.

A member's soup is taken where it is at most one paired standard error behind the mean of its networks'
answers, in the vote's objective and in log-loss; then soups are given up, the worst first, until the vote
with them is so, too. The weights of the vote stay those of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ensembles.files.parquet import read_members
from ensembles.scores import scorers
from members.data.codec import Codec
from orchestrator.errors import WrongRequest
from orchestrator.inference.networks import ask_member, device_of
from orchestrator.inference.parts import Network, Part, Seen, Trained
from orchestrator.inference.pixels import see_all
from orchestrator.inference.soups import choice
from orchestrator.inference.soups.averaging import (
    BATCH_NORM_PHOTOS,
    Pot,
    Soups,
    has_batch_norm,
)
from orchestrator.inference.soups.ingredients import (
    Unit,
    has_seeds,
    obstacle,
    pots_of,
    units_of,
)
from orchestrator.inference.soups.judges import WHAT_TO_GIVE, Judge, find_judge
from orchestrator.inference.vote import tables_of, vote_of
from orchestrator.photographs.files import read_photographs
from orchestrator.runs.partial import is_partial
from orchestrator.runs.store import Store
from orchestrator.units.unit import Fold

# Called with what is done, how many of it, and of how many.
Progress = Callable[[str, int, int], None]


@dataclass
class _Member:
    """A member whose networks were averaged, and what the judge says of that."""

    pots: Mapping[str, list[Unit]]
    soups: Soups
    judged: choice.Judged
    accepted: str | None
    why: str | None = None


def with_soups(
    trained: Trained,
    store: Store,
    judge: str | None,
    folder: Path,
    progress: Progress = lambda *_: None,
) -> tuple[Trained, dict[str, Any]]:
    """The ensemble with each accepted soup in place of the networks that it is made of, and the record of
    all that was tried, as `ensemble.json` has it under `soups`.

    judge: as of `judges.find_judge`. folder: where the new weights are written. Raises WrongRequest
    where nothing can judge, no member can be averaged, or photographs are not there.
    """
    units = units_of(trained, store)
    judges = find_judge(judge, store, trained.codec, has_seeds(units))
    if judges.folds is not None and (some := [n for n in units if is_partial(n, store)]):
        raise WrongRequest(
            f"--folds soup: not all folds have a network of {' and '.join(some)}, and each held-out "
            f"photograph is asked of its fold's. {WHAT_TO_GIVE}"
        )
    kept = {part.name: obstacle(part, units[part.name], judges) for part in trained.members}
    if all(kept.values()):
        reasons = [f"--folds soup: {name} keeps its networks: {why}." for name, why in kept.items()]
        raise WrongRequest([*reasons, f"--folds soup: no member can be averaged. {WHAT_TO_GIVE}"])
    device = device_of(None)
    photos = _Shown(trained, judges, store)
    tried: dict[str, _Member] = {}
    for part in trained.members:
        if kept[part.name] is None:
            tried[part.name] = _tried(part, units[part.name], trained, photos, device, progress)
    tables = {
        part.name: tried[part.name].judged.tables[choice.ALL]
        for part in trained.members
        if part.name in tried
    }
    tables |= _of_others(trained, set(tables), photos, store, device)
    vote = _voted(trained, tried, tables, judges)
    parts = [_fewer(part, tried.get(part.name), folder) for part in trained.members]
    said = {
        "judge": {
            "of": judges.of,
            "photographs": len(judges.rows.labels),
            "groups": len(np.unique(judges.rows.groups)),
            "parts": len(np.unique(judges.rows.parts)),
            "over": "folds" if judges.folds is None else "seeds",
        },
        "networks": {
            "before": sum(len(part.networks) for part in trained.members),
            "after": sum(len(part.networks) for part in parts),
        },
        "members": {
            part.name: _said(part, after, kept[part.name], tried.get(part.name))
            for part, after in zip(trained.members, parts, strict=True)
        },
        "vote": vote,
    }
    return replace(trained, members=tuple(parts)), said


class _Shown:
    """The judge's photographs, and training photographs for batch norm, as members see them."""

    def __init__(self, trained: Trained, judge: Judge, store: Store):
        self.judge, self._store, self._bits = judge, store, trained.bits
        self._ways = list(dict.fromkeys(part.seen for part in trained.members))
        self._judge: dict[Seen, np.ndarray] = {}
        self._training: dict[Seen, np.ndarray] = {}

    def of_judge(self, seen: Seen) -> np.ndarray:
        """(N, h, w, 3) uint8, the judge's."""
        if not self._judge:
            self._judge = self._read(self.judge.places, "the photos that judge")
        return self._judge[seen]

    def of_training(self, seen: Seen, fold: Fold | None) -> np.ndarray:
        """(m, h, w, 3) uint8, at most BATCH_NORM_PHOTOS. fold: without those that it holds out."""
        rng = np.random.default_rng(0)
        if self.judge.folds is not None and fold is not None:
            others = np.flatnonzero(self.judge.folds != fold)
            return self.of_judge(seen)[rng.permutation(others)[:BATCH_NORM_PHOTOS]]
        if not self._training:
            paths = read_photographs(self._store).train["path"].astype(str).to_numpy()
            chosen = rng.permutation(len(paths))[:BATCH_NORM_PHOTOS]
            what = "training photos, which batch norm is measured on,"
            self._training = self._read(paths[chosen].tolist(), what)
        return self._training[seen]

    def _read(self, places: Any, what: str) -> dict[Seen, np.ndarray]:
        pixels, problems = see_all(places, self._ways, self._bits)
        wrong = [f"{p}: {why}" for p, why in zip(places, problems, strict=True) if why]
        if wrong:
            raise WrongRequest(
                f"--folds soup: {len(wrong)} of {len(places)} {what} cannot be read: {wrong[0]} Put "
                "them where the run found them, or take --folds all."
            )
        return pixels


def _tried(
    part: Part,
    units: list[Unit],
    trained: Trained,
    photos: _Shown,
    device: str,
    progress: Progress,
) -> _Member:
    judge, codec = photos.judge, trained.codec_of(part)
    named = pots_of(units, judge)
    every = np.arange(len(judge.places))
    needs_training = has_batch_norm(part.networks[0].recipe, len(codec.classes))

    def pot(own: list[Unit]) -> Pot:
        fold = None if judge.folds is None else own[0].record.fold
        rows = every if judge.folds is None else np.flatnonzero(judge.folds == fold)
        return Pot(tuple(u.network for u in own), rows, lambda: photos.of_training(part.seen, fold))

    pots = [pot(own) for own in named.values()]
    if needs_training:  # what is not there is said before anything is computed
        pots[0].training()
    n, done = len(pots[0].networks), 0
    most = n + n  # each alone, and the steps of greedy; a part may take others

    def on_new() -> None:
        nonlocal done
        done += 1
        progress(f"soups of {part.name}", done, max(most, done + 1))

    soups = Soups(pots, photos.of_judge(part.seen), len(codec.classes), device, on_new)
    rows = replace(judge.rows, labels=_labels_of(judge.rows.labels, trained.codec, codec))
    values = codec.decode(np.arange(len(codec.classes)))
    judged = choice.judge(soups, n, rows, choice.measured_by(trained.record.objective, values))
    progress(f"soups of {part.name}", done, done)
    why = None
    if judged.accepted is None:
        gaps = {name: choice.furthest(own) for name, own in judged.behind.items()}
        worst = " and ".join(
            f"{name} is behind in {choice.shown(metric, judged.behind[name][metric])}"
            for name, metric in gaps.items()
        )
        why = f"{worst}, more than {choice.NEAR:g} standard error"
    return _Member(named, soups, judged, judged.accepted, why)


def _labels_of(labels: np.ndarray, whole: Codec, own: Codec) -> np.ndarray:
    """Labels (N,) of all targets as those of some."""
    values = whole.decode(labels)
    return own.encode({target: values[target] for target in own.targets}).astype(np.int64)


def _of_others(
    trained: Trained, known: set[str], photos: _Shown, store: Store, device: str
) -> dict[str, np.ndarray]:
    """Member -> (N, k) of those whose networks are as they were: asked, or from their OOF tables."""
    judge = photos.judge
    others = [part for part in trained.members if part.name not in known]
    if judge.folds is None:
        return {
            part.name: ask_member(part, len(trained.codec_of(part).classes), device)(
                photos.of_judge(part.seen)
            )
            for part in others
        }
    found = {}
    names = [part.name for part in others]
    for name, table in read_members(store.uri("tables"), "oof", names).items():
        place = {own: row for row, own in enumerate(table.ids.tolist())}
        found[name] = table.probabilities[[place[own] for own in judge.ids]]
    return found


def _voted(
    trained: Trained, tried: Mapping[str, _Member], tables: Mapping[str, np.ndarray], judge: Judge
) -> dict[str, Any]:
    """Give soups up until the vote with them is near that of all networks; its scores of both.

    Of soups with which the vote falls, that one is given up without which its log-loss is least.
    """
    codec = trained.codec
    values = codec.decode(np.arange(len(codec.classes)))
    measured = choice.measured_by(trained.record.objective, values)

    def vote(soups: list[str]) -> np.ndarray:
        own = {name: _table(tried[name]) for name in soups}
        return vote_of(trained, tables_of(trained, {**tables, **own}))

    whole = vote([])
    accepted = [name for name, member in tried.items() if member.accepted]
    while True:
        now = vote(accepted)
        gaps = choice.behind(now, whole, judge.rows, measured)
        if choice.is_near(gaps):
            break
        metric = choice.furthest(gaps)
        losses = {
            name: scorers.log_loss(
                judge.rows.labels, vote([other for other in accepted if other != name])
            )
            for name in accepted
        }
        worst = min(losses, key=lambda name: losses[name])
        accepted.remove(worst)
        tried[worst].accepted = None
        tried[worst].why = f"with it the vote falls: {choice.shown(metric, gaps[metric])}"
    return {
        choice.ALL: choice.scores_of(whole, judge.rows, measured),
        "soups": choice.scores_of(now, judge.rows, measured),
        "behind": gaps,
    }


def _table(member: _Member) -> np.ndarray:
    assert member.accepted
    return member.judged.tables[member.accepted]


def _fewer(part: Part, member: _Member | None, folder: Path) -> Part:
    """The member with its soup, where one was accepted."""
    if member is None or member.accepted is None:
        return part
    chosen = member.judged.chosen[member.accepted]
    networks: list[Network] = member.soups.write(chosen, folder / part.name, list(member.pots))
    cost = part.milliseconds
    if cost is not None:
        cost *= len(networks) / len(part.networks)
    return replace(part, networks=tuple(networks), milliseconds=cost)


def _said(part: Part, after: Part, why: str | None, member: _Member | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "networks": [len(part.networks), len(after.networks)], "accepted": None, "why": why,
    }  # fmt: skip
    if member is None:
        return found
    names = [[unit.name for unit in own] for own in member.pots.values()]
    chosen = {
        name: [[own[i] for i in numbers] for own in names]
        for name, numbers in member.judged.chosen.items()
    }
    return found | {
        "accepted": member.accepted,
        "why": member.why,
        "of": chosen,
        "scores": member.judged.scores,
        "behind": member.judged.behind,
    }
