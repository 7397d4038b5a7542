"""One plan in rehearsal, against queueing theory and against runs of the whole pipeline."""

from __future__ import annotations

from dataclasses import replace
from math import exp, factorial, floor
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ipa.domain import Allocation, Config, Pipeline, Plan, Slo, Stage, Variant
from ipa.errors import UsageError
from ipa.policy.rehearsal import Rehearsal, rehearsal
from tests.pipelines import measurement, two_stages


def one_server(service_s: float, slo_s: float) -> Config:
    stage = Stage("only", (Variant("m", 0.9),), ("cpu",))
    rows = (measurement("only", "m", 1, service_s),)
    return Config(Pipeline("one", (stage,), Slo(slo_s, 100 * slo_s), measurements=rows), Path())


def plan(*rows: tuple[str, str, int, int]) -> Plan:
    return Plan(tuple(Allocation(stage, variant, "cpu", 1, batch, n) for stage, variant, batch, n in rows))


def short(config: Config, rate_rps: float, requests: int = 4_000, cv: float = 1.0) -> Rehearsal:
    whole = rehearsal(config, rate_rps, cv)
    return replace(whole, arrivals_s=whole.arrivals_s[:requests])


def waits_at_most(wait_s: float, rate_rps: float, service_s: float) -> float:
    """P(wait ≤ t) of M/D/1 (Erlang 1909; Tijms, A First Course in Stochastic Models, 2003, ch. 9)."""
    terms = (
        (rate_rps * (k * service_s - wait_s)) ** k / factorial(k) * exp(-rate_rps * (k * service_s - wait_s))
        for k in range(floor(wait_s / service_s) + 1)
    )
    return (1 - rate_rps * service_s) * sum(terms)


@pytest.mark.parametrize("utilisation", [0.5, 0.7, 0.8])
def test_the_percentile_of_one_server_is_that_of_queueing_theory(utilisation: float) -> None:
    certificate = rehearsal(one_server(0.01, 10.0), 100 * utilisation).certificate(plan(("only", "m", 1, 1)))
    assert certificate is not None
    assert certificate.latency_s is not None
    assert certificate.half_width_s is not None
    share = {
        sign: waits_at_most(
            certificate.latency_s + sign * 1.5 * certificate.half_width_s - 0.01, 100 * utilisation, 0.01
        )
        for sign in (-1, 1)
    }
    assert share[-1] < 0.99 < share[1]
    assert (certificate.percentile, certificate.requests, certificate.cv) == (99.0, 100_000, 1.0)


def test_uneven_arrivals_take_longer() -> None:
    config = one_server(0.01, 10.0)
    found = [rehearsal(config, 70.0, cv).certificate(plan(("only", "m", 1, 1))) for cv in (0.1, 1.0, 2.0)]
    latencies_s = [c.latency_s for c in found if c and c.latency_s]
    assert latencies_s == sorted(latencies_s)
    assert latencies_s[0] == pytest.approx(0.01, abs=0.002)
    assert latencies_s[2] > 2 * latencies_s[1]


def test_a_percentile_just_below_the_slo_is_not_sure_enough() -> None:
    passed = rehearsal(one_server(0.01, 10.0), 80.0).certificate(plan(("only", "m", 1, 1)))
    assert passed
    assert passed.latency_s
    assert passed.half_width_s
    for slo_s, passes in (
        (passed.latency_s + 1.01 * passed.half_width_s, True),
        (passed.latency_s + 0.99 * passed.half_width_s, False),
        (0.9 * passed.latency_s, False),
    ):
        assert (rehearsal(one_server(0.01, slo_s), 80.0).certificate(plan(("only", "m", 1, 1))) is not None) is passes


def test_a_server_busy_all_the_time_fails_alone() -> None:
    ran = rehearsal(one_server(0.01, 1.0), 100.0)
    assert ran.certificate(plan(("only", "m", 1, 1))) is None
    assert ran.hopeless_alone(plan(("only", "m", 1, 1)), 0)
    assert not ran.hopeless_alone(plan(("only", "m", 1, 2)), 0)


def test_what_is_hopeless_fails_with_any_number_of_replicas_of_the_others() -> None:
    random = Random(4)
    seen = {True: 0, False: 0}
    for _ in range(60):
        config = Config(two_stages(slo_s=random.uniform(0.06, 0.3)), Path())
        ran = short(config, random.choice((20.0, 60.0, 100.0)))
        own = plan(
            ("detect", random.choice(("small", "large")), random.choice((1, 4)), random.randint(1, 4)),
            ("classify", random.choice(("light", "heavy")), random.choice((1, 4)), random.randint(1, 4)),
        )
        for s in (0, 1):
            if ran.hopeless_alone(own, s):
                assert ran.hopeless(own, s)
            hopeless = ran.hopeless(own, s)
            seen[hopeless] += 1
            more = [replace(a, replicas=a.replicas if i == s else 30) for i, a in enumerate(own.allocations)]
            if hopeless:
                assert ran.certificate(Plan(tuple(more))) is None
    assert min(seen.values()) > 20


def test_a_rare_stage_delays_nobody_else_and_is_judged_by_its_own_requests() -> None:
    pipeline = two_stages(slo_s=0.03)
    rare = replace(pipeline, stages=(pipeline.stages[0], replace(pipeline.stages[1], visits=0.002)))
    ran = short(Config(rare, Path()), 20.0)
    slow = plan(("detect", "small", 1, 1), ("classify", "heavy", 1, 1))
    assert not ran.hopeless_alone(slow, 1)
    assert ran.certificate(replace(slow, allocations=(replace(slow.allocations[0], replicas=3), slow.allocations[1])))


def test_nothing_arrives_at_rate_0() -> None:
    found = rehearsal(one_server(0.01, 1.0), 0.0).certificate(plan(("only", "m", 1, 1)))
    assert found
    assert (found.requests, found.latency_s, found.slo_share) == (0, None, None)


def test_requests_that_never_meet_take_the_service_time_however_rare() -> None:
    found = rehearsal(one_server(0.01, 1.0), 1e-12).certificate(plan(("only", "m", 1, 1)))
    assert found
    assert found.latency_s == pytest.approx(0.01, abs=1e-5)


@pytest.mark.parametrize("cv", [0.0, -1.0, 101.0, float("nan"), float("inf")])
def test_a_variation_that_is_none_is_refused(cv: float) -> None:
    with pytest.raises(UsageError, match=r"cv .* lies in 0.01…100"):
        rehearsal(one_server(0.01, 1.0), 10.0, cv)


def test_more_replicas_than_can_be_simulated_are_refused() -> None:
    with pytest.raises(UsageError, match=r"stage only: the plan has 100,001 replicas of m, 100,000 at most"):
        rehearsal(one_server(0.01, 1.0), 10.0).certificate(plan(("only", "m", 1, 100_001)))


def test_the_same_arrivals_come_to_every_plan_and_to_every_run() -> None:
    config = one_server(0.01, 1.0)
    again = rehearsal(config, 20.0).arrivals_s
    np.testing.assert_array_equal(rehearsal(config, 20.0).arrivals_s, again)
    np.testing.assert_allclose(rehearsal(config, 40.0).arrivals_s, again / 2)
    assert len(again) / again[-1] == pytest.approx(20.0, rel=0.02)
