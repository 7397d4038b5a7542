"""`ipa solve --policy inferline`: the plan of a sample trace, its percentile there and how it came about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_app import ipa

CONFIG = str(Path(__file__).parent.parent.parent / "configs" / "video.yaml")
ON_SAMPLE = ("solve", CONFIG, "--policy", "inferline", "--dry-run", "--trace")


def test_a_sample_gives_the_rate_the_plan_and_the_actions() -> None:
    done = ipa(*ON_SAMPLE, "gamma:20:cv2x300s", "--output", "json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["rate_rps"] == pytest.approx(20, rel=0.15)
    assert [row["variant"] for row in found["plan"]] == ["yolov5x", "resnet152"]
    estimate = found["estimate"]
    assert 0 < estimate["latency_s"] <= 6.89
    assert estimate["requests"] == pytest.approx(300 * found["rate_rps"])
    assert estimate["actions"][-1]["cost"] == found["cost_cores"]
    assert [row["before"] for row in estimate["actions"][:2]] == [None, None]


def test_in_words() -> None:
    shown = ipa(*ON_SAMPLE, "poisson:5x120s").stdout
    assert "inferline: local optimum" in shown
    assert "plans asked for" in shown
    assert "  Initialise     detect: 2×yolov5x (cpu, 8 cores, batch 1)" in shown


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ((*ON_SAMPLE, "poisson:0x60s"), "--trace poisson:0x60s: has no request to plan on"),
        ((*ON_SAMPLE, "poisson:5x60s", "--explain"), "--policy inferline simulates one pipeline"),
        (("solve", CONFIG, "--trace", "poisson:5x60s", "--dry-run"), "only goes with --policy inferline"),
        ((*ON_SAMPLE, "poisson:5x60s", "--certify"), "and without --certify"),
    ],
)
def test_what_does_not_go_together_is_named(words: tuple[str, ...], rule: str) -> None:
    done = ipa(*words)
    assert done.returncode == 2
    assert rule in done.stderr


def test_certified_the_greedy_plan_is_only_the_first_incumbent() -> None:
    done = ipa("solve", CONFIG, "--policy", "inferline", "--rate", "10", "--certify", "--dry-run", "--output", "json")
    found = json.loads(done.stdout)
    assert found["cost_cores"] <= found["estimate"]["actions"][-1]["cost"]
    assert found["certificate"]["latency_s"] <= 6.89
