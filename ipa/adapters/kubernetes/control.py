"""Puts the parts together: connections, a lease for each pipeline, journal, events and metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipa.adapters.clock import StoppableClock
from ipa.adapters.clusters import Controlled, Recorder, Terms
from ipa.adapters.controller_metrics import ControllerMetrics, served
from ipa.adapters.journal import Journal
from ipa.adapters.kubernetes.cluster import KubernetesCluster
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.credentials import client_of, is_inside
from ipa.adapters.kubernetes.elector import Elector
from ipa.adapters.kubernetes.events import Events
from ipa.adapters.kubernetes.journal import ClusterJournal
from ipa.adapters.kubernetes.rollout import Surroundings
from ipa.adapters.monitors import OpenMonitor, open_monitor
from ipa.domain import Config
from ipa.ports import Cluster, Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubernetes.client import ApiClient

    from ipa.adapters.kubernetes.router_monitor import RoutersMonitor
    from ipa.control import Turn


@contextmanager
def controlled(configs: Mapping[Path, Config], terms: Terms) -> Iterator[tuple[Controlled, ...]]:
    """Several pipelines share a client where they share a server; each has its lease. Raises UsageError or Refused."""
    metrics = ControllerMetrics()
    with ExitStack() as stack:
        if terms.metrics_port is not None:
            stack.enter_context(served(metrics, _host(), terms.metrics_port))
        clients = _Clients()
        stack.callback(clients.close)
        each = [(config, clients.connection(config)) for config in configs.values()]
        yield tuple(_controlled(config, terms, connection, metrics, stack) for config, connection in each)


def attached(config: Config, clock: StoppableClock) -> tuple[Cluster, Monitor]:
    """To look at one pipeline and change it once: the lease is taken for the time of the change."""
    connection = _Clients().connection(config)
    elector = Elector(connection, config.pipeline.name)
    world = _surroundings(config, connection, elector, clock.pause)
    return KubernetesCluster(world, elector), _monitor(config, connection)


def _controlled(
    config: Config, terms: Terms, connection: Connection, metrics: ControllerMetrics, stack: ExitStack
) -> Controlled:
    name = config.pipeline.name
    elector = None if terms.dry_run else Elector(connection, name)
    metrics.watch(name, elector.leads if elector else lambda: False)

    def pause(seconds: float) -> bool:
        metrics.beat(name)
        return terms.clock.pause(seconds)

    def turned(turn: Turn) -> None:
        metrics.turned(name, turn)

    world = _surroundings(config, connection, elector, pause)
    cluster = KubernetesCluster(world, elector)
    monitor = stack.enter_context(closing(_monitor(config, connection)))
    if elector is not None:
        stack.callback(elector.stop)
        if terms.once:  # its only turn waits for a lease whose holder may have died
            elector.acquire(terms.clock.pause)
        elector.start()
    return Controlled(
        cluster,
        monitor,
        terms.clock,
        cluster.try_out if elector is None else cluster.apply,
        _journal(terms, world, elector, stack),
        cluster.constraints,
        cluster.announce,
        turned,
        None if config.control.tuner == "off" else stack.enter_context(closing(_routers(config, connection))),
    )


def _surroundings(
    config: Config, connection: Connection, elector: Elector | None, pause: Callable[[float], bool]
) -> Surroundings:
    guarded = connection if elector is None else connection.guarded(elector.guard)
    return Surroundings(config, guarded, pause, Events(connection).tell)


def _journal(terms: Terms, world: Surroundings, elector: Elector | None, stack: ExitStack) -> Recorder:
    """The ConfigMap that `ipa history` reads, and also a file where one is named."""
    in_cluster = ClusterJournal(world.connection, world.pipeline, elector)
    if terms.journal is None:
        return in_cluster
    return _Both(in_cluster, stack.enter_context(closing(Journal(terms.journal))))


@dataclass(frozen=True, slots=True)
class _Both:
    first: Recorder
    second: Recorder

    def append(self, document: Mapping[str, Any]) -> None:
        self.first.append(document)
        self.second.append(document)


def _monitor(config: Config, connection: Connection) -> OpenMonitor:
    return open_monitor(config, lambda: _routers(config, connection))


def _routers(config: Config, connection: Connection) -> RoutersMonitor:
    from ipa.adapters.kubernetes.router_monitor import RoutersMonitor, by_proxy

    ask = None if is_inside(*_where(config)) else by_proxy(connection)
    return RoutersMonitor(connection, config.pipeline.name, ask)


def _host() -> str:
    """Probes and Prometheus come from outside of a pod; elsewhere nobody but this machine has to ask."""
    return "0.0.0.0" if "KUBERNETES_SERVICE_HOST" in os.environ else "127.0.0.1"


def _where(config: Config) -> tuple[str | None, str | None]:
    """The kubeconfig and the context that are configured."""
    return str(config.cluster.kubeconfig) if config.cluster.kubeconfig else None, config.cluster.context


class _Clients:
    """One client for each kubeconfig and context."""

    def __init__(self) -> None:
        self._found: dict[tuple[str | None, str | None], tuple[ApiClient, str]] = {}

    def connection(self, config: Config) -> Connection:
        """Raises UsageError where there is no cluster to speak to."""
        key = _where(config)
        if key not in self._found:
            self._found[key] = client_of(*key)
        client, namespace = self._found[key]
        return Connection(client, config.cluster.namespace or namespace)

    def close(self) -> None:
        for client, _ in self._found.values():
            client.close()
