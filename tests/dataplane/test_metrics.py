from __future__ import annotations

from ipa.dataplane.metrics import Metrics


def test_every_count_is_there_from_the_start() -> None:
    metrics = Metrics("pipe")
    metrics.stage("one")
    lines = metrics.text().decode().splitlines()
    for line in (
        'ipa_requests_total{pipeline="pipe"} 0.0',
        "ipa_answers_total 0.0",
        "ipa_errors_total 0.0",
        *(f'ipa_drops_total{{reason="{r}"}} 0.0' for r in ("deadline", "queue-full", "unavailable", "disconnected")),
        'ipa_replica_failures_total{stage="one"} 0.0',
        *(f'ipa_retries_total{{cause="{cause}",stage="one"}} 0.0' for cause in ("replica", "model")),
        'ipa_queue_wait_seconds_count{stage="one"} 0.0',
        "ipa_arrivals_per_second 0.0",
    ):
        assert line in lines


def test_the_arrivals_of_the_last_second_and_the_most_of_ten() -> None:
    seconds = [9, 99, 3, 0, 7, 1, 1, 1, 1, 1, 1, 1, 4]
    metrics = Metrics("pipe")
    metrics.watch_arrivals(lambda window_s: seconds[-window_s:])
    lines = metrics.text().decode().splitlines()
    assert "ipa_arrivals_per_second 4.0" in lines
    assert "ipa_arrivals_per_second_max 7.0" in lines
    seconds.clear()
    assert "ipa_arrivals_per_second_max 0.0" in metrics.text().decode().splitlines(), "not a whole second yet"
