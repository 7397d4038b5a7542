"""`ipa router`: the data plane in this process, in front of servers that somebody else runs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ipa.adapters import state
from ipa.adapters.files import read_text
from ipa.adapters.serving.router_process import start_message
from ipa.dataplane.plan import PlanError, RoutePlan, parse_plan
from ipa.dataplane.running import ADMIN_HOST, Ports, listen, run
from ipa.dataplane.start import parse_start
from ipa.domain import Config, Pipeline
from ipa.errors import UsageError

TOKEN_VARIABLE = "IPA_ADMIN_TOKEN"
TOKEN_FILE = "admin-token"
FINISH_S = 9.0  # what is under way when a signal comes; all is over within 10 s


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the router is to listen; a port of 0 is any free one. The admin port is on loopback whatever the host."""

    host: str
    ports: Ports


def read_route_plan(path: Path, pipeline: Pipeline) -> RoutePlan:
    """A file with the document of PUT /plan. Raises UsageError."""
    try:
        return parse_plan(read_text(path).encode(), [stage.name for stage in pipeline.stages])
    except PlanError as error:
        raise UsageError(f"{path}: {error}") from error


def run_router(config: Config, plan: RoutePlan | None, at: Listen, announce: Callable[[str], None]) -> None:
    """Routes until SIGTERM or SIGINT; `announce` takes a line about what has been reached.

    Raises UsageError for a broken token, ServingError if a port cannot be had or a server does not fit, Unavailable if
    one does not answer.
    """
    name = config.pipeline.name
    with _admin_token(name) as (token, where):
        ports = at.ports
        message = start_message(config, ports.port, ports.grpc_port, ports.admin_port, token) | {"host": at.host}
        start = parse_start(json.dumps(message).encode())

        def tell(ports: Ports) -> None:
            url = f"http://{at.host}:{ports.port}"
            announce(f"{name} listens on {url} and for gRPC on {at.host}:{ports.grpc_port}")
            announce(f"plans are taken on http://{ADMIN_HOST}:{ports.admin_port}/plan with the token in {where}")
            announce("no plan is routed yet" if plan is None else f"ready: {url}/v2/models/{name}")

        run(start, listen(start), plan, FINISH_S, tell)


@contextlib.contextmanager
def _admin_token(name: str) -> Iterator[tuple[str, str]]:
    """The token and where its owner finds it: never printed, as what is printed ends in logs that others read."""
    given = os.environ.get(TOKEN_VARIABLE)
    if given is not None:
        if not (given.isascii() and given.isprintable() and given.strip() == given != ""):
            raise UsageError(f"{TOKEN_VARIABLE}: must be printable ASCII without spaces around it, and not empty")
        yield given, f"${TOKEN_VARIABLE}"
        return
    with state.claim(name) as folder:  # a folder of this user alone, and one router or run of the name at a time
        file = folder / TOKEN_FILE
        file.unlink(missing_ok=True)  # what a killed router left
        token = secrets.token_urlsafe(32)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as private:
            private.write(token)
        try:
            yield token, str(file)
        finally:
            file.unlink(missing_ok=True)
