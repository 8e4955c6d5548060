"""Any array, list, series or frame as values, column names and row index, by what it can do.

No library of frames is needed: what has `columns` and `to_numpy` is a frame (pandas, polars), what
has `column_names` an Arrow table, and an `index` that is no method is one of pandas.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembles.errors import BadInput


@dataclass(frozen=True)
class Given:
    """values: as they are, of any dtype and shape. columns, index: None where there are none.

    numbered: whether the index is pandas' own 0, 1, ..., which a frame has that got no other.
    categories: of a categorical series, in their order.
    """

    values: np.ndarray
    columns: list[Hashable] | None = None
    index: Any = None
    numbered: bool = False
    categories: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.values) if self.values.ndim else 0

    def same_index(self, other: Given) -> bool:
        return self.index is other.index or bool(self.index.equals(other.index))


def given(value: Any, name: str) -> Given:
    """Raises BadInput for what is no array."""
    if isinstance(value, Given):
        return value
    try:
        if hasattr(value, "column_names"):
            arrays = [np.asarray(column) for column in value.columns]
            return Given(np.stack(arrays, axis=1), list(value.column_names))
        if np.ma.is_masked(value):
            raise BadInput(f"{name}: a masked array with masked values. Fill or leave them out.")
        if not hasattr(value, "to_numpy"):
            # numpy makes text of numbers and NaN among words
            words = isinstance(value, list | tuple) and any(isinstance(own, str) for own in value)
            return Given(np.array(value, object) if words else np.asarray(value))
        values, index = value.to_numpy(), getattr(value, "index", None)
        columns = list(value.columns) if hasattr(value, "columns") else None
        if index is None or callable(index):
            return Given(values, columns)
        categories = getattr(getattr(value, "dtype", None), "categories", None)
        ordered = None if categories is None else list(categories)
        return Given(values, columns, index, _is_numbered(index), ordered)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name}: no array ({error}). Give an array or a frame.") from None


def numbers(own: Given, name: str) -> np.ndarray:
    """The values as floats of their own precision. Raises BadInput that names what is no number."""
    values = own.values
    if values.dtype.kind == "f":
        return values
    try:
        if values.dtype.kind in "USMmc":
            raise ValueError(f"{values.dtype}")
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        if own.columns is None or values.ndim != 2:
            raise BadInput(f"{name}: no numbers ({error}). Give probabilities.") from None
        columns = zip(own.columns, values.T, strict=True)
        words = [str(c) for c, column in columns if not _are_numbers(column)]
        raise BadInput(
            f"{name}: no numbers in column {', '.join(words[:3]) or own.columns[0]} ({error}). Keep the "
            "columns of probabilities only, and the ids as the index."
        ) from None


def _are_numbers(column: np.ndarray) -> bool:
    try:
        column.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _is_numbered(index: Any) -> bool:
    return (
        type(index).__name__ == "RangeIndex"
        and (index.start, index.step) == (0, 1)
        and index.name is None
    )
