"""The options of a vote that come after its rule: `prior`, `sets` and `unknown`."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

# Where a mistake is and what it is, as `voting.request.Mistake`.
Mistake = tuple[tuple[str, ...], str]
PRIORS = ("test",)


@dataclass(frozen=True)
class Options:
    """prior: "test" corrects the test rows' class shares. sets: the share of rows whose true class is
    to be in the set of classes written for them. unknown: the probability below which an answer
    counts as unknown. None: nothing of the kind.
    """

    prior: str | None = None
    sets: float | None = None
    unknown: float | None = None

    @property
    def given(self) -> list[str]:
        return [name for name, value in vars(self).items() if value is not None]

    def mistakes(self, mode: str) -> list[Mistake]:
        """What is wrong with them in a vote of this mode, whatever the tables."""
        found: list[Mistake] = []
        if self.prior is not None and self.prior not in PRIORS:
            found.append((("prior",), f"{self.prior!r}, but must be {' or '.join(PRIORS)}."))
        elif self.prior is not None and mode == "hard":
            text = (
                "a hard vote counts votes, and their shares are no probabilities to correct. Leave "
                "prior out, or vote with mode soft or weighted."
            )
            found.append((("prior",), text))
        for name, given in (("sets", self.sets), ("unknown", self.unknown)):
            if given is not None and not _is_share(given):
                found.append(((name,), f"{given!r}, but must be above 0 and below 1."))
        return found

    def problems(
        self, has_oof: bool, has_test: bool, n_classes: int, answers: list[str]
    ) -> list[str]:
        """What they lack in the tables there are, each text beginning with its option.

        answers: what a submission shows for the classes.
        """
        found = []
        if self.prior is not None and not has_test:
            found.append(
                "prior: there are no test tables whose class shares it could correct. Add "
                "<member>/test.parquet, or leave it out."
            )
        for name, what in (("prior", "class shares in training"), ("sets", "coverage")):
            if getattr(self, name) is not None and not has_oof:
                found.append(
                    f"{name}: without OOF tables nothing is known of the {what}. Add "
                    "<member>/oof.parquet with fold and label, or leave it out."
                )
        if n_classes < 2:
            found += [f"{name}: there is one class only. Leave it out." for name in self.given]
        elif self.unknown is not None and self.unknown <= 1 / n_classes:
            found.append(
                f"unknown: {self.unknown}, but the most probable of {n_classes} classes never has "
                f"less than {1 / n_classes:.3g}. Give more than that, or leave it out."
            )
        return found + self.clashes(answers)

    def clashes(self, answers: list[str]) -> list[str]:
        """What is shown for a class and means something else in a file."""
        found = []
        if self.unknown is not None and UNKNOWN in answers:
            found.append(
                f"unknown: a class is shown as {UNKNOWN!r} already. Show the classes by number "
                "(--answers numbers), or leave it out."
            )
        if self.sets is not None and (held := [own for own in answers if JOINED_BY in own]):
            found.append(
                f"sets: sets.csv joins classes by {JOINED_BY!r}, which stands in {held[0]!r}. Show "
                "the classes by number (--answers numbers), or leave it out."
            )
        return found


# What stands in place of an answer, and between the classes of a set.
UNKNOWN, JOINED_BY = "unknown", "|"


def _is_share(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < 1
