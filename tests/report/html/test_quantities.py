"""Quantities in people's units."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ipa.report.html import quantities as q


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (q.latency(0.25), "250 ms"),
        (q.latency(6.89), "6.89 s"),
        (q.latency(None), "–"),
        (q.share(1.0), "100 %"),
        (q.share(0.99999), "99.99 %"),
        (q.share(0.1234), "12.34 %"),
        (q.number(1234567), "1,234,567"),
        (q.number(12345.6), "12,346"),
        (q.number(0.123456), "0.1235"),
        (q.span(45), "45 s"),
        (q.span(1200), "20 min"),
        (q.span(1210), "20 min 10 s"),
        (q.span(3600), "1 h"),
        (q.span(90_000), "1 d 1 h"),
        (q.moment(3725, None), "1:02:05"),
        (q.moment(65, datetime(2026, 1, 2, 23, 59, 0, tzinfo=UTC)), "+1d 00:00:05"),
        (q.plural(1, "turn"), "1 turn"),
        (q.plural(1000, "turn"), "1,000 turns"),
    ],
)
def test_words(said: str, expected: str) -> None:
    assert said == expected
