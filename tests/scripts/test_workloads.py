"""The paper's workloads: the right seconds of the trace, and stand-ins that are like them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from paper_evaluation.workloads import VARIABLE, WORKLOADS, loads, sliced, stand_in

from ipa.errors import UsageError
from ipa.workload.trace import Trace

# Requests in the paper's slices, added up from the trace, not by this code.
REQUESTS = {"bursty": 14_437, "steady-low": 6_067, "steady-high": 34_606, "fluctuating": 19_837}
# Of the stand-ins, as the module says: mean and busiest second.
STAND_INS = {"bursty": (11.8, 31), "steady-low": (5.1, 8), "steady-high": (29.1, 35), "fluctuating": (16.2, 33)}


def total(trace: Trace) -> float:
    return trace.expected_requests


def test_a_slice_takes_its_seconds_and_an_eighth_of_each() -> None:
    counts = np.arange(1_800_000)
    bursty = sliced(counts, WORKLOADS["bursty"], "test")
    assert bursty.tolist() == [second // 8 for second in range(1301160, 1302360)]
    high = sliced(counts, WORKLOADS["steady-high"], "test")
    assert high[:600].tolist() == high[600:].tolist() == [second // 8 for second in range(1768800, 1769400)]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_and_its_stand_in_take_twenty_minutes(name: str) -> None:
    assert WORKLOADS[name].seconds == len(stand_in(WORKLOADS[name])) == 1200


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_stand_in_has_its_documented_mean_and_maximum(name: str) -> None:
    counts = stand_in(WORKLOADS[name])
    assert (round(float(counts.mean()), 1), int(counts.max())) == STAND_INS[name]
    assert counts.sum() == pytest.approx(REQUESTS[name], rel=0.05)


@pytest.mark.parametrize("name", ["steady-low", "steady-high"])
def test_the_seconds_of_a_steady_stand_in_scatter_as_little_as_those_of_a_damped_trace(name: str) -> None:
    counts = stand_in(WORKLOADS[name])
    assert 0.1 < counts.var() / counts.mean() < 0.18


def test_stand_ins_are_the_same_every_time() -> None:
    first, second = (loads({}, ("bursty",)).traces["bursty"] for _ in range(2))
    assert total(first) == total(second) == stand_in(WORKLOADS["bursty"]).sum()


def test_without_the_variable_the_loads_are_stand_ins_and_say_so() -> None:
    assert loads({}, ("bursty",)).source == f"synthetic stand-ins ({VARIABLE} is not set)"
    assert loads({VARIABLE: ""}, ("bursty",)).source == f"synthetic stand-ins ({VARIABLE} is not set)"


def test_a_load_can_be_cut_to_its_first_seconds() -> None:
    trace = loads({}, ("bursty",), 60).traces["bursty"]
    assert trace.duration_s == 60
    assert total(trace) == stand_in(WORKLOADS["bursty"])[:60].sum()


def test_the_trace_is_read_from_the_file_that_the_variable_names(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("8 " * 1_769_400)
    found = loads({VARIABLE: str(file)}, tuple(WORKLOADS))
    assert VARIABLE in found.source
    assert {name: total(trace) for name, trace in found.traces.items()} == dict.fromkeys(WORKLOADS, 1200)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("absent.tbz2", None, "No such file"),
        ("trace.tbz2", "no archive", "Invalid data stream"),
        ("trace.txt", "1 2 three", "second 2: 'three' is not a number"),
        ("trace.txt", "1 2 3", "holds 3 seconds; the slices of the paper reach to second 1,302,360"),
        ("trace.txt", "0 " * 1_302_360, "workload bursty: has no request in its 1200 seconds"),
    ],
)
def test_a_trace_that_cannot_be_used_says_why(tmp_path: Path, name: str, content: str | None, rule: str) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=rule):
        loads({VARIABLE: str(file)}, ("bursty",))


@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} is not set")
def test_the_slices_of_the_real_trace_have_the_papers_requests() -> None:
    found = loads(os.environ, tuple(WORKLOADS))
    assert {name: total(trace) for name, trace in found.traces.items()} == REQUESTS
