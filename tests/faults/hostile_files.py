"""Files that a stranger may send: small on the disk, and large or without an end when they are read."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RED = "\x1b[31m"


def write_specs(folder: Path) -> None:
    """laughs.yaml (10^10 values by aliases), deep.yaml, blocks.yaml, large.yaml, digits.yaml, keys.yaml."""
    tens = [", ".join([f"*{name}"] * 10) for name in "abcdefghi"]
    of_tens = [f"{name}: &{name} [{ten}]\n" for name, ten in zip("bcdefghij", tens, strict=True)]
    first = f"a: &a [{', '.join('x' * 10)}]\n"
    texts = {
        "laughs": first + "".join(of_tens),
        "keys": first + "".join(of_tens[:5]) + "? *f\n: 1\n",  # a list as a key
        "deep": "a: " + "[" * 100_000,
        "blocks": "".join(f"{' ' * depth}a:\n" for depth in range(400)),
        "large": "a: 1\n" + "#" * 5_000_000,
        "digits": f"name: x\ndata: {{train: a}}\nmembers: [{{name: a, model: b, lr: {'1' * 10_000}}}]\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def write_tables(folder: Path) -> None:
    """Folders of one member: rows (2e7 in 370 kB), ids (of 3 MB), columns (41,000), metadata, colours."""
    million = pa.table(
        {
            "image_id": pa.repeat(pa.scalar("x"), 1_000_000),
            "p0": pa.repeat(pa.scalar(1.0, pa.float32()), 1_000_000),
            "p1": pa.repeat(pa.scalar(0.0, pa.float32()), 1_000_000),
        }
    )
    file = _table(folder / "rows")
    with pq.ParquetWriter(file, million.schema, compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(million)
    one = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), ["x" * 3_000_000])
    long = million.slice(0, 100_000).set_column(0, "image_id", one)
    pq.write_table(long, _table(folder / "ids"), store_schema=False)
    two = pa.table({"image_id": ["a", "b"], "p0": [0.5, 0.5], "p1": [0.5, 0.5]})
    wide = {"image_id": ["a", "b"]} | {key: [0.5, 0.5] for key in [f"p{k}" for k in range(41_000)]}
    pq.write_table(pa.table(wide), _table(folder / "columns"))
    metadata = dict.fromkeys(("ensemble", "pandas", "huggingface"), "[" * 100_000)
    pq.write_table(two.replace_schema_metadata(metadata), _table(folder / "metadata"))
    coloured = two.append_column(f"x{RED}", pa.array(["a", "b"]))
    pq.write_table(coloured, _table(folder / "colours", f"a{RED}"))


def _table(folder: Path, member: str = "a") -> Path:
    (folder / member).mkdir(parents=True)
    return folder / member / "test.parquet"


def write_submissions(folder: Path) -> None:
    """CSV and JSON: answers (40,000 different), ids (of 3 MB), arrays, line, columns, nested, digits."""
    rows = "".join(f"{i}.jpg,{i % 3}\n" for i in range(100))
    names = ",".join(f"p{k}" for k in range(100_000))
    texts = {
        "answers.csv": "ImageID,ans\n" + "".join(f"{i},c{i % 40_000}\n" for i in range(46_000)),
        "ids.csv": f"ImageID,ans\n{'x' * 3_000_000},1\n{rows}",
        # what a pattern with two ways to read each letter would read for years
        "brackets.csv": f"ImageID,ans\n{rows}a,{'[' * 200_000}\n",
        "tensor.csv": f'ImageID,ans\n{rows}a,"tensor(1{",dtype=a" * 45}())"\n',
        "digits.csv": f"ImageID,ans\n{rows}a,[1 {'1' * 200_000}x]\n",
        "line.csv": "x" * 5_000_000,
        "columns.csv": f"ImageID,{names}\na.jpg,{','.join('0' * 100_000)}\n",
        "nested.json": "[" * 100_000,
        "mapped.json": '{"a":' * 100_000,
        "number.json": f'{{"a.jpg": {"1" * 1_000_000}}}',
        "coloured.csv": f"ImageID,ans{RED}\na.jpg,0\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    os.mkfifo(folder / "pipe.csv")


def write_flat_png(file: Path, side: int) -> None:
    """A grey PNG of one colour: 13,000 pixels a side are 164 kB."""
    pressed, row, parts = zlib.compressobj(9), bytes(side + 1), []
    parts = [pressed.compress(row) for _ in range(side)] + [pressed.flush()]

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", b"".join(parts))
        + chunk(b"IEND", b"")
    )
