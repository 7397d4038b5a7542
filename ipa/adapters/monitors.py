"""Where arrivals can be read: one line a kind of `monitor.kind`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ipa.adapters.prometheus import PrometheusMonitor
from ipa.domain import Config
from ipa.ports import Monitor


class OpenMonitor(Monitor, Protocol):
    """One that holds a connection."""

    def close(self) -> None: ...


OfRouter = Callable[[], OpenMonitor]
"""What the router counts: whoever knows where it runs, here or in a cluster, knows how to ask it."""

MONITORS: Mapping[str, Callable[[Config, OfRouter], OpenMonitor]] = {
    "router": lambda _, of_router: of_router(),
    "prometheus": lambda config, _: PrometheusMonitor(config.pipeline.name, config.monitor),
}


def open_monitor(config: Config, of_router: OfRouter) -> OpenMonitor:
    """The monitor of `monitor.kind`; close() it at the end. Raises what opening it raises."""
    return MONITORS[config.monitor.kind](config, of_router)
