"""`serving: {runtime: onnx, models: FOLDER}`: an MLServer process a replica, with the file STAGE/VARIANT.onnx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from ipa.adapters.serving.child import spawn
from ipa.adapters.serving.loopback import HOST, held_ports
from ipa.adapters.serving.runtime import At, Runtime, Spawned
from ipa.domain import Allocation, Config
from ipa.errors import ServingError, Violation


@dataclass(frozen=True, slots=True)
class OnnxServer:
    """An ONNX file on `cores` threads."""

    model: Path
    cores: int

    @property
    def warm_up_calls(self) -> int:
        """A first call at each batch costs more than the next: ONNX Runtime plans its memory then."""
        return 3

    async def spawn(self, name: str, log: Path, until_warm: ExitStack) -> Spawned:
        http_port, grpc_port = until_warm.enter_context(held_ports(2))
        message = {
            "name": name,
            "model": str(self.model.resolve()),
            "cores": self.cores,
            "host": HOST,
            "http_port": http_port,
            "grpc_port": grpc_port,
        }
        child = await spawn("ipa.adapters.serving.model_server", message, log)
        return Spawned(child, f"{HOST}:{grpc_port}")

    def serve(self, name: str, at: At) -> None:
        from ipa.adapters.serving import model_server

        if not self.model.is_file():
            raise ServingError(f"{self.model} is missing, the model of {name}")
        message = {"name": name, "model": str(self.model), "cores": self.cores, **asdict(at)}
        model_server.serve_foreground(message, self.warm_up_calls)

    def __str__(self) -> str:
        return str(self.model)


def model_file(models: Path, stage: str, variant: str) -> Path:
    return models / stage / f"{variant}.onnx"


def _server(config: Config, a: Allocation) -> OnnxServer:
    assert config.serving.models is not None, "checked by problems"
    return OnnxServer(model_file(config.serving.models, a.stage, a.variant), a.cores)


def _problems(config: Config) -> Iterator[Violation]:
    models = config.serving.models
    if models is None:
        yield Violation("serving.models", "is missing: the folder with the files STAGE/VARIANT.onnx")
        return
    for stage in config.pipeline.stages:
        for variant in stage.variants:
            path = model_file(models, stage.name, variant.name)
            if not path.is_file():
                yield Violation("serving.models", f"{path} is missing, the model of {stage.name}/{variant.name}")


ONNX = Runtime(_problems, _server)
