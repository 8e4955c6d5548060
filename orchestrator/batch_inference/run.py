"""Answers to a list of photographs: asked block by block, kept, joined into the files of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.batch_inference.blocks import Block, divided
from orchestrator.batch_inference.kept import Kept
from orchestrator.errors import RunFailed
from orchestrator.inference.answers import Answers
from orchestrator.inference.ensemble import Ensemble
from orchestrator.inference.lazy import LazyAsker
from orchestrator.inference.parts import Trained
from orchestrator.inference.photos import Photo
from orchestrator.inference.write import write_answers

# Blocks -> their answers, in any order.
Engine = Callable[[Sequence[Block]], Iterator[tuple[Block, Answers]]]
# How many are answered, of them before this call, and of how many.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """n: photographs of the list; before: those whose answers were kept by an earlier call. counts: class
    -> how many got it. problems: id -> why it could not be read. files: paths of the answers.
    """

    n: int
    before: int
    counts: dict[str, int]
    problems: dict[str, str]
    files: list[str]


def here(ensemble: Ensemble, tables: bool = False, lazily: LazyAsker | None = None) -> Engine:
    """Asked in this process; what is in memory does not grow with how many there are.

    lazily: asks members only where the answer is open.
    """

    def ask(blocks: Sequence[Block]) -> Iterator[tuple[Block, Answers]]:
        given = ((photo.id, photo.place) for block in blocks for photo in block.photos)
        yield from zip(blocks, ensemble.parts(given, tables=tables, lazily=lazily), strict=True)

    return ask


def answer_list(
    photos: Sequence[Photo],
    trained: Trained,
    stem: str,
    engine: Engine,
    *,
    tables: bool = False,
    lazy: np.ndarray | None = None,
    progress: Progress = lambda *_: None,
) -> Outcome:
    """Ask about `photos` and write `<stem>.parquet`, `<stem>.csv` and, with `tables`, each member's.

    Answers are kept beside them block by block. Called again after it was killed, only blocks that are
    missing are asked about; the files are the same, byte for byte, as without the interruption. engine:
    `here`, or that of a Ray. lazy: the order in which a lazy vote asks. Raises WrongRequest where another
    command writes the same files.
    """
    kept, total = Kept(stem), len(photos)
    with kept.alone():
        blocks = divided(photos, trained, tables, lazy)
        counts = np.zeros(len(trained.classes), np.int64)
        problems: dict[int, dict[str, str]] = {}
        done = 0

        def count(block: Block, answers: Answers) -> None:
            nonlocal done
            done += len(block.photos)
            chosen = answers.probabilities.argmax(axis=1)
            counts[:] += np.bincount(chosen, minlength=len(counts))
            found = zip(answers.ids, answers.problems, strict=True)
            problems[block.number] = {own: why for own, why in found if why}

        missing = []
        for block in blocks:
            if (answers := kept.read(block)) is None:
                missing.append(block)
            else:
                count(block, answers)
        before = done
        progress(done, before, total)
        for block, answers in engine(missing) if missing else ():
            kept.write(block, answers)
            count(block, answers)
            progress(done, before, total)
        wrong = {own: why for number in sorted(problems) for own, why in problems[number].items()}

        def each() -> Iterator[Answers]:
            for block in blocks:
                if (answers := kept.read(block)) is None:
                    raise RunFailed(
                        f"{kept.place(block)}: deleted or damaged while the command ran. Call it again: "
                        "it asks about these photographs once more."
                    )
                yield answers

        written = write_answers(
            each(), trained, stem, wrong, total > len(wrong), tables, lazy is not None
        )
        kept.remove()
    found = zip(trained.classes, counts.tolist(), strict=True)
    return Outcome(total, before, {name: n for name, n in found if n}, wrong, written)
