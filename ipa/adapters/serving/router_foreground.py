"""`ipa router`: the data plane in this process, in front of servers that somebody else runs, or a cluster."""

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
from ipa.dataplane.feed import ADMIN_HOST, Feed, Put
from ipa.dataplane.plan import PlanError, RoutePlan, parse_plan
from ipa.dataplane.running import Ports, listen, run
from ipa.dataplane.start import parse_start
from ipa.domain import Config, Pipeline
from ipa.errors import UsageError

TOKEN_VARIABLE = "IPA_ADMIN_TOKEN"
TOKEN_FILE = "admin-token"
FINISH_S = 9.0  # what is under way when a signal comes; all is over within 10 s


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the router is to listen; a port of 0 is any free one.

    The admin port is on loopback whatever the host, unless it cannot change anything (follow_cluster).
    """

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
    with _admin_token(config.pipeline.name) as (token, where):

        def tell(ports: Ports) -> None:
            announce(f"plans are taken on http://{ADMIN_HOST}:{ports.admin_port}/plan with the token in {where}")
            ready = f"ready: http://{at.host}:{ports.port}/v2/models/{config.pipeline.name}"
            announce("no plan is routed yet" if plan is None else ready)

        _run(config, Put(token, plan), token, at, announce, tell)


def follow_cluster(config: Config, at: Listen, announce: Callable[[str], None]) -> None:
    """As run_router, with the plans and endpoints of `config.cluster`; the second port tells and takes nothing.

    Raises UsageError if there is no way into the cluster, ServingError if a port cannot be had.
    """
    from ipa.adapters.kubernetes.connection import Connection
    from ipa.adapters.kubernetes.credentials import client_of
    from ipa.adapters.kubernetes.follow import Following
    from ipa.adapters.kubernetes.names import plan_map

    kubeconfig = config.cluster.kubeconfig
    client, namespace = client_of(str(kubeconfig) if kubeconfig else None, config.cluster.context)
    namespace = config.cluster.namespace or namespace

    def tell(ports: Ports) -> None:
        where = f"http://{at.host}:{ports.admin_port}"
        announce(f"follows ConfigMap {plan_map(config.pipeline.name)} of namespace {namespace}, tells on {where}")

    feed = Following(config.pipeline, Connection(client, namespace), at.host)
    _run(config, feed, "unused", at, announce, tell)


def _run(
    config: Config,
    feed: Feed,
    token: str,
    at: Listen,
    announce: Callable[[str], None],
    tell: Callable[[Ports], None],
) -> None:
    ports = at.ports
    message = start_message(config, ports.port, ports.grpc_port, ports.admin_port, token) | {"host": at.host}
    start = parse_start(json.dumps(message).encode())

    def begun(ports: Ports) -> None:
        rest, grpc = f"http://{at.host}:{ports.port}", f"{at.host}:{ports.grpc_port}"
        announce(f"{config.pipeline.name} listens on {rest} and for gRPC on {grpc}")
        tell(ports)

    run(start, listen(start, feed.host), feed, FINISH_S, begun)


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
