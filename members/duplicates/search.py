"""Photos that show the same picture: with equal pixels, or copies of one another.

Candidates are found by their perceptual hashes in time and memory that grow with the number of
photos and not with its square (Norouzi, Punjani and Fleet 2012, multi-index hashing): hashes of 64
bits that differ in at most 7 differ in at most one bit of one of their four parts. Candidates are
then compared by their thumbnails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from members.duplicates.fingerprint import CELLS, Fingerprints
from members.files import Progress

PLAIN = 2.0  # grey levels: a photo of less contrast shows nothing that a copy could be known by
MOST_BITS = 7  # of 64 that the hashes of copies differ in
_PART = 16  # bits
_BLOCK = 1 << 18  # candidates that are held at once
_SAMPLE, _ORDERS = 1 << 15, 8  # hashes that orders of the bits are compared by, and how many
_COMPARED = 1 << 14  # thumbnails that are compared at once

# What is left of two thumbnails of copies when mean and contrast are made equal, measured by
# benchmarks/near_duplicates.py: 1 - correlation, or grey levels (root mean square) where saving
# again costs a photo of little contrast more. A small photo has few pixels in a cell, and those
# change when it is saved again, so that its cells are joined by fours.
_SMALL = 64  # pixels of the shorter side
_FINE, _FINE_LEVELS = 0.001, 0.4
_COARSE, _COARSE_LEVELS = 0.002, 0.8
_AT_MOST = 0.01  # 1 - correlation, however little contrast


def equal_pixels(pixels: np.ndarray) -> list[list[int]]:
    """Rows with equal digests, a list for each that is there twice or more. pixels: (N,) str."""
    import pandas as pd

    same: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(pd.Series(pixels, dtype=object).duplicated(keep=False)).tolist():
        same[pixels[row]].append(row)
    return list(same.values())


def plain(fingerprints: Fingerprints) -> np.ndarray:
    """(N,) bool: photos of nearly one colour, which only `equal_pixels` compares."""
    return fingerprints.contrast < PLAIN


def look_alike(
    fingerprints: Fingerprints,
    groups: Sequence[int] | np.ndarray,
    progress: Progress | None = None,
) -> np.ndarray:
    """Pairs (P, 2) int64 of rows, first < second, of different groups, that show the same picture.

    groups: (N,) int; pairs within a group are left out. Pictures with equal pixels are no pair:
    `equal_pixels` has them, and of each such set in one group only the first row is compared.
    `progress(done, total)` counts parts of the search.
    """
    rows, groups = _compared(fingerprints, np.asarray(groups, np.int64))
    some = fingerprints.take(rows)
    parts = 64 // _PART * 2
    found = [np.empty((0, 2), np.int64)]
    for done, candidates in _candidates(some):
        different = groups[candidates[:, 0]] != groups[candidates[:, 1]]
        pairs = candidates[different]
        for start in range(0, len(pairs), _COMPARED):
            part = pairs[start : start + _COMPARED]
            found.append(part[_thumbnails_agree(some, part)][:, :2])
        if progress:
            progress(done, parts)
    pairs = rows[np.unique(np.sort(np.concatenate(found), axis=1), axis=0)]
    pictures = np.unique(fingerprints.pixels[pairs], return_inverse=True)[1].reshape(-1, 2)
    first = np.unique(np.sort(pictures, axis=1), axis=0, return_index=True)[1]
    pairs, pictures = pairs[np.sort(first)], pictures[np.sort(first)]
    return pairs[pictures[:, 0] != pictures[:, 1]]


def _compared(fingerprints: Fingerprints, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are worth comparing, and their groups: each picture once a group, none plain.

    A picture that stands in more groups than two is compared for two of them: any other picture is
    of another group than one of the two.
    """
    import pandas as pd

    kept = ~plain(fingerprints)
    rows = np.flatnonzero(kept)
    again = pd.Series(fingerprints.pixels[rows], dtype=object).duplicated(keep=False)
    seen: dict[str, list[int]] = defaultdict(list)
    for row in rows[again].tolist():
        of_picture = seen[fingerprints.pixels[row]]
        kept[row] = len(of_picture) < 2 and groups[row] not in of_picture
        if kept[row]:
            of_picture.append(groups[row])
    rows = np.flatnonzero(kept)
    return rows, groups[rows]


def _candidates(fingerprints: Fingerprints) -> Iterator[tuple[int, np.ndarray]]:
    """(parts of the search done, candidates (C, 3) int64: row, row, whether mirrored).

    At most _BLOCK candidates at a time, but no fewer than one row's.
    """
    order_of_bits = _even_parts(fingerprints.phash)
    own, done = _reordered(fingerprints.phash, order_of_bits), 0
    every = np.arange(len(own), dtype=np.int32)  # half as wide, three quarters of the time
    turned = _reordered(fingerprints.phash_mirrored, order_of_bits)
    for mirrored, asked in ((0, own), (1, turned)):
        for part in range(64 // _PART):
            own_part, asked_part = _part_of(own, part), _part_of(asked, part)
            order = np.argsort(own_part, kind="stable").astype(np.int32)
            first = np.searchsorted(own_part[order], np.arange((1 << _PART) + 1)).astype(np.int32)
            place = np.empty_like(order)
            place[order] = every
            for flipped in (0, *(1 << bit for bit in range(_PART))):
                rows = every
                if (
                    not mirrored and flipped
                ):  # the other of two has the bit: it finds what this one does
                    rows = every[asked_part & flipped == 0]
                wanted = asked_part[rows] ^ flipped
                begin = first[wanted] if mirrored or flipped else place + 1
                for at, others in _expanded(begin, first[wanted + 1]):
                    one, other = rows[at], order[others]
                    near = np.bitwise_count(asked[one] ^ own[other]) <= MOST_BITS
                    if mirrored:
                        near &= one != other
                    one, other = one[near], other[near]
                    if not mirrored:
                        one, other = np.minimum(one, other), np.maximum(one, other)
                    yield done, np.stack([one, other, np.full_like(one, mirrored)], axis=1)
            done += 1
            yield done, np.empty((0, 3), np.int64)


def _even_parts(hashes: np.ndarray) -> np.ndarray:
    """(64,) int: the order of bits, of some drawn, in which the fewest hashes (N,) have a part in common.

    Whatever the order, the same pairs are found; but bits of neighbouring frequencies go together in
    many a data set, and each hash that shares a part is a candidate.
    """
    some = hashes[:: max(1, len(hashes) // _SAMPLE)]
    rng = np.random.default_rng(0)
    orders = [np.arange(64), *(rng.permutation(64) for _ in range(_ORDERS))]

    def shared(order: np.ndarray) -> int:
        parts = _reordered(some, order).view(np.uint16).reshape(-1, 64 // _PART)
        return sum(int((np.bincount(part).astype(np.int64) ** 2).sum()) for part in parts.T)

    return min(orders, key=shared)


def _reordered(hashes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The hashes (N,) uint64 with their bits in another order."""
    found = [np.empty(0, np.uint64)]
    for start in range(0, len(hashes), _SAMPLE):
        some = np.ascontiguousarray(hashes[start : start + _SAMPLE])
        bits = np.unpackbits(some.view(np.uint8).reshape(-1, 8), axis=1)
        found.append(np.packbits(np.take(bits, order, axis=1)).view(np.uint64))
    return np.concatenate(found)


def _part_of(hashes: np.ndarray, part: int) -> np.ndarray:
    """(N,) int32: _PART bits of each of `hashes` (N,) uint64."""
    bits = (hashes >> np.uint64(part * _PART)) & np.uint64((1 << _PART) - 1)
    return bits.astype(np.int32)


def _expanded(first: np.ndarray, end: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(row, i) for each row and each i of first[row] <= i < end[row], in blocks of two arrays."""
    counts = end - first
    some = np.flatnonzero(counts).astype(np.int32)
    first, counts = first[some], counts[some]
    total = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    start = 0
    while start < len(counts):
        stop = int(np.searchsorted(total, total[start] + _BLOCK, side="right")) - 1
        stop = max(stop, start + 1)
        lengths = counts[start:stop]
        within = np.arange(total[stop] - total[start], dtype=np.int32)
        shift = (first[start:stop] - (total[start:stop] - total[start])).astype(np.int32)
        yield np.repeat(some[start:stop], lengths), within + np.repeat(shift, lengths)
        start = stop


def _thumbnails_agree(fingerprints: Fingerprints, candidates: np.ndarray) -> np.ndarray:
    """(C,) bool. candidates: (C, 3), row, row, whether the second is mirrored."""
    rows, others, mirrored = candidates.T
    a = fingerprints.thumbnail[rows].astype(np.float32)
    b = fingerprints.thumbnail[others].astype(np.float32)
    b = np.where(mirrored[:, None, None] == 1, b[:, :, ::-1], b)
    a *= _levels(fingerprints.contrast[rows], a)
    b *= _levels(fingerprints.contrast[others], b)
    small = np.minimum(fingerprints.side[rows], fingerprints.side[others]) < _SMALL
    fine = _agree(a, b, _FINE, _FINE_LEVELS)
    coarse = _agree(_joined(a), _joined(b), _COARSE, _COARSE_LEVELS)
    return np.where(small, coarse, fine)


def _levels(contrast: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """(C, 1, 1): what makes thumbnails grey levels again."""
    return contrast[:, None, None] / thumbnails.std(axis=(1, 2), keepdims=True)


def _joined(thumbnails: np.ndarray) -> np.ndarray:
    """Four cells as one: (C, CELLS / 2, CELLS / 2)."""
    return thumbnails.reshape(-1, CELLS // 2, 2, CELLS // 2, 2).mean(axis=(2, 4))


def _agree(a: np.ndarray, b: np.ndarray, most: float, most_levels: float) -> np.ndarray:
    a = a - a.mean(axis=(1, 2), keepdims=True)
    b = b - b.mean(axis=(1, 2), keepdims=True)
    of_a, of_b = (a * a).mean(axis=(1, 2)), (b * b).mean(axis=(1, 2))
    correlation = (a * b).mean(axis=(1, 2)) / np.sqrt(np.maximum(of_a * of_b, 1e-12))
    left = np.sqrt(np.maximum(1 - correlation**2, 0) * np.minimum(of_a, of_b))
    apart = 1 - correlation
    return (apart <= most) | ((left <= most_levels) & (apart <= _AT_MOST))
