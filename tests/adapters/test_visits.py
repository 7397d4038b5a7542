"""Visits out of the router's own metrics."""

from __future__ import annotations

from ipa.adapters.visits import visits_of
from ipa.dataplane.metrics import Metrics
from tests.pipelines import two_stages


def test_a_stage_counts_what_it_answered_per_answer_of_the_pipeline() -> None:
    metrics = Metrics("p")
    metrics.requests.inc(12)
    metrics.answers.inc(10)
    for stage, answered in (("detect", 11), ("classify", 4)):
        for _ in range(answered):
            metrics.stage(stage).latency.observe(0.01)
    found = visits_of(metrics.text().decode(), two_stages())
    assert (found.answered, found.lost) == (10, 2)
    assert [(s.stage, s.answered, s.visits) for s in found.stages] == [("detect", 11, 1.1), ("classify", 4, 0.4)]
    assert [s.configured for s in found.stages] == [1.0, 1.0]


def test_before_the_first_answer_nothing_is_known() -> None:
    found = visits_of(Metrics("p").text().decode(), two_stages())
    assert [s.visits for s in found.stages] == [None, None]
