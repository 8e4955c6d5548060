"""What a vote decided and how good it is, and the three files that hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.files import places
from ensembles.files.parquet import write_table
from ensembles.files.places import Place
from ensembles.files.submission import write_submission
from ensembles.files.table import (
    CONFIDENCE,
    HELD_OUT,
    PROBABILITIES,
    RECORD,
    SUBMISSION,
    Table,
    class_names,
)
from ensembles.rules.mean import AnyRule
from ensembles.shift.rows import HeldOut
from ensembles.shift.written import FIELDS, header, lines, require_written
from ensembles.voting.record import VoteRecord
from ensembles.voting.stored import write_stackers


@dataclass(kw_only=True)
class Vote(VoteRecord):
    """The record of a vote and what it decided.

    table: ids, probabilities, and fold and label where known, of the `rows` voted on. The most
        probable class is the decision. rule: what was fitted, its weights of sum 1.
    held_out: the OOF rows with the votes of rules that were fitted without them; None without OOF
        tables. oof_ids: (N,) str, the ids of these rows.
    """

    table: Table
    rule: AnyRule
    held_out: HeldOut | None = None
    oof_ids: np.ndarray | None = None

    @property
    def held_out_table(self) -> Table | None:
        """The held-out OOF rows with their folds and labels; None without OOF tables."""
        own = self.held_out
        if own is None or self.oof_ids is None:
            return None
        folds, labels = (a.astype(np.int16) for a in (own.folds, own.labels))
        return Table(self.oof_ids, own.probabilities, folds, labels, self.table.meta)

    @property
    def ids(self) -> np.ndarray:
        """(N,) str."""
        return self.table.ids

    @property
    def probabilities(self) -> np.ndarray:
        """(N, K) float32. For hard votes the shares of the votes, `votes.vote_shares`."""
        return self.table.probabilities

    @property
    def labels(self) -> np.ndarray:
        """(N,) int, the decided classes."""
        return self.table.probabilities.argmax(axis=1)

    @property
    def answers(self) -> list[str]:
        """(N) str, the decided classes as a submission shows them."""
        names = self.table.answers
        return [names[k] for k in self.labels]

    def write(self, folder: Place, named: bool = False) -> dict[str, str]:
        """Write submission.csv and confidence.csv (of test rows only; sets.csv and unknown.csv as well,
        where the vote has such), probabilities.parquet, the numbers of stackers where the vote has some
        and, last, vote.json.

        held_out.parquet, where there are OOF tables, has their rows with the votes of rules that were
        fitted without them. confidence.csv is the submission with the probability of each answer.
        named: answers are the classes' names. Each is moved into place whole; a vote.json that is there
        means the others fit it, and `files` holds their digests. Returns file name -> path of
        what was written. Raises BadInput where classes have no names.
        """
        shown = class_names(self.table.meta) if named else self.table.answers
        answers = [shown[k] for k in self.labels]
        further = {name: getattr(self, field) for name, field in FIELDS.items()}
        require_written(further, shown)
        names = (SUBMISSION, CONFIDENCE, *FIELDS, PROBABILITIES, HELD_OUT, RECORD)
        paths = {name: places.join(folder, name) for name in names}
        places.remove(paths[RECORD])
        for name, record in further.items():
            if record is None or self.rows != "test":
                places.remove(paths.pop(name))
                continue
            text = header(name) + lines(name, record, self.ids, self.probabilities, shown)
            places.write_bytes(paths[name], text)
        if self.rows == "test":
            write_submission(paths[SUBMISSION], self.ids, answers)
            surest = self.probabilities.max(axis=1)
            write_submission(paths[CONFIDENCE], self.ids, answers, surest)
        else:
            for name in (SUBMISSION, CONFIDENCE):
                places.remove(paths.pop(name))
        write_table(paths[PROBABILITIES], self.table)
        if held_out := self.held_out_table:
            write_table(paths[HELD_OUT], held_out)
        else:
            places.remove(paths.pop(HELD_OUT))
        paths |= write_stackers(self.rule, folder)
        self.files = {n: places.file_digest(path) for n, path in paths.items() if n != RECORD}
        places.write_bytes(paths[RECORD], self.to_json())
        return paths
