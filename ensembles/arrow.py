"""Arrow columns as arrays of numpy and back, without pandas, which pyarrow's own ways import first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def numbers(values: pa.Array) -> np.ndarray:
    """(N,) of a column of numbers, not copied where nothing is null; float64 with NaN where it is.

    Floats with nulls keep their type; truth values are bool. Read-only where not copied.
    """
    kind = values.type
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if values.null_count or not plain:
        return values.to_numpy(zero_copy_only=False)
    return np.from_dlpack(values)


def number_column(values: np.ndarray) -> pa.Array:
    """A column of (N,) numbers, of the same type."""
    own = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, own])


def text_column(texts: Sequence[str]) -> pa.Array:
    """A column of string of N texts."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)])
    if ends[-1] > np.iinfo(np.int32).max:  # several chunks, or Arrow's own error
        return pa.array(texts, pa.string())
    content = pa.py_buffer(b"".join(encoded))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends.astype(np.int32)), content)
