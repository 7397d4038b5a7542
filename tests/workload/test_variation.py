"""The variation of arrivals from counts per second, against processes of known variation."""

from __future__ import annotations

import numpy as np
import pytest

from ipa.workload.processes import process_arrivals
from ipa.workload.variation import cv_of


def counts(cv: float, rate_rps: float, seconds: int, seed: int = 0) -> list[int]:
    times_s = process_arrivals("gamma", rate_rps, cv, seconds, np.random.default_rng(seed))
    found: list[int] = np.bincount(times_s.astype(np.int64), minlength=seconds).tolist()
    return found


@pytest.mark.parametrize("cv", [1.0, 2.0, 3.0])
def test_it_is_that_of_the_process(cv: float) -> None:
    assert cv_of(counts(cv, 200.0, 4_000)) == pytest.approx(cv, rel=0.1)


def test_two_minutes_of_poisson_are_poisson_more_or_less() -> None:
    found = [cv_of(counts(1.0, 20.0, 120, seed)) for seed in range(30)]
    assert np.median(found) == 1.0
    assert max(found) < 1.5


def test_a_rising_load_is_no_uneven_one() -> None:
    rising = np.random.default_rng(0).poisson(np.linspace(10, 100, 120)).tolist()
    assert np.var(rising) / np.mean(rising) > 10
    assert cv_of(rising) < 1.3


@pytest.mark.parametrize("seen", [[], [7], [0] * 100, [20] * 5])
def test_too_little_to_go_by_is_poisson(seen: list[int]) -> None:
    assert cv_of(seen) == 1.0


def test_even_counts_do_not_vouch_for_what_happens_within_a_second() -> None:
    assert cv_of([20] * 100) == 1.0
