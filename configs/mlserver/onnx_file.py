"""A server as somebody may run it already: an ONNX file as an MLServer model. Nothing of ipa is in it.

PYTHONPATH=configs/mlserver mlserver start configs/mlserver
"""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri
from onnxruntime import InferenceSession


class OnnxFile(MLModel):
    async def load(self) -> bool:
        self._session = InferenceSession(await get_model_uri(self.settings))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feed = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        names = [tensor.name for tensor in self.outputs]
        results = self._session.run(names, feed)
        outputs = [NumpyCodec.encode_output(name, result) for name, result in zip(names, results, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
