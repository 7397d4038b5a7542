"""V2 over gRPC: tritonclient's messages ↔ the router's values. Inputs raw or typed, outputs always raw. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tritonclient.grpc import service_pb2

from ipa.dataplane.protocol import GivenInput, InferRequest, ModelMetadata, checked_inputs, checked_outputs
from ipa.dataplane.tensors import DATATYPES, RequestError, Tensors

# The field of InferTensorContents for each datatype; FP16 has none and travels raw alone.
_CONTENTS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def parse_request(message: Any, model: ModelMetadata) -> InferRequest:
    """The request in a ModelInferRequest, checked against the model. Raises RequestError."""
    tensors, rows = checked_inputs(model, _given(message))
    outputs = checked_outputs(model, [output.name for output in message.outputs])
    return InferRequest(message.id, tensors, rows, outputs)


def response(model: ModelMetadata, request: InferRequest, tensors: Tensors) -> Any:
    """The ModelInferResponse, of the outputs that the request's way through the branches gave."""
    answer = service_pb2.ModelInferResponse(model_name=model.name, id=request.id)
    for name in request.outputs:
        if name in tensors:
            array = tensors[name]
            answer.outputs.add(name=name, datatype=DATATYPES[array.dtype], shape=array.shape)
            answer.raw_output_contents.append(array.tobytes())
    return answer


def metadata(model: ModelMetadata) -> Any:
    """The ModelMetadataResponse: what GET /v2/models/NAME answers."""
    answer = service_pb2.ModelMetadataResponse()
    for field, value in model.as_json().items():
        if isinstance(value, list):
            getattr(answer, field).extend(_tensor_metadata(row) if isinstance(row, dict) else row for row in value)
        else:
            setattr(answer, field, value)
    return answer


def _tensor_metadata(row: Mapping[str, Any]) -> Any:
    return service_pb2.ModelMetadataResponse.TensorMetadata(**row)


def _given(message: Any) -> Iterator[GivenInput]:
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise RequestError(
            f"{len(raw)} raw_input_contents for {len(message.inputs)} inputs; all inputs or none are raw"
        )
    for index, tensor in enumerate(message.inputs):
        if raw and tensor.contents.ListFields():
            raise RequestError(f"input {tensor.name[:60]!r}: has contents beside raw_input_contents")
        data = raw[index] if raw else _typed(tensor)
        yield GivenInput(tensor.name, tensor.datatype, list(tensor.shape), data)


def _typed(tensor: Any) -> list[Any]:
    """The elements in the field of the tensor's datatype; no other may hold any."""
    where, field = f"input {tensor.name[:60]!r}", _CONTENTS.get(tensor.datatype)
    if field is None:
        raise RequestError(f"{where}: datatype {tensor.datatype[:20]!r} has no typed contents; send it raw")
    filled = [descriptor.name for descriptor, _ in tensor.contents.ListFields()]
    if filled not in ([], [field]):
        raise RequestError(f"{where}: {tensor.datatype} belongs in {field}, not in {', '.join(filled)}")
    return list(getattr(tensor.contents, field))
