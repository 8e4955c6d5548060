"""One exception for every request that cannot be carried out as given."""

from __future__ import annotations

import csv
import difflib
import errno
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ensembles.store_errors import store_problem

if TYPE_CHECKING:
    import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

MOST_NAMES = 5000  # that are compared for the nearest
_LONG = 80  # characters of a text that is printed whole


class BadInput(ValueError):
    """The request is wrong. `problems` holds every mistake found, one text each.

    A text says what is wrong, what was given, what is allowed and what to do next, so that a
    program can print it as it stands, without a traceback.
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "a folder, where a file is expected",
    errno.ENOTDIR: "a file, where a folder is expected",
    errno.EEXIST: "something else has that name already",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the disk is read-only",
    errno.ELOOP: "links that lead in a circle",
    errno.ENAMETOOLONG: "the name is too long for the disk",
    errno.ENXIO: "a pipe that nobody reads",
}


def wrong_place(error: OSError) -> str | None:
    """Why a path cannot be read or written, where another path could; None for other failures."""
    return _REASONS.get(error.errno or 0)


def names_its_place(
    writer: Callable[P, AbstractContextManager[R]],
) -> Callable[P, AbstractContextManager[R]]:
    """Decorates a context manager whose first argument is what it writes.

    An OSError from there or from the block has it as its `filename` where the system names none: a
    full disk is noticed when bytes are written, or when they are synced.
    """

    @functools.wraps(writer)
    @contextmanager
    def naming(*args: P.args, **given: P.kwargs) -> Iterator[R]:
        try:
            with writer(*args, **given) as value:
                yield value
        except OSError as error:
            if error.filename is None and error.errno is not None:
                error.filename = str(args[0] if args else next(iter(given.values())))
            raise

    return naming


def file_problem(place: object, error: Exception, expected: str) -> str:
    """One text on a file that could not be read. expected: what to give, `a CSV with ...`."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if of_store := store_problem(error):
        return of_store
    if isinstance(error, OSError):
        text = wrong_place(error) or f"cannot be read ({error.strerror or text})"
    elif isinstance(error, UnicodeError):
        text = f"no UTF-8 text ({text})"
    elif isinstance(error, csv.Error):
        text = f"no readable CSV ({text}); most likely a quote is opened and never closed"
    else:
        text = f"damaged, or of another kind ({text})"
    return f"{place}: {text}. Give {expected}."


def reads(expected: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function whose first argument is the file that it reads.

    Whatever the disk, the CSV reader, the decoder of text or Arrow raise there is a BadInput that
    names the file, what is wrong with it and what is `expected`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def reading(*args: P.args, **given: P.kwargs) -> R:
            try:
                return function(*args, **given)
            except Exception as error:
                of_arrow = type(error).__module__.startswith("pyarrow")
                if not of_arrow and not isinstance(error, (OSError, csv.Error, UnicodeError)):
                    raise
                place = args[0] if args else next(iter(given.values()))
                raise BadInput(file_problem(place, error, expected)) from None

        return reading

    return decorate


def examples(values: Sequence[Any] | np.ndarray) -> str:
    """The first three of the values, for a message. Of long texts, which are often paths, the end."""
    return ", ".join(map(_short, values[:3])) + (", ..." if len(values) > 3 else "")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONG else f"{text[:12]}...{text[15 - _LONG :]}"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`" Did you mean x?"` for the allowed name closest to `name`, or an empty text."""
    if len(str(name)) > _LONG:  # what compares two texts takes the product of their lengths
        return ""
    found = difflib.get_close_matches(str(name), [*map(str, allowed)][:MOST_NAMES], 1)
    return f" Did you mean {found[0]}?" if found else ""
