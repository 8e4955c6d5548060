"""Modules as ONNX files: written by torch's exporter, their weights replaced or halved, and run."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from orchestrator.errors import WrongRequest

if TYPE_CHECKING:
    import onnx

INSTALL = "pip install 'ensemble-of-image-classifiers[onnx]'"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MOST_BYTES = 2**31 - 1  # of a file, which Protocol Buffers allow


def package_problems(packages: Sequence[str] = PACKAGES) -> list[str]:
    """What is not installed here."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return []
    are = "is" if len(missing) == 1 else "are"
    return [
        f"bundles of ONNX need {', '.join(missing)}, which {are} not installed. Install: {INSTALL}"
    ]


def graph_of(
    module: nn.Module, examples: Sequence[torch.Tensor], inputs: Sequence[str]
) -> onnx.ModelProto:
    """The module for any number of rows. examples: one a name in `inputs`, of two rows or more.

    Its weights keep their names in the module. Raises what torch's exporter does.
    """
    exported = torch.export.export(
        module,
        tuple(examples),
        dynamic_shapes=free_rows(len(examples), module),
        strict=False,
    )
    with _quiet():
        # not optimised: that would fold weights into each other, which are replaced later. The
        # runtime does it when it loads the file.
        program = torch.onnx.export(
            exported, dynamo=True, optimize=False, verbose=False,
            input_names=list(inputs), output_names=["probabilities"],
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for node in [*model.graph.node, *(n for own in model.functions for n in own.node)]:
        del node.metadata_props[:]  # paths of the machine that wrote it
        node.doc_string = ""
    return model


def free_rows(n_inputs: int, module: nn.Module) -> Any:
    """Of torch.export: the first axis of every input has any length, the same of all."""
    rows = torch.export.Dim.DYNAMIC if n_inputs == 1 else torch.export.Dim("rows")
    each = [{0: rows} for _ in range(n_inputs)]
    return tuple(each) if n_inputs == 1 else (tuple(each),)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not there."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def with_weights(model: onnx.ModelProto, state: Mapping[str, torch.Tensor]) -> onnx.ModelProto:
    """The same graph with another network's weights."""
    import onnx
    from onnx import numpy_helper

    other = onnx.ModelProto()
    other.CopyFrom(model)
    for weights in other.graph.initializer:
        if weights.name in state:
            values = state[weights.name].detach().contiguous().numpy()
            weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    return other


def halved(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """The same graph with the weights `names` in 16 bits, and a cast to 32 after each: computed is as
    before.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    other = onnx.ModelProto()
    other.CopyFrom(model)
    casts = []
    for weights in other.graph.initializer:
        if (name := weights.name) not in names:
            continue
        values = numpy_helper.to_array(weights)
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *other.graph.node]
    del other.graph.node[:]
    other.graph.node.extend(nodes)
    return other


def to_bytes(model: onnx.ModelProto, what: str) -> bytes:
    """Raises WrongRequest for a graph that is larger than a file can be."""
    if (size := model.ByteSize()) > MOST_BYTES:
        raise WrongRequest(
            f"{what}: {size / 1e9:.1f} GB of weights, and a file of ONNX holds 2.1 GB. Give --half, "
            "or --format safetensors."
        )
    return model.SerializeToString(deterministic=True)


class Session:
    """An ONNX file in memory, ready to be run."""

    def __init__(self, content: bytes, device: str = "cpu", threads: int | None = None):
        """device: as torch names it. Raises WrongRequest where the runtime is not installed or cannot
        use that device, and what the runtime raises for a file that is none.
        """
        if problems := package_problems(["onnxruntime"]):
            raise WrongRequest(problems)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            content, options, providers=_providers(device, onnxruntime.get_available_providers())
        )
        self.inputs = [own.name for own in self._session.get_inputs()]

    def run(self, *given: np.ndarray) -> np.ndarray:
        """The one output. given: in the order of the graph's inputs."""
        return self._session.run(None, dict(zip(self.inputs, given, strict=True)))[0]


def _providers(device: str, there: Sequence[str]) -> list[Any]:
    kind, _, number = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in there:
        return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]
