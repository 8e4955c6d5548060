"""Labelled photographs that no averaged network was trained on: what soups may be judged by.

Over the folds of a run every training photograph was seen by some network, so none of them can judge their
mean. Over the seeds of one fold the photographs held out there were seen by none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ensembles.files import places
from ensembles.files.reading.repeats import draw_folds
from ensembles.files.submission import read_submission
from members import files
from members.data.classes import known_labels
from members.data.codec import Codec
from members.data.folder_layout import read_folder
from members.data.lists.read import read_list
from members.data.table_layout import read_test
from members.pixels.samples import content_digest
from orchestrator.errors import BAD_INPUT, WrongRequest, counted
from orchestrator.inference.soups.choice import Rows
from orchestrator.photographs.files import read_photographs
from orchestrator.photographs.table import Photographs, labels_of
from orchestrator.runs.store import Store

if TYPE_CHECKING:
    import pandas as pd

LEAST_PHOTOS, LEAST_GROUPS = 50, 5
MOST_HELD_OUT = (
    4096  # of more held-out photographs so many are drawn: enough to tell two scores apart
)
WHAT_TO_GIVE = (
    "Give --judge FILE, a list of photos with path and label (and group) that were not trained on, or "
    "--judge FOLDER with folders named by class; or take --folds refit, which needs no judge."
)


@dataclass(frozen=True)
class Judge:
    """of: what it is, in words. ids: (N,) image ids; places: (N,) paths or addresses. rows: labels are of
    all targets.
    folds: (N,) int, each photograph is asked about of this fold's networks alone; None: of all.
    learnt: whether the photographs are those that the run predicts, which pseudo-labels are of.
    """

    of: str
    ids: tuple[str, ...]
    places: tuple[str, ...]
    rows: Rows
    folds: np.ndarray | None = None
    learnt: bool = False


def find_judge(given: str | None, store: Store, codec: Codec, several_seeds: bool) -> Judge:
    """What `--judge` names; without it the run's photographs to predict, where their labels are known and
    not too few; else, with `several_seeds`, the held-out photographs of each fold.

    Raises WrongRequest where there is none, and where one that is given cannot judge: photographs or
    groups that were trained on, too few, labels that are no class.
    """
    photographs = read_photographs(store)
    if photographs.test is not None and "group" not in photographs.test:  # of earlier versions
        alone = photographs.test.assign(group=photographs.test["image_id"])
        photographs = replace(photographs, test=alone)
    if given is not None:
        return _of_frame(_given(given, codec, photographs), Path(given).name, photographs)
    test = photographs.test
    known = test[labels_of(test, codec) >= 0] if test is not None else photographs.train[:0]
    enough = len(known) >= LEAST_PHOTOS and known["group"].nunique() >= LEAST_GROUPS
    if several_seeds and not enough:
        return _held_out(photographs)
    if len(known):
        return _of_frame(known, "the run's photographs to predict", photographs)
    raise WrongRequest(
        "--folds soup: nothing can judge the mean of networks of several folds: each training photo was "
        "seen by some of them, and the labels of the photos to predict are not known to the run. "
        f"{WHAT_TO_GIVE}"
    )


def _held_out(photographs: Photographs) -> Judge:
    frame = photographs.train
    if len(frame) > MOST_HELD_OUT:
        chosen = np.random.default_rng(0).permutation(len(frame))[:MOST_HELD_OUT]
        frame = frame.iloc[np.sort(chosen)]
    folds = frame["fold"].to_numpy()
    frame, folds = frame[folds >= 0], folds[folds >= 0]
    labels = labels_of(frame, photographs.codec)
    rows = Rows(labels, frame["group"].to_numpy().astype(str), folds)
    if len(np.unique(folds)) < 2:
        raise WrongRequest(
            "--folds soup: one fold alone is held out, and which seeds are averaged is chosen on the "
            f"folds that are not scored: that takes 2. {WHAT_TO_GIVE}"
        )
    return Judge(
        "the held-out photographs of each fold", _texts(frame, "image_id"), _texts(frame, "path"),
        rows, folds,
    )  # fmt: skip


def _given(given: str, codec: Codec, photographs: Photographs) -> pd.DataFrame:
    """The photographs of a list or a folder, or, of a list of answers, of the run's to predict."""
    try:
        if Path(given).is_dir():
            return read_folder(Path(given), codec_of_classes(codec)).frame.pipe(_of_codec, codec)
        if "path" in read_list(Path(given)).text_columns:
            found = read_test(Path(given), codec_of_classes(codec), None).frame
            return _of_codec(found, codec)
        answers = read_submission(given)
    except BAD_INPUT as error:
        raise WrongRequest([f"--judge {problem}" for problem in error.problems]) from None
    if photographs.test is None:
        raise WrongRequest(
            f"--judge {given}: has no column path, and the run has no photos to predict whose ids these "
            f"could be. {WHAT_TO_GIVE}"
        )
    by_id = photographs.test.set_index("image_id", drop=False)
    known = [own for own in answers.ids if own in by_id.index]
    if len(known) < len(answers.ids):
        lost = [own for own in answers.ids if own not in by_id.index]
        raise WrongRequest(
            f"--judge {given}: {len(lost)} of {len(answers.ids)} ids are not among the run's photos to "
            f"predict ({', '.join(lost[:3])}). Take them out, or name each photo in a column path."
        )
    found = by_id.loc[known].reset_index(drop=True)
    return found.assign(**codec.decode(_numbers(given, answers.answers.tolist(), codec)))


def codec_of_classes(codec: Codec) -> Codec:
    """One target of all joint classes, as a list of photographs names them."""
    return Codec({"label": codec.classes})


def _of_codec(frame: pd.DataFrame, codec: Codec) -> pd.DataFrame:
    return frame.assign(**codec.decode(frame["label"].to_numpy()))


def _numbers(given: str, answers: Sequence[str], codec: Codec) -> np.ndarray:
    """(N,) of answers by name, or by the number that a class has in `submission.csv`."""
    classes = codec.classes
    numbers = tuple(map(str, range(len(classes))))
    names = classes if {*answers} & {*classes} else numbers
    read = known_labels(Path(given), answers, names)
    if read.problems:
        raise WrongRequest([f"--judge {problem}" for problem in read.problems])
    return read.numbers


def _of_frame(frame: pd.DataFrame, of: str, photographs: Photographs) -> Judge:
    labels = labels_of(frame, photographs.codec)
    frame, labels = frame[labels >= 0], labels[labels >= 0]
    found = _texts(frame, "path")
    digests, problems = _digests(found)
    trained, groups = photographs.train, frame["group"].to_numpy().astype(str)
    if shared := [p for p, d in zip(found, digests, strict=True) if d in {*trained["digest"]}]:
        problems.append(
            f"{of}: {len(shared)} of {len(found)} photos were trained on ({', '.join(shared[:3])}), and "
            "cannot judge networks that have seen them. Take them out."
        )
    has_groups = (trained["group"] != trained["image_id"]).any()
    if has_groups and (known := sorted({*groups} & {*trained["group"].astype(str)})):
        problems.append(
            f"{of}: {counted(len(known), 'group')} of the training photos ({', '.join(known[:3])}) "
            "occur in it, whose photos are too like those trained on. Take them out."
        )
    # copies of one photograph are no more than it
    alone = groups == frame["image_id"].to_numpy().astype(str)
    groups = np.where(alone, np.array(digests, dtype=str), groups)
    n_groups = len(np.unique(groups))
    if len(found) < LEAST_PHOTOS or n_groups < LEAST_GROUPS:
        problems.append(
            f"{of}: {counted(len(found), 'photo')} with a label, of {counted(n_groups, 'group')}: a "
            f"judge needs {LEAST_PHOTOS} or more, of {LEAST_GROUPS} groups. {WHAT_TO_GIVE}"
        )
    if problems:
        raise WrongRequest(f"--folds soup: {problem}" for problem in problems)
    rows = Rows(labels, groups, draw_folds(len(labels), groups))
    test = photographs.test
    learnt = test is not None and bool({*digests} & {*test["digest"]})
    return Judge(of, _texts(frame, "image_id"), found, rows, learnt=learnt)


def _texts(frame: pd.DataFrame, column: str) -> tuple[str, ...]:
    return tuple(frame[column].astype(str))


def _digests(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    def one(path: str) -> tuple[str, str | None]:
        try:
            remote = "://" in path
            return content_digest(
                places.read_bytes(path) if remote else Path(path).read_bytes()
            ), None
        except OSError as error:
            return "", f"{path}: {error.strerror or error}. Give photos that can be read."

    found = list(files.in_threads(one, paths, None))
    wrong = [problem for _, problem in found if problem]
    more = [f"... and {len(wrong) - 5} more photos."] if len(wrong) > 5 else []
    return [digest for digest, _ in found], [*wrong[:5], *more]
