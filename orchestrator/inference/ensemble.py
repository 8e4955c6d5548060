"""A trained ensemble in a Python program.

from orchestrator import Ensemble

ensemble = Ensemble.load("runs/final")
ensemble.predict(["a.jpg", "b.jpg"])             # a pandas frame, one row a photograph
ensemble.predict_proba(arrays)                   # (N, K) float32
ensemble.explain("a.jpg")                        # how its members decided
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ensembles.files.table import Table
from ensembles.judging.reasons import explain
from members.errors import BadInput
from orchestrator.errors import WrongRequest, counted
from orchestrator.inference.answers import Answers, columns_of
from orchestrator.inference.lazy import LazyAsker
from orchestrator.inference.parts import Seen, Trained
from orchestrator.inference.pixels import Given, is_picture, see_all
from orchestrator.inference.vote import tables_of, vote_of

if TYPE_CHECKING:
    import pandas as pd

# Photographs that are decoded while those before them are asked about: of every size that members
# see at most so many bytes, and no more photographs.
BLOCK_BYTES, BLOCK_PHOTOS = 2**27, 256
Progress = Callable[[int], None]


class Ensemble:
    """A trained ensemble with its networks, which are loaded when they are first asked.

    classes_: (K,) str. trained: what it is made of. device: what the networks run on.
    """

    def __init__(self, trained: Trained, device: str | None = None):
        self.trained = trained
        self._device = device

    @classmethod
    def load(
        cls,
        place: str | os.PathLike,
        vote: str | None = None,
        *,
        device: str | None = None,
        every_member: bool = False,
    ) -> Ensemble:
        """The ensemble of a run folder or of a bundle that `export` wrote, a path or an address.

        vote: the name of one of the run's votes, None: the spec's own, or the only one. device: as
        torch names it; None: a GPU where there is one. every_member: also those without influence on
        the vote. Raises BadInput with what is missing or wrong, and what to do.
        """
        from orchestrator.inference.bundles.record import is_bundle, trained_of_bundle

        if is_bundle(os.fspath(place)):
            return cls(trained_of_bundle(os.fspath(place), vote), device)
        from orchestrator.inference.of_run import trained_of
        from orchestrator.runs.contents import recorded_spec
        from orchestrator.runs.store import Store

        store = Store(os.fspath(place))
        return cls(trained_of(recorded_spec(store), store, vote, every_member), device)

    @cached_property
    def device(self) -> str:
        """What the networks run on, as torch names it."""
        from orchestrator.inference.networks import device_of

        return device_of(self._device)

    @property
    def classes_(self) -> np.ndarray:
        """(K,) str, in the order of the columns of `predict_proba`."""
        return np.array(self.trained.classes)

    @cached_property
    def _members(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        from orchestrator.inference.networks import ask_member

        trained, found, problems = self.trained, {}, []
        for part in trained.members:
            n_classes = len(trained.codec_of(part).classes)
            try:
                found[part.name] = ask_member(part, n_classes, self.device)
            except BadInput as error:
                problems += error.problems
        if problems:
            raise WrongRequest(problems)
        return found

    def open(self) -> Ensemble:
        """Load the networks now. Raises BadInput where one is missing or damaged."""
        _ = self._members
        return self

    def of(self, trained: Trained) -> Ensemble:
        """An ensemble of some of this one's members, whose networks are not loaded again."""
        other = Ensemble(trained, self.device)
        members = self._members
        other.__dict__["_members"] = {part.name: members[part.name] for part in trained.members}
        return other

    def ask(self, member: str, pixels: np.ndarray) -> np.ndarray:
        """(N, k) float32: one member's probabilities of (N, h, w, 3) uint8 of the size that it sees."""
        return self._members[member](pixels)

    # -- asking ------------------------------------------------------------------------------------

    def predict(self, photos: Given | Sequence[Given], *, members: bool = False) -> pd.DataFrame:
        """One row a photograph: `image_id`, `answer` (its class), `confidence`, `problem` and a column
        a class. A photograph that cannot be read has a problem and nothing else.

        photos: paths, addresses, bytes, Pillow's pictures or (H, W, 3) uint8 arrays; or one of these.
        members: further columns `<member>/<class>`. image_id: the path, or the number in the order.
        """
        import pandas as pd

        answers = self.answers(_listed(photos), tables=members)
        return pd.DataFrame(columns_of(answers, self.trained, members))

    def predict_proba(self, photos: Given | Sequence[Given]) -> np.ndarray:
        """(N, K) float32, rows of sum 1, columns as `classes_`. photos: as of `predict`.

        Raises BadInput that names every photograph which cannot be read: `predict` has a row for it.
        """
        answers = self.answers(_listed(photos))
        if wrong := [f"{i}: {p}" for i, p in zip(answers.ids, answers.problems, strict=True) if p]:
            more = [f"... and {len(wrong) - 10} more photos."] if len(wrong) > 10 else []
            raise WrongRequest([*wrong[:10], *more])
        return answers.probabilities

    def explain(self, photo: Given) -> dict[str, Any]:
        """How one photograph is decided: each member's weight and probabilities, the vote before and
        after offsets and temperature, the runner-up, and the members without which it would be decided
        otherwise. See `ensembles.explain`.
        """
        answers = self.answers([photo], tables=True)
        if problem := answers.problems[0]:
            raise WrongRequest(f"{answers.ids[0]}: {problem}")
        trained, ids = self.trained, np.array(answers.ids, object)
        absent = np.full_like(answers.probabilities, 1 / len(trained.classes))
        meta = {"classes": list(trained.classes)}
        tables = {
            name: Table(ids, answers.tables.get(name, absent), meta=meta) for name in trained.voters
        }
        found = explain(trained.rule, tables, answers.ids[0])
        if found is None:
            raise ValueError("the tables have this photograph")
        if trained.record.prior:
            found["corrected"] = answers.probabilities[0].tolist()
        return found

    def answers(
        self,
        photos: Sequence[Given],
        ids: Sequence[str] | None = None,
        *,
        tables: bool = False,
        lazily: LazyAsker | None = None,
        progress: Progress | None = None,
    ) -> Answers:
        """As `predict`, as arrays. ids: (N,); None: the paths. tables: those of the members as well.
        lazily: asks members only where the answer is open. progress: called with how many are done.
        """
        given = zip(ids if ids is not None else _ids(photos), photos, strict=True)
        parts, done = [], 0
        for part in self.parts(given, tables=tables, lazily=lazily):
            parts.append(part)
            done += len(part.ids)
            if progress:
                progress(done)
        return Answers.joined(parts, len(self.trained.classes))

    def parts(
        self,
        given: Iterable[tuple[str, Given]],
        *,
        tables: bool = False,
        lazily: LazyAsker | None = None,
    ) -> Iterator[Answers]:
        """The answers to (id, photograph), some at a time: what is in memory does not grow with how many
        are given.
        """
        trained = self.trained
        ways, at_once = ways_of(trained), photos_at_once(trained)
        each, members = iter(given), self._members

        def read(block: list[tuple[str, Given]]):
            return see_all([photo for _, photo in block], ways, trained.bits)

        with ThreadPoolExecutor(1) as ahead:
            block = list(islice(each, at_once))
            reading = ahead.submit(read, block)
            while block:
                pixels, problems = reading.result()
                following = list(islice(each, at_once))
                reading = ahead.submit(read, following)
                names = [name for name, _ in block]
                if lazily is not None:
                    vote = lazily.vote(members, pixels, problems.count(None))
                    asked = vote.asked.sum(axis=0)
                    yield Answers(names, problems, vote.probabilities, asked=asked)
                else:
                    own = {
                        part.name: members[part.name](pixels[part.seen]) for part in trained.members
                    }
                    found = tables_of(trained, own)
                    voted = vote_of(trained, found)
                    yield Answers(names, problems, voted, found if tables else {})
                block = following

    # -- what it is --------------------------------------------------------------------------------

    def __repr__(self) -> str:
        trained = self.trained
        n_networks = sum(len(part.networks) for part in trained.members)
        return (
            f"<Ensemble {trained.name}: {trained.vote} vote of {len(trained.voters)} over "
            f"{counted(n_networks, 'network')}, {len(trained.classes)} classes>"
        )

    def _repr_html_(self) -> str:
        trained = self.trained
        parts = {part.name: part for part in trained.members}
        rows = []
        for name, weight in trained.record.weights.items():
            part = parts.get(name)
            model = part.networks[0].recipe.model if part else ""
            what = f"{len(part.networks)} x {model}" if part else "of other members"
            if part is None and name not in trained.joins and name not in trained.stacks:
                what = "without influence"
            cells = (name, what, f"{weight:.3f}")
            rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
        estimate = trained.record.estimate or {}
        scores = ", ".join(
            f"{name.replace('_', ' ')} {estimate[name]:.4f}"
            for name in ("macro_f1", "accuracy", "log_loss")
            if name in estimate
        )
        head = "".join(f"<th>{name}</th>" for name in ("member", "networks", "weight"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        about = f"<b>{escape(trained.name)}</b>: {escape(trained.vote)} vote, "
        about += f"{len(trained.classes)} classes"
        if scores:
            about += f"<br>on rows that nothing was fitted to: {scores}"
        return f"<div>{about}<table><tr>{head}</tr>{body}</table></div>"


def ways_of(trained: Trained) -> list[Seen]:
    """Each way in which members see a photograph, once."""
    return list(dict.fromkeys(part.seen for part in trained.members))


def photos_at_once(trained: Trained) -> int:
    """How many photographs make a block."""
    largest = sum(way.size[0] * way.size[1] * 3 for way in ways_of(trained))
    return max(1, min(BLOCK_PHOTOS, BLOCK_BYTES // max(1, largest)))


def _listed(photos: Given | Sequence[Given]) -> Sequence[Given]:
    if isinstance(photos, np.ndarray) and photos.ndim == 3 and photos.shape[2] == 3:
        return [photos]
    if isinstance(photos, str | os.PathLike | bytes) or is_picture(photos):
        return [photos]
    return list(cast(Sequence[Given], photos))


def _ids(photos: Sequence[Given]) -> list[str]:
    return [
        os.fspath(photo) if isinstance(photo, str | os.PathLike) else str(number)
        for number, photo in enumerate(photos)
    ]
