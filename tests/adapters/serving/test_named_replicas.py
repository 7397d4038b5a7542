"""Servers named on the command line: what the router is told of them, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.adapters.serving.named_replicas import named_plan
from ipa.dataplane.plan import ReplicaSpec
from ipa.domain import Measurement, Pipeline, Slo, Stage, Variant
from ipa.errors import UsageError

MEASURED = (
    Measurement("one", "small", "cpu", 1, 1, 0.010, latency_p99_s=0.020),
    Measurement("one", "small", "cpu", 2, 1, 0.006, latency_p99_s=0.012),
    Measurement("one", "small", "cpu", 1, 8, 0.040, latency_p99_s=0.080),
    Measurement("one", "large", "cpu", 1, 1, 0.500, latency_p99_s=0.900),
    Measurement("two", "only", "cpu", 1, 1, 0.003, latency_p99_s=0.004),
)
PIPELINE = Pipeline(
    "pipe",
    (
        Stage("one", (Variant("small", 0.5), Variant("large", 0.9)), ("cpu",)),
        Stage("two", (Variant("only", 0.9),), ("cpu",), after=("one",)),
    ),
    Slo(1.0, 2.0),
    measurements=MEASURED,
)


def test_a_model_is_called_as_its_stage_unless_it_is_named() -> None:
    one, two = named_plan(PIPELINE, ["two=h:2", "one=h:1/small", "one=[::1]:3/small"], []).stages
    assert one.replicas == (
        ReplicaSpec("one-1", "h:1", "small", "small"),
        ReplicaSpec("one-2", "[::1]:3", "small", "small"),
    )
    assert two.replicas == (ReplicaSpec("two-1", "h:2", "two", "only"),)
    assert (one.batch, two.batch) == (1, 1)


def test_the_fastest_measured_cores_say_what_remains_and_the_slowest_when_a_replica_hangs() -> None:
    one, two = named_plan(PIPELINE, ["one=h:1/small", "two=h:2"], []).stages
    assert one.remaining_s == pytest.approx(0.006 + 0.003)
    assert two.remaining_s == pytest.approx(0.003)
    assert (one.p99_s, two.p99_s) == (0.020, 0.004)


def test_a_batch_has_the_time_of_a_batch() -> None:
    one, _ = named_plan(PIPELINE, ["one=h:1/small", "two=h:2"], ["one=8"]).stages
    assert one.batch == 8
    assert one.p99_s == pytest.approx(8 * 0.012)  # on two cores only one row was measured: in proportion to the rows


@pytest.mark.parametrize("pipeline", [PIPELINE, replace(PIPELINE, measurements=())])
def test_what_nobody_measured_is_dropped_by_its_age_alone(pipeline: Pipeline) -> None:
    one, _ = named_plan(pipeline, ["one=h:1/unheard-of", "two=h:2"], []).stages
    assert one.replicas[0].variant == "unheard-of"
    assert one.remaining_s == pytest.approx(named_plan(pipeline, ["one=h:1", "two=h:2"], []).stages[1].remaining_s)
    assert one.p99_s is None


@pytest.mark.parametrize(
    ("replicas", "batches", "says"),
    [
        (["one"], [], "--replica one: must be STAGE=HOST:PORT"),
        (["three=h:1"], [], "'three' is not a stage: one of one, two"),
        (["one=h:1"], [], "--replica two=HOST:PORT is missing"),
        (["one=h:1/", "two=h:2"], [], "the name of the model is missing"),
        (["one=h", "two=h:2"], [], "'h' must be HOST:PORT"),
        (["one=h:99999", "two=h:2"], [], "a port from 1 to 65535"),
        (["one=http://h:1", "two=h:2"], [], "'http:' must be HOST:PORT"),
        (["one=h:1", "two=h:2"], ["one"], "--batch one: must be STAGE=ROWS"),
        (["one=h:1", "two=h:2"], ["one=x"], "'x' must be a whole number of rows, at least 1"),
        (["one=h:1", "two=h:2"], ["one=0"], "'0' must be"),
        (["one=h:1", "two=h:2"], ["one=-1"], "'-1' must be"),
        (["one=h:1", "two=h:2"], ["one=²"], "'²' must be"),
        (["one=h:1", "two=h:2"], ["one=" + "9" * 5000], "must be a whole number"),
        (["one=h:1", "two=h:2"], ["three=1"], "'three' is not a stage"),
        (["one=h:1", "two=h:2"], ["one=1", "one=2"], "one has a batch already, 1"),
    ],
)
def test_what_is_no_replica_or_batch_is_refused(replicas: list[str], batches: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("²", ".")):
        named_plan(PIPELINE, replicas, batches)
