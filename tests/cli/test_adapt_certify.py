"""`ipa adapt` under `control.certify`, on real servers."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.adapters.serving.processes import wait_until
from tests.cli.test_adapt import adapting, applied, config, journal, load

__all__ = ["config"]

pytestmark = pytest.mark.slow


def test_a_live_plan_that_would_miss_its_percentile_is_left_for_one_that_passes(config: Path) -> None:
    """by3 carries 10 requests/s: at 9 it is 90 % busy, which averages allow and a p99 within 1 s does not."""
    text = config.read_text().replace("slo: {latency: 2s}", "slo: {latency: 1s}")
    config.write_text(text.replace("interval: 1s, hold: 2s", "interval: 2s, hold: 2s, certify: true"))
    with adapting(config) as process:
        summary = load(config, "constant:9x10s")
        wait_until(lambda: "by2" in applied(), "the light variant")
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "the live plan misses p99 in simulation" in out
    assert summary["sent"] == summary["answered"] == 90
    turn = next(turn for turn in journal() if turn["reason"] == "the live plan misses p99 in simulation")
    assert turn["apply"][0]["variant"] == "by2"
    assert turn["certificate"]["requests"] == 100_000
    assert turn["certificate"]["slo_share"] >= 0.99
