from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.latency.points import Unfit
from ipa.latency.service_time import service_time_s


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.integers(1, 64), st.floats(0.001, 10), min_size=2, max_size=6),
    st.integers(1, 64),
)
def test_between_measured_batches_it_is_numpy_interp(points: dict[int, float], requests: int) -> None:
    batches = sorted(points)
    requests = min(max(requests, batches[0]), batches[-1])
    expected = np.interp(requests, batches, [points[batch] for batch in batches])
    assert service_time_s(tuple(points.items()), requests) == pytest.approx(expected)


def test_the_end_segments_are_extended() -> None:
    points = ((2, 0.2), (4, 0.3), (8, 0.7))
    assert service_time_s(points, 1) == pytest.approx(0.15)
    assert service_time_s(points, 10) == pytest.approx(0.9)


def test_an_extended_segment_never_gives_a_negative_time() -> None:
    assert service_time_s(((4, 0.1), (8, 1.0)), 1) == 0.0


def test_a_single_batch_is_taken_in_proportion() -> None:
    assert service_time_s(((4, 0.4),), 1) == pytest.approx(0.1)
    assert service_time_s(((4, 0.4),), 6) == pytest.approx(0.6)


def test_without_points_nobody_knows() -> None:
    with pytest.raises(Unfit, match="0 measured batches"):
        service_time_s((), 1)
