"""The controller's port: what it counts, and when its probes say that it hangs."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from ipa.adapters.controller_metrics import SILENT_S, ControllerMetrics, outcome_of, served
from ipa.control import Turn
from ipa.domain import Allocation, Decision, Forecast, Observation, Plan
from ipa.errors import UsageError
from ipa.policy import Solution
from ipa.ports import Outcome

PLAN = Plan((Allocation("a", "x", "cpu", 1, 1, 1),))


def turn(decision: Decision, outcome: Outcome | None = None) -> Turn:
    seen = Observation(0.0, (7, 12), PLAN, True)
    return Turn(0.0, seen, Forecast(13.5, "last"), Solution(None, "", "auto", "", None, 0.02), decision, (), outcome)


@pytest.mark.parametrize(
    ("decision", "outcome", "wanted"),
    [
        (Decision(None, "the live plan is the best"), None, "kept"),
        (Decision(None, "held: no answer"), None, "held"),
        (Decision(PLAN, "better"), Outcome(True, 1.0), "applied"),
        (Decision(PLAN, "better"), Outcome(False, 1.0, "refused"), "failed"),
        (Decision(PLAN, "better"), Outcome(False, 1.0, "not ready", rolled_back=True), "rolled-back"),
    ],
)
def test_each_turn_has_one_outcome(decision: Decision, outcome: Outcome | None, wanted: str) -> None:
    assert outcome_of(turn(decision, outcome)) == wanted


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_its_port_says_what_was_decided_and_whether_it_lives() -> None:
    now = [1000.0]
    metrics = ControllerMetrics(lambda: now[0])
    metrics.watch("toy", lambda: True)
    with served(metrics, "127.0.0.1", 0) as port:
        assert get(port, "/readyz") == (503, "without a first turn: toy\n")
        assert get(port, "/healthz") == (200, "ok\n")
        assert 'ipa_metrics_age_seconds{pipeline="toy"} NaN' in get(port, "/metrics")[1]
        metrics.turned("toy", turn(Decision(None, "the live plan is the best")))
        now[0] += 30
        assert get(port, "/readyz") == (200, "ok\n")
        status, text = get(port, "/metrics")
        assert status == 200
        for line in (
            'ipa_decisions_total{outcome="kept",pipeline="toy"} 1.0',
            'ipa_decisions_total{outcome="failed",pipeline="toy"} 0.0',
            'ipa_metrics_age_seconds{pipeline="toy"} 30.0',
            'ipa_predicted_rps{pipeline="toy"} 13.5',
            'ipa_observed_rps{pipeline="toy"} 12.0',
            'ipa_solve_seconds_sum{pipeline="toy"} 0.02',
            'ipa_leading{pipeline="toy"} 1.0',
        ):
            assert f"{line}\n" in text
        now[0] += SILENT_S
        assert get(port, "/healthz") == (503, "silent: toy\n")
        metrics.beat("toy")  # as a rollout that waits does
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/other")[0] == 404


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    with (
        served(ControllerMetrics(), "127.0.0.1", 0) as port,
        pytest.raises(UsageError, match=f"--metrics-port {port}: cannot listen"),
        served(ControllerMetrics(), "127.0.0.1", port),
    ):
        pass
