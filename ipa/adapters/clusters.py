"""Where a pipeline can run: one line a kind of `cluster.kind`, with a way to control it and one to change it once.

Another back end (KServe, Seldon) is another entry: it opens the ports of the loop and says what stands in its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ipa.adapters.clock import StoppableClock
from ipa.domain import UNCONSTRAINED, Config, Constraints, Plan
from ipa.ports import Clock, Cluster, Monitor, Outcome, Traffic

if TYPE_CHECKING:
    from ipa.control import Turn


class Recorder(Protocol):
    def append(self, document: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Controlled:
    """One pipeline's ports, open. `apply` changes it, or in a dry run says what that would do.

    `turned` is told each turn; `traffic` is for a tuner, None where the kind has none.
    """

    cluster: Cluster
    monitor: Monitor
    clock: Clock
    apply: Callable[[Plan], Outcome]
    journal: Recorder
    constraints: Callable[[], Constraints] = lambda: UNCONSTRAINED
    announce: Callable[[str], None] = lambda _: None
    turned: Callable[[Turn], None] = lambda _: None
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """As the command line has it. `once`: one turn; `ports`, `rate_rps` and `keep` are for what has to be started."""

    dry_run: bool
    once: bool
    keep: bool
    ports: tuple[int, int | None]
    rate_rps: float
    journal: Path | None
    metrics_port: int | None
    clock: StoppableClock


@dataclass(frozen=True, slots=True)
class Kind:
    """`control` is for the loop, and of several pipelines where the kind can; `attach` for one decision."""

    control: Callable[[Mapping[Path, Config], Terms], AbstractContextManager[tuple[Controlled, ...]]]
    attach: Callable[[Config, StoppableClock], tuple[Cluster, Monitor]]


# --- on this machine --------------------------------------------------------------------------------------------


@contextmanager
def _local(configs: Mapping[Path, Config], terms: Terms) -> Iterator[tuple[Controlled, ...]]:
    """A pipeline that runs already, or is started for as long. Raises UsageError for more than one."""
    from ipa.adapters.clock import SystemClock
    from ipa.adapters.journal import Journal
    from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
    from ipa.adapters.local_run import running, running_or_started
    from ipa.adapters.monitors import open_monitor
    from ipa.adapters.state import state_folder
    from ipa.errors import UsageError
    from ipa.report.adapt import dry

    if len(configs) != 1:
        rule = "several pipelines are adapted by one process with `cluster.kind: kubernetes` only"
        raise UsageError(f"{', '.join(map(str, configs))}: {rule}")
    if terms.metrics_port is not None:
        raise UsageError(f"--metrics-port {terms.metrics_port}: it is for `cluster.kind: kubernetes` only")
    ((path, config),) = configs.items()
    name = config.pipeline.name
    with ExitStack() as stack:
        if terms.dry_run:
            state = running(name)
        else:
            started = running_or_started(name, path, terms.ports, terms.rate_rps, keep=terms.keep)
            state = stack.enter_context(started)
        cluster = stack.enter_context(closing(LocalCluster(state)))
        monitor = stack.enter_context(closing(open_monitor(config, lambda: RouterMonitor(state))))
        journal = stack.enter_context(closing(Journal(terms.journal or state_folder(name) / "decisions.jsonl")))
        apply = dry if terms.dry_run else cluster.apply
        tuned = config.control.tuner != "off"
        traffic = stack.enter_context(closing(RouterMonitor(state))) if tuned else None
        yield (Controlled(cluster, monitor, SystemClock(), apply, journal, traffic=traffic),)


def _local_attached(config: Config, _: StoppableClock) -> tuple[Cluster, Monitor]:
    from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
    from ipa.adapters.local_run import running
    from ipa.adapters.monitors import open_monitor

    state = running(config.pipeline.name)
    return LocalCluster(state), open_monitor(config, lambda: RouterMonitor(state))


# --- in Kubernetes ----------------------------------------------------------------------------------------------


def _kubernetes(configs: Mapping[Path, Config], terms: Terms) -> AbstractContextManager[tuple[Controlled, ...]]:
    from ipa.adapters.kubernetes.control import controlled

    return controlled(configs, terms)


def _kubernetes_attached(config: Config, clock: StoppableClock) -> tuple[Cluster, Monitor]:
    from ipa.adapters.kubernetes.control import attached

    return attached(config, clock)


CLUSTERS: Mapping[str, Kind] = {
    "local": Kind(_local, _local_attached),
    "kubernetes": Kind(_kubernetes, _kubernetes_attached),
}


@contextmanager
def controlled(configs: Mapping[Path, Config], terms: Terms) -> Iterator[tuple[Controlled, ...]]:
    """Each pipeline under control, in the order of `configs`. Raises UsageError where the kinds differ."""
    from ipa.errors import UsageError

    kinds = list(dict.fromkeys(config.cluster.kind for config in configs.values()))
    if len(kinds) > 1:
        raise UsageError(f"cluster.kind: {' and '.join(kinds)}: one process adapts pipelines of one kind")
    with CLUSTERS[kinds[0]].control(configs, terms) as found:
        yield found
