"""A connection to where a pipeline runs, for commands that look at it or change it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.credentials import client_of
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.observe import observe
from ipa.adapters.kubernetes.way import Size
from ipa.domain import Config


@contextmanager
def connected(config: Config, namespace: str | None = None) -> Iterator[Connection]:
    """`namespace`: before the config's, before the context's. Raises UsageError where there is no cluster."""
    settings = config.cluster
    client, default = client_of(str(settings.kubeconfig) if settings.kubeconfig else None, settings.context)
    with client:
        yield Connection(client, namespace or settings.namespace or default)


def live_sizes(connection: Connection, config: Config) -> dict[Server, Size]:
    """What each Deployment of the pipeline is set to. Raises Unavailable, Refused or ServingError."""
    stages = [stage.name for stage in config.pipeline.stages]
    seen = observe(connection, config.pipeline.name, stages)
    return {d.server: Size(d.replicas, d.cores) for d in seen.deployments}
