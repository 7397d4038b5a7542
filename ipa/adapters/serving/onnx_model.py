"""ONNX Runtime as an MLServer runtime: V2 tensors in, one `session.run`, V2 tensors out.

Only model_server imports this: mlserver and tritonclient both register the messages of package `inference` with
protobuf, and the second of them to be imported in one process fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mlserver import MLModel, ModelSettings
from mlserver.codecs import NumpyCodec
from mlserver.codecs.numpy import to_datatype
from mlserver.errors import InferenceError
from mlserver.settings import ModelParameters
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    RequestInput,
    ResponseOutput,
    TensorData,
)

from ipa.dataplane.tensors import DTYPES

# ONNX Runtime's type names → V2 datatypes; strings and maps have no fixed size and are not served.
_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
}


def open_session(path: Path, cores: int) -> Any:
    """An ONNX Runtime session on `cores` threads. Raises what ONNX Runtime raises if the file is no model."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Idle threads that spin would take the cores of the other replicas on this machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def warm_up(session: Any, calls: int) -> None:
    """Calls with one row of zeros; whatever else a model leaves open is 1."""
    feed = {}
    for node in session.get_inputs():
        sizes = [size if isinstance(size, int) else 1 for size in node.shape]
        feed[node.name] = np.zeros(sizes, DTYPES[_datatype(node)])
    for _ in range(calls):
        session.run(None, feed)


def settings_of(name: str, session: Any) -> ModelSettings:
    """MLServer's settings for a model; it serves in this process, so the open session travels with them.

    Raises ValueError if the model's tensors cannot be served.
    """
    return ModelSettings(
        implementation=OnnxModel,
        name=name,
        platform="onnxruntime",
        inputs=metadata_of(session.get_inputs()),
        outputs=metadata_of(session.get_outputs()),
        parameters=ModelParameters(extra={"session": session}),
    )


def metadata_of(nodes: Iterable[Any]) -> list[MetadataTensor]:
    """V2 metadata of a session's inputs or outputs; a dimension the model leaves open is −1."""
    return [
        MetadataTensor(name=node.name, datatype=_datatype(node), shape=[_dimension(size) for size in node.shape])
        for node in nodes
    ]


def _datatype(node: Any) -> str:
    if node.type not in _DATATYPES:
        raise ValueError(f"tensor {node.name!r} is a {node.type}: only numbers and booleans can be served")
    return _DATATYPES[node.type]


def _dimension(size: int | str | None) -> int:
    return size if isinstance(size, int) else -1


class OnnxModel(MLModel):  # type: ignore[misc]  # mlserver has no types
    async def load(self) -> bool:
        self._session = self.settings.parameters.extra["session"]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answers one batch. Raises InferenceError (400) if the tensors are not the model's inputs."""
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

        feed = self._feed(payload.inputs)
        try:
            # In the event loop on purpose: a replica has one batch in flight, and a thread would add a hop.
            results = self._session.run(None, feed)
        except InvalidArgument as error:
            raise InferenceError(" ".join(str(error).split())) from error
        encode = _as_array if _is_raw(payload.inputs) else _as_list
        outputs = [encode(tensor.name, result) for tensor, result in zip(self.outputs, results, strict=True)]
        return InferenceResponse.model_construct(model_name=self.name, outputs=outputs, parameters=None)

    def _feed(self, tensors: list[RequestInput]) -> dict[str, np.ndarray]:
        wanted = {tensor.name: tensor for tensor in self.inputs}
        names = [tensor.name for tensor in tensors]
        if sorted(names) != sorted(wanted):
            raise InferenceError(f"inputs {names}: the model takes exactly {list(wanted)}")
        return {tensor.name: _decode(tensor, wanted[tensor.name]) for tensor in tensors}


def _decode(tensor: RequestInput, wanted: MetadataTensor) -> np.ndarray:
    if tensor.datatype != wanted.datatype:
        raise InferenceError(f"input {tensor.name!r} is {tensor.datatype}: the model takes {wanted.datatype}")
    if not _fits(tensor.shape, wanted.shape):
        raise InferenceError(f"input {tensor.name!r} has shape {tensor.shape}: the model takes {wanted.shape}")
    data = _data(tensor)
    if isinstance(data, np.ndarray):
        return data
    try:
        array: np.ndarray = NumpyCodec.decode_input(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise InferenceError(f"input {tensor.name!r} does not hold {tensor.datatype}{tensor.shape}: {error}") from error
    return array


def _fits(shape: list[int], wanted: list[int]) -> bool:
    return len(shape) == len(wanted) and all(w in (-1, s) for s, w in zip(shape, wanted, strict=True))


def _data(tensor: RequestInput) -> Any:
    return getattr(tensor.data, "root", tensor.data)


def _is_raw(tensors: list[RequestInput]) -> bool:
    """Whether the request came with raw contents, which raw_tensors hands over as arrays."""
    return any(isinstance(_data(tensor), np.ndarray) for tensor in tensors)


def _as_list(name: str, array: np.ndarray) -> ResponseOutput:
    output = NumpyCodec.encode_output(name, array)
    output.shape = list(array.shape)  # the codec turns [n] into [n, 1]; the next stage takes what the model says
    return output


def _as_array(name: str, array: np.ndarray) -> ResponseOutput:
    """The output for a raw response: raw_tensors takes the array's bytes as they are."""
    return ResponseOutput.model_construct(
        name=name,
        datatype=to_datatype(array.dtype).value,
        shape=list(array.shape),
        data=TensorData.model_construct(root=array),
        parameters=None,
    )
