from __future__ import annotations

import pytest

from ipa.domain import Measurement
from ipa.latency import Unfit, points_by_server


def row(batch: int, mean_s: float, p99_s: float | None = None, cores: int = 1) -> Measurement:
    return Measurement("detect", "small", "cpu", cores, batch, mean_s, latency_p99_s=p99_s)


def test_rows_are_grouped_by_server_and_sorted_by_batch() -> None:
    rows = [row(4, 0.4), row(1, 0.1), row(1, 0.05, cores=2)]
    assert points_by_server(rows, "mean") == {
        ("detect", "small", "cpu", 1): ((1, 0.1), (4, 0.4)),
        ("detect", "small", "cpu", 2): ((1, 0.05),),
    }


def test_the_percentile_picks_the_column() -> None:
    assert points_by_server([row(1, 0.1, 0.3)], "99") == {("detect", "small", "cpu", 1): ((1, 0.3),)}


def test_a_missing_percentile_is_named() -> None:
    with pytest.raises(Unfit, match=r"detect/small on cpu with 1 cores, batch 4: .* percentile 99"):
        points_by_server([row(4, 0.4)], "99")
