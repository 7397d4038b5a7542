"""A trace in a few numbers, against values known by theory or by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.workload import description
from ipa.workload.description import describe, trace_counts
from ipa.workload.expression import parse
from ipa.workload.trace import Trace, assemble


def _trace(expression: str, *counts: int) -> Trace:
    return assemble(parse(expression), {"f": np.array(counts, dtype=np.int64)})


def test_counts_by_hand() -> None:
    found = describe(_trace("f", 0, 4, 0, 0, 8, 0), 0)
    assert (found.seconds, found.requests, found.mean_rps, found.max_rps) == (6.0, 12, 2.0, 8)
    assert (found.zero_seconds, found.gaps, found.longest_gap_s) == (4, 3, 2)
    assert found.peak_to_mean == 4.0
    assert found.dispersion == pytest.approx((4 * 4 + 2 * 2 + 6 * 6) / 6 / 2)


def test_even_arrivals_have_no_dispersion_and_no_variation() -> None:
    found = describe(_trace("constant:20x60s"), 0)
    assert (found.requests, found.max_rps, found.dispersion, found.gaps) == (1200, 20, 0.0, 0)
    assert found.interarrival_cv == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("expression", "cv"), [("poisson:50x2000s", 1.0), ("gamma:50:cv4x2000s", 4.0)])
def test_the_variation_of_a_process_is_its_own(expression: str, cv: float) -> None:
    """Counts over a window long against the gaps have variance / mean → cv² (renewal theory, Cox 1962, ch. 4)."""
    found = describe(_trace(expression), 0)
    assert found.interarrival_cv == pytest.approx(cv, rel=0.1)
    assert found.dispersion == pytest.approx(cv**2, rel=0.35)


def test_a_trace_of_nothing_has_no_ratios() -> None:
    found = describe(_trace("f", 0, 0), 0)
    assert (found.requests, found.zero_seconds, found.gaps, found.longest_gap_s) == (0, 2, 1, 2)
    assert (found.peak_to_mean, found.dispersion, found.interarrival_cv) == (None, None, None)


def test_a_part_of_a_second_is_no_second_to_compare() -> None:
    found = describe(_trace("constant:20x2500ms"), 0)
    assert (found.seconds, found.requests, found.dispersion) == (2.5, 50, 0.0)
    assert describe(_trace("constant:20x500ms"), 0).dispersion is None


def test_a_long_file_is_described_without_its_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "MOST_TIMED", 10)
    found = describe(_trace("f", 8, 4), 0)
    assert (found.requests, found.max_rps, found.interarrival_cv) == (12, 8, None)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_gaps_are_runs_of_zeros(counts: list[int]) -> None:
    found = describe(_trace("f", *counts), 0)
    runs = [len(run) for run in "".join("0" if count == 0 else "x" for count in counts).split("x") if run]
    assert (found.zero_seconds, found.gaps, found.longest_gap_s) == (sum(runs), len(runs), max(runs, default=0))


def test_counts_of_files_stand_as_they_are_and_those_of_processes_follow_the_seed() -> None:
    assert trace_counts(_trace("f@1:3/2+f", 9, 4, 7), 0).tolist() == [2, 3, 9, 4, 7]
    assert trace_counts(_trace("f*2", 9, 4, 7), 0).tolist() == [13, 7]
    poisson = _trace("poisson:20x10s")
    assert trace_counts(poisson, 1).tolist() == trace_counts(poisson, 1).tolist() != trace_counts(poisson, 2).tolist()
