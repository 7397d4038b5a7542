"""The registry of monitors."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import get_args

from ipa.adapters.monitors import MONITORS, open_monitor
from ipa.adapters.prometheus import PrometheusMonitor
from ipa.config.schema import MonitorSpec
from ipa.domain import Config, MonitorSettings, Pipeline, Slo


class Counting:
    def arrivals(self, window_s: float) -> tuple[int, ...]:
        return (1, 2)

    def close(self) -> None: ...


def test_each_kind_of_the_config_has_a_monitor() -> None:
    assert set(MONITORS) == set(get_args(MonitorSpec.model_fields["kind"].annotation))


def test_the_routers_own_counts_are_asked_for_unless_prometheus_is_named() -> None:
    router = Counting()
    config = Config(Pipeline("pipe", (), Slo(1.0, 2.0)), Path("profile"))
    assert open_monitor(config, lambda: router) is router
    config = Config(config.pipeline, config.profiles, monitor=MonitorSettings("prometheus", "http://127.0.0.1:9090"))
    with closing(open_monitor(config, lambda: router)) as opened:
        assert isinstance(opened, PrometheusMonitor)
