"""The cells of an Arrow column as text, as real or as whole numbers, however it was written.

Functions of pyarrow.compute are imported where they are wanted: as a whole they take 30 ms.

Categories (Arrow dictionaries), run-end encoded columns and extension types count as their values.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ensembles.arrow import numbers as numbers_of
from ensembles.files.cells import is_missing, whole_number

types = pa.types


def plain(column: pa.ChunkedArray) -> pa.Array:
    """One array of the values themselves."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
        chunks = [chunk.storage for chunk in column.chunks]
        column = pa.chunked_array(chunks, kind)
    if types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif types.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        chunks = [pc.run_end_decode(chunk) for chunk in column.chunks]
        column = pa.chunked_array(chunks, kind.value_type)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def is_text(values: pa.Array) -> bool:
    kind = values.type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def is_number(values: pa.Array) -> bool:
    kind = values.type
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def texts(values: pa.Array) -> np.ndarray | None:
    """(N,) object, str or None where null; whole numbers without a point. None for other cells:
    lists, bytes, numbers that are not whole.
    """
    if is_text(values):
        return np.array([*values.to_pylist(), None], object)[:-1]
    if types.is_boolean(values.type):
        found = values.to_pylist()
    elif types.is_integer(values.type):
        found = values.cast(pa.string()).to_pylist()
    elif is_number(values):
        numbers = whole_numbers(values)
        if numbers is None:
            return None
        found = [
            None if unknown else int(n) for n, unknown in zip(*map(list, numbers), strict=True)
        ]
    elif types.is_temporal(values.type):
        found = values.cast(pa.string()).to_pylist()
    else:
        return None
    return np.array([None if v is None else str(v) for v in found] + [None], object)[:-1]


def real_numbers(values: pa.Array) -> np.ndarray | None:
    """(N,) float64, or float32 of float32; NaN where null. None where some cell is no number."""
    if types.is_float32(values.type):
        return numbers_of(values)
    if is_text(values):
        import pyarrow.compute as pc

        values = pc.utf8_trim_whitespace(values.cast(pa.string()))
    elif types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    elif not is_number(values):
        return None
    try:
        return numbers_of(values.cast(pa.float64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def whole_numbers(values: pa.Array) -> tuple[np.ndarray, np.ndarray] | None:
    """(N,) int64 and (N,) bool, where it is unknown (null, NaN, as text `nan`); None where some
    cell is no whole number.
    """
    if is_text(values):
        encoded = values.cast(pa.string()).dictionary_encode()
        words = encoded.dictionary.to_pylist()
        meant = [whole_number(word) for word in words]
        missing = [is_missing(word) for word in words]
        if any(n is None and not gone for n, gone in zip(meant, missing, strict=True)):
            return None
        if any(n is not None and abs(n) > 2**62 for n in meant):
            return None
        at = numbers_of(_filled(encoded.indices, len(words)))
        numbers = np.array([0 if n is None else n for n in meant] + [0], np.int64)
        return numbers[at], np.array([*missing, True])[at]
    if types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if types.is_null(values.type):
        return np.zeros(len(values), np.int64), np.ones(len(values), bool)
    try:
        if types.is_integer(values.type):
            unknown = np.zeros(len(values), bool)
            if values.null_count:
                unknown = values.is_null().to_numpy(zero_copy_only=False)
            # what int64 has no room for raises
            if types.is_uint64(values.type):
                values = values.cast(pa.int64())
            return numbers_of(_filled(values, 0)).astype(np.int64), unknown
        if not is_number(values):
            return None
        numbers = numbers_of(values.cast(pa.float64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    unknown = np.isnan(numbers)
    known = numbers[~unknown]
    # above 2^53 a float no longer says which whole number it was
    if not ((known == np.rint(known)) & (abs(known) < 2.0**53)).all():
        return None
    return np.where(unknown, 0, numbers).astype(np.int64), unknown


def _filled(values: pa.Array, value: int) -> pa.Array:
    return values.fill_null(value) if values.null_count else values
