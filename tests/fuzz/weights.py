"""Weights files that were changed: bytes, and tensors of other names, shapes, dtypes and kinds."""

from __future__ import annotations

import io
import json
from typing import Any

import safetensors.torch
import torch
from hypothesis import strategies as st

from tests.fuzz import edits

_DTYPES = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool,
           torch.complex64)  # fmt: skip
_OTHER: tuple[Any, ...] = (
    None, 1, "x", [], {}, [1, 2], {"a": torch.zeros(2)}, torch.zeros(0), torch.tensor(1.0),
    torch.full((2, 2), float("nan")), torch.zeros(1, 2, 3, 4, 5), torch.eye(2).to_sparse(),
    torch.empty(3, device="meta"),
)  # fmt: skip
_WRAPPED = ("state_dict", "model", "model_ema", "state_dict_ema", "module", "weights", "")


def changed_weights(content: bytes) -> st.SearchStrategy[bytes]:
    """The header is as likely to be hit as the tensors behind it."""
    if content[8:9] == b"{":
        tensors, save = safetensors.torch.load(content), _safetensors
        length = 8 + int.from_bytes(content[:8], "little")
    else:
        tensors, save = torch.load(io.BytesIO(content), weights_only=True), _pickled
        length = 400
    name = st.sampled_from(list(tensors.get("state_dict", tensors)))
    edit = st.tuples(
        st.sampled_from(
            ("dtype", "shape", "rename", "drop", "other", "nan", "key", "wrap", "alone")
        ),
        name,
        st.sampled_from(_DTYPES),
        st.sampled_from(_OTHER),
        st.sampled_from(("x", "", "0", "é", "module.", "fc.weight", "head.weight")),
    )
    changed = st.lists(edit, min_size=1, max_size=2).map(lambda e: save(_edited(tensors, e)))
    header = edits.changed_bytes(content[:length], most=4).map(lambda h: h + content[length:])
    tail = edits.changed_bytes(content[-600:], most=4).map(lambda t: content[:-600] + t)
    found = [changed, header, tail, edits.changed_bytes(content)]
    if save is _safetensors:
        described = edits.changed_tree(json.loads(content[8:length])).map(json.dumps)
        found.append(
            described.map(lambda t: len(t).to_bytes(8, "little") + t.encode() + content[length:])
        )
    return st.one_of(found)


def _edited(tensors: dict[str, Any], changes: list[tuple]) -> Any:
    found: Any = dict(tensors.get("state_dict", tensors))
    for kind, name, dtype, other, text in changes:
        if not isinstance(found, dict) or name not in found:
            continue
        tensor = found[name]
        plain = isinstance(tensor, torch.Tensor)
        if kind == "dtype" and plain:
            found[name] = tensor.to(dtype)
        elif kind == "shape" and plain:
            found[name] = tensor.flatten()[: max(1, tensor.numel() // 2)].clone()
        elif kind == "nan" and plain and tensor.is_floating_point():
            found[name] = torch.full_like(tensor, float("nan"))
        elif kind == "rename":
            found = {text if key == name else key: value for key, value in found.items()}
        elif kind == "drop":
            del found[name]
        elif kind == "other":
            found[name] = other
        elif kind == "key":
            found = {5 if key == name else key: value for key, value in found.items()}
        elif kind == "wrap":
            found = {_WRAPPED[len(text) % len(_WRAPPED)]: found, "epoch": 3}
        elif kind == "alone":
            found = other
    return found


def _safetensors(value: Any) -> bytes:
    """Those of the tensors that the format has."""
    named = value if isinstance(value, dict) else {}
    kept = {
        str(name): tensor.contiguous()
        for name, tensor in named.items()
        if isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
    }
    return safetensors.torch.save(kept)


def _pickled(value: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()
