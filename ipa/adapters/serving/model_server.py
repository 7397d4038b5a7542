"""`python -m ipa.adapters.serving.model_server`: one MLServer process that serves one ONNX model on loopback.

The start message, one JSON line on stdin: {"name", "model", "cores", "host", "http_port", "grpc_port"}. stdin is
also the lifeline: when the parent is gone, so is this process. Exits with one line on stderr and 1 if the model cannot
be loaded, PORT_TAKEN if a port is taken.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from ipa.adapters.serving.lifeline import read_start_message
from ipa.adapters.serving.loopback import check_free
from ipa.errors import ServingError

# The exit code that tells a lost race for a port, which is worth another try (EADDRINUSE's number on Linux).
PORT_TAKEN = 98

# Only what an operator should look at: MLServer logs every rejected request with its traceback otherwise.
_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "mlserver": {"level": "WARNING", "handlers": [], "propagate": True},
        "mlserver.grpc": {"level": "CRITICAL"},
        "grpc": {"level": "CRITICAL"},
    },
}


def main() -> None:
    sys.excepthook = _one_line
    start = read_start_message()
    # Checked first, because gRPC would share a taken port silently (SO_REUSEPORT).
    try:
        check_free(start["http_port"])
        check_free(start["grpc_port"])
    except ServingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(PORT_TAKEN)
    asyncio.run(_serve(start))


def serve_foreground(start: dict[str, Any], warm_up_calls: int) -> None:
    """The same without a parent: until SIGTERM or SIGINT, and warmed up before it says that it is ready."""
    sys.excepthook = _one_line
    asyncio.run(_serve(start, warm_up_calls))


def _one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    message = " ".join(str(error).split())
    sys.stderr.write(f"{kind.__name__}: {message}\n")


async def _serve(start: dict[str, Any], warm_up_calls: int = 0) -> None:
    from mlserver import MLServer

    from ipa.adapters.serving import raw_tensors
    from ipa.adapters.serving.onnx_model import open_session, settings_of, warm_up

    # Before MLServer, which would only log that a model cannot be loaded and go on without it.
    session = open_session(Path(start["model"]), start["cores"])
    model = settings_of(start["name"], session)
    warm_up(session, warm_up_calls)
    raw_tensors.install()
    await MLServer(_settings(start)).start([model])


def _settings(start: dict[str, Any]) -> Any:
    from mlserver import Settings

    settings = Settings(
        debug=False,
        host=start["host"],
        http_port=start["http_port"],
        grpc_port=start["grpc_port"],
        grpc_max_message_length=-1,
        parallel_workers=0,
        metrics_endpoint=None,
        load_models_at_startup=False,
        gzip_enabled=False,
        logging_settings=_LOGGING,
    )
    settings._custom_grpc_server_settings = {"grpc.so_reuseport": 0}
    return settings


if __name__ == "__main__":
    main()
