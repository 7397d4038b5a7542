"""The option table: each formula of the contract on numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ipa.domain import LatencySettings, Limits, Pipeline, Slo, Stage, Variant
from ipa.errors import UsageError
from ipa.options import price, price_list
from tests.pipelines import measurement, two_stages


def one_stage(**changes: object) -> Pipeline:
    rows = (
        measurement("s", "m", 1, 0.1),
        measurement("s", "m", 4, 0.25, throughput_rps=15.0),
    )
    stages = (Stage("s", (Variant("m", 0.9),), ("cpu",)),)
    return replace(Pipeline("p", stages, Slo(1.0, 2.0), measurements=rows), **changes)  # type: ignore[arg-type]


def test_replicas_are_the_fewest_that_carry_the_rate() -> None:
    (stage,) = price(one_stage(), 30.0).stages
    assert stage.throughput_rps.tolist() == [10.0, 15.0]  # batch / mean, and as measured
    assert stage.replicas.tolist() == [3, 2]


def test_a_rate_that_is_just_met_needs_no_further_replica() -> None:
    (stage,) = price(one_stage(), 3 * 10.0 * (1 + 1e-12)).stages
    assert stage.replicas[0] == 3


def test_utilisation_leaves_headroom() -> None:
    (stage,) = price(one_stage(limits=Limits(utilisation=0.5)), 10.0).stages
    assert stage.replicas.tolist() == [2, 2]


def test_the_fill_bound_of_a_batch() -> None:
    (stage,) = price(one_stage(), 20.0).stages
    assert stage.queue_s.tolist() == [0.0, 3 / 20]


def test_at_rate_zero_only_a_batch_of_one_ever_fills() -> None:
    (stage,) = price(one_stage(), 0.0).stages
    assert stage.queue_s.tolist() == [0.0, np.inf]
    assert stage.replicas.tolist() == [1, 1]


def test_visits_scale_the_rate_of_a_stage() -> None:
    pipeline = one_stage()
    pipeline = replace(pipeline, stages=(replace(pipeline.stages[0], visits=2.0),))
    (stage,) = price(pipeline, 15.0).stages
    assert stage.replicas.tolist() == [3, 2]
    assert stage.queue_s.tolist() == [0.0, 3 / 30]


def test_margins_change_latency_and_throughput_apart() -> None:
    settings = LatencySettings(margin=1.0, throughput_margin=-0.5)
    (stage,) = price(one_stage(latency=settings), 10.0).stages
    assert stage.latency_s.tolist() == [0.2, 0.5]
    assert stage.throughput_rps.tolist() == [5.0, 7.5]


def test_a_fitted_model_prices_batches_nobody_measured() -> None:
    pipeline = one_stage(latency=LatencySettings(model="linear"), batches=(1, 2, 8))
    (stage,) = price(pipeline, 1.0).stages
    assert stage.batch.tolist() == [1, 2, 8]
    assert stage.latency_s == pytest.approx([0.1, 0.15, 0.45])
    assert stage.throughput_rps == pytest.approx([10.0, 2 / 0.15, 8 / 0.45])


def test_a_model_that_does_not_fit_is_an_error_that_says_where() -> None:
    with pytest.raises(UsageError, match=r"s/m on cpu with 1 core.*'quadratic' does not fit.*2 distinct batches"):
        price(one_stage(latency=LatencySettings(model="quadratic")), 1.0)


@pytest.mark.parametrize("rate_rps", [-1.0, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate_rps: float) -> None:
    with pytest.raises(UsageError, match="a rate is a finite number"):
        price(two_stages(), rate_rps)


def test_equal_accuracies_share_the_lower_rank() -> None:
    variants = tuple(Variant(name, accuracy) for name, accuracy in (("a", 0.5), ("b", 0.5), ("c", 0.9)))
    rows = tuple(measurement("s", v.name, 1, 0.1) for v in variants)
    pipeline = Pipeline("p", (Stage("s", variants, ("cpu",)),), Slo(1.0, 2.0), measurements=rows)
    assert price(pipeline, 1.0).stages[0].ranks.tolist() == [0, 0, 2]


def test_a_price_list_gives_the_table_of_any_rate() -> None:
    pipeline = two_stages()
    prices = price_list(pipeline)
    for rate_rps in (0.0, 1.0, 33.3, 1e4):
        for mine, theirs in zip(prices.at(rate_rps).stages, price(pipeline, rate_rps).stages, strict=True):
            for field in ("replicas", "queue_s", "cost_cores", "cost_per_hour", "latency_s"):
                assert np.array_equal(getattr(mine, field), getattr(theirs, field))


def test_a_rate_beyond_counting_is_refused() -> None:
    with pytest.raises(UsageError, match=r"rate 1e\+25: it takes 5e\+23 replicas of stage detect, 1e\+17 at most"):
        price(two_stages(), 1e25)
