"""TensorBoard's event files: records of events, written with `tensorboard`'s own messages.

A file is a chain of records (TensorFlow's TFRecord): length, its checksum, data, its checksum. The
messages alone are imported in 0.02 s; `torch.utils.tensorboard` takes 0.3 s besides torch and more
where TensorFlow is installed.
"""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")


def scalars(values: Mapping[str, float], step: int) -> bytes:
    """A record of numbers by name at `step`."""
    value = _summary().Value
    return _record(step, [value(tag=name, simple_value=v) for name, v in values.items()])


def text(name: str, markdown: str) -> bytes:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    tensor = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()])
    value = _summary().Value(tag=f"{name}/text_summary", tensor=tensor)
    value.metadata.plugin_data.plugin_name = "text"
    return _record(0, [value])


def image(name: str, png: bytes, step: int) -> bytes:
    width, height = struct.unpack(">II", png[16:24])  # of the header chunk, first in every PNG
    picture = _summary().Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    return _record(step, [_summary().Value(tag=name, image=picture)])


def beginning() -> bytes:
    """The record that every file begins with."""
    from tensorboard.compat.proto.event_pb2 import Event

    return _framed(Event(wall_time=time.time(), file_version="brain.Event:2"))


def whole_records(content: bytes) -> tuple[int, list[Event]]:
    """How many bytes of `content` are whole records, and their events.

    A process that died while it wrote leaves a part of one at the end.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    at, events = 0, []
    while at + _LENGTH.size <= len(content):
        (size,) = _LENGTH.unpack_from(content, at)
        begin = at + _LENGTH.size + _CHECKSUM.size
        end = begin + size + _CHECKSUM.size
        if end > len(content):
            break
        events.append(Event.FromString(content[begin : begin + size]))
        at = end
    return at, events


def last_step(events: list[Event]) -> int:
    """The last step with numbers; 0 where there is none."""
    steps = [e.step for e in events for v in e.summary.value if v.HasField("simple_value")]
    return max(steps, default=0)


def _summary() -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary


def _record(step: int, values: list) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    return _framed(Event(wall_time=time.time(), step=step, summary=_summary()(value=values)))


def _framed(event: Event) -> bytes:
    data = event.SerializeToString()
    length = _LENGTH.pack(len(data))
    return b"".join(
        (length, _CHECKSUM.pack(masked_crc32c(length)), data, _CHECKSUM.pack(masked_crc32c(data)))
    )


def masked_crc32c(data: bytes) -> int:
    """The checksum of a record: CRC-32C (RFC 3720, B.4), rotated and offset as in TFRecord."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table
