"""Published or given weights: found, read, and matched to the names of a network.

A source is a path to a file, or `package:NAME` for an installed Python package that carries one.
"""

from __future__ import annotations

import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from members.errors import BadInput, first_line
from members.networks.timm_import import timm
from members.networks.weights_file import PACKAGE, require_weights_file

Weights = dict[str, torch.Tensor]


def read_weights(source: str) -> tuple[Weights, bool]:
    """Tensors by name, in the file's order, and whether they may be matched by position.

    Only a package's may: there, the author of the spec has no way to rename them. Raises BadInput.
    """
    package, path = source.startswith(PACKAGE), require_weights_file(source)
    _require_unpacked(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch, about how a pickle is written
            # unwraps {"state_dict": ...}, "module."; without weights_only, a file may run any code
            weights = timm.models.load_state_dict(str(path), weights_only=True)
    except Exception as error:  # torch, timm and the unpickler raise what they like
        why = first_line(error)
        if "weights_only" in str(error) or "Weights only" in str(error):
            why = (
                "it holds more than tensors, which may run code and is not read. Load it where you "
                "trust it, and save its state_dict() alone"
            )
        raise BadInput(f"pretrained: {path} cannot be read as weights: {why}") from error
    if not isinstance(weights, Mapping) or not weights:
        raise BadInput(f"pretrained: {path} holds no plain tensors by name")
    wrong = [text for name, value in weights.items() if (text := _unusable(name, value))]
    if wrong:
        more = f"; {len(wrong)} such" if len(wrong) > 1 else ""
        raise BadInput(f"pretrained: {path} holds no plain tensors by name ({wrong[0]}{more})")
    return dict(weights), package


def _unusable(name: object, value: object) -> str | None:
    """Why no network can start from what stands under a name, or None."""
    if not isinstance(name, str):
        return f"{name!r} is no name"
    if not isinstance(value, torch.Tensor):
        return f"{name!r} is a {type(value).__name__}"
    if value.layout != torch.strided or value.is_meta or value.is_quantized or value.is_complex():
        return f"{name!r} is sparse, quantised, complex or without values"
    if value.is_floating_point() and not torch.isfinite(value.float()).all():
        return f"{name!r} has NaN or infinite values"
    return None


def _require_unpacked(path: Path) -> None:
    """Raise BadInput for an archive that unpacks to more than it holds: torch compresses none."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except Exception:  # an archive can be damaged in many ways: torch says what is wrong with it
        return
    size = path.stat().st_size
    if unpacked > size:
        raise BadInput(
            f"pretrained: {path} is a compressed archive of {size:,} bytes that unpacks to "
            f"{unpacked:,}, and torch writes none. Load it where you trust it, and save it anew"
        )


def start_from(
    model: nn.Module, weights: Mapping[str, torch.Tensor], by_position: bool, described: str
) -> Weights:
    """What `model` takes over from `weights`: name in the model -> tensor.

    By name, after timm's own conversion of the architecture's published formats (renamed layers,
    position tables of another size). Where no name agrees and `by_position` is allowed: in order,
    each pair equal in shape and in the last part of its name. The head is left out where its shape
    differs; anything else that is missing, left over or of another shape raises BadInput.
    """
    body = _without_counters(model.state_dict())
    head = _head_names(model, body)
    given = _without_counters(_converted(model, weights))
    if by_position and not set(given) & set(body):
        given = _renamed_by_position(body, head, _without_counters(weights), described)
    # a head of another size is what fine-tuning is about
    mismatched = {n for n in body if n in given and given[n].shape != body[n].shape}
    matched = {n: given[n] for n in body if n in given and n not in mismatched}
    head_of_given = {n for n in given if n in head or is_head(model, n)}
    problems = [
        *(f"{n} is missing" for n in body if n not in given and n not in head),
        *(f"{n} is not in the network" for n in given if n not in body and n not in head_of_given),
        *(
            f"{n} is {tuple(given[n].shape)} instead of {tuple(body[n].shape)}"
            for n in sorted(mismatched - head)
        ),
        *(
            f"{n} is {given[n].dtype} instead of {body[n].dtype}"
            for n in matched
            if given[n].is_floating_point() != body[n].is_floating_point()
        ),
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (" ..." if len(problems) > 5 else "")
        raise BadInput(
            f"pretrained: the weights do not fit {described}: {len(problems)} of {len(body)} "
            f"tensors differ: {shown}. Name the model that they were trained with"
        )
    return matched


def _without_counters(weights: Mapping[str, torch.Tensor]) -> Weights:
    """Without batch norm's step counters, which older files lack and nothing here reads."""
    return {n: t for n, t in weights.items() if not n.endswith("num_batches_tracked")}


def is_head(model: nn.Module, name: str) -> bool:
    """Whether the tensor `name` belongs to the last layer, by timm's record of the architecture."""
    heads = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or ()
    return name.startswith(tuple(f"{h}." for h in ((heads,) if isinstance(heads, str) else heads)))


def _head_names(model: nn.Module, names: Mapping[str, torch.Tensor]) -> set[str]:
    return {name for name in names if is_head(model, name)}


def _converted(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> Weights:
    """Through the filter that timm keeps beside the architecture, where it has one."""
    convert: Callable | None = getattr(
        sys.modules[type(model).__module__], "checkpoint_filter_fn", None
    )
    if convert is None:
        return dict(weights)
    try:
        return convert(dict(weights), model)
    except (KeyError, RuntimeError, AttributeError, IndexError, ValueError, TypeError):
        return dict(weights)  # not a format of timm's: the comparison below says what differs


def _renamed_by_position(
    body: Weights, head: set[str], given: Mapping[str, torch.Tensor], described: str
) -> Weights:
    if len(given) != len(body):
        raise BadInput(
            f"pretrained: no tensor of the file has a name of {described}, and by position they "
            f"do not match either: the file holds {len(given)} tensors, the network {len(body)}"
        )
    renamed = {}
    for (source, tensor), (target, own) in zip(given.items(), body.items(), strict=True):
        same_part = source.rpartition(".")[2] == target.rpartition(".")[2]
        if not same_part or (tensor.shape != own.shape and target not in head):
            raise BadInput(
                f"pretrained: by position, {source} {tuple(tensor.shape)} of the file falls on "
                f"{target} {tuple(own.shape)} of {described}; name the model that the file is for"
            )
        renamed[target] = tensor
    return renamed
