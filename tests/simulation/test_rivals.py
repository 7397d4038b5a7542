"""Who starts with which plan, and what each of them is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ipa.control import Turn
from ipa.domain import Config, Fixed, Limits, Plan
from ipa.errors import UsageError
from ipa.options import price
from ipa.policy import POLICIES
from ipa.simulation.backtest import run
from ipa.simulation.rivals import NAMES, Rates, Rival, check_names, rival
from ipa.workload.processes import FloatArray
from tests.simulation.toys import of, toy

RATES = Rates(first_rps=5.0, mean_rps=20.0, peak_rps=60.0)
EXACT = ("auto", "label", "milp", "exhaustive")


def chosen(name: str, config: Config, rates: Rates = RATES) -> Rival:
    found = rival(name, config, rates)
    assert isinstance(found, Rival), found
    return found


def best(config: Config, rate_rps: float) -> Plan:
    evaluation = POLICIES["label"](price(config.pipeline, rate_rps)).evaluation
    assert evaluation is not None
    return evaluation.plan


def with_fixed(config: Config) -> Config:
    """With what the baselines need that have no default."""
    fixed = {"detect": Fixed(replicas=9), "classify": Fixed(replicas=3)}
    return replace(config, pipeline=replace(config.pipeline, policies={"rim": fixed, "static": fixed}))


STARTS = [
    *((name, RATES.first_rps) for name in (*EXACT, "oracle")),
    *((name, RATES.mean_rps) for name in ("static-mean", "hpa", "kpa")),
    ("static-peak", RATES.peak_rps),
]


@pytest.mark.parametrize(("name", "rate_rps"), STARTS)
def test_the_start_plan_is_the_best_for_what_the_rival_may_know(name: str, rate_rps: float) -> None:
    assert chosen(name, toy()).start == best(toy(), rate_rps)


def test_beyond_the_capacity_it_starts_with_what_serves_the_most() -> None:
    config = toy(Limits(cores=4))
    start = chosen("static-peak", config, Rates(1.0, 1.0, 100_000.0)).start
    assert start.total_cores <= 4
    assert [a.variant for a in start.allocations] == ["small", "light"]


def test_without_any_plan_the_reason_names_the_limit() -> None:
    pipeline = with_fixed(toy()).pipeline
    impossible = of(replace(pipeline, slo=replace(pipeline.slo, latency_s=0.001)))
    for name in NAMES:
        reason = rival(name, impossible, RATES)
        assert isinstance(reason, str), name
        assert "slo.latency 0.001 s cannot be met" in reason, reason


def test_an_unknown_rival_is_refused_with_all_there_are() -> None:
    with pytest.raises(UsageError, match=r"--policy 'vpa' is not known: one of auto, label, .*, hpa, kpa, oracle"):
        check_names(["auto", "vpa"], toy())
    with pytest.raises(UsageError, match="--policy '' is not known"):
        rival("", toy(), RATES)
    with pytest.raises(UsageError, match="policy rim: the config has no"):
        check_names(["auto", "rim"], toy())


def test_only_autoscalers_have_the_world_sampled_and_an_interval_of_their_own() -> None:
    config = with_fixed(toy())
    assert [name for name in NAMES if chosen(name, config).watches] == ["hpa", "kpa"]
    paces = {name: chosen(name, config).config.control.interval_s for name in ("auto", "static-mean", "hpa", "kpa")}
    assert paces == {"auto": 10.0, "static-mean": 10.0, "hpa": 15.0, "kpa": 2.0}


# --- what they are told --------------------------------------------------------------------------------------------


def turns(name: str, config: Config, arrivals_s: FloatArray, rates: Rates = RATES) -> list[Turn]:
    """Without the time that the solver took."""
    done = run(chosen(name, config, rates), arrivals_s, 120.0)
    return [t if t.solution is None else replace(t, solution=replace(t.solution, seconds=0.0)) for t in done.turns]


def step_at_60(low_rps: int, high_rps: int) -> FloatArray:
    return np.concatenate([np.arange(0, 60, 1 / low_rps), np.arange(60, 120, 1 / high_rps)])


@pytest.mark.parametrize("name", ["auto", "rim", "fa2-low", "hpa", "kpa"])
def test_nobody_knows_what_will_come(name: str) -> None:
    config = with_fixed(toy())
    low, rising = (turns(name, config, step_at_60(5, high)) for high in (5, 80))
    before = [t for t in low if t.at_s <= 60]
    assert before == [t for t in rising if t.at_s <= 60]
    assert len(before) >= 5
    assert low != rising


def test_the_oracle_acts_before_the_step_and_never_looks_back() -> None:
    told = turns("oracle", toy(), step_at_60(5, 80))
    seen = {t.at_s: t.observation.arrivals for t in told if t.observation is not None}
    horizon_s = int(toy().forecast.horizon_s)
    assert seen[0.0] == (5,) * horizon_s
    assert seen[50.0] == (5,) * 10 + (80,) * 10
    assert seen[110.0] == (80,) * 10  # the end of the trace
    changed_s = next(t.at_s for t in told if t.outcome is not None and t.outcome.applied)
    assert changed_s == 50.0
    forecasts = {t.at_s: t.forecast.rate_rps for t in told if t.forecast is not None}
    assert (forecasts[40.0], forecasts[50.0]) == (5.0, 80.0)


def test_an_autoscaler_is_told_every_second_once() -> None:
    for name, interval_s in (("hpa", 15.0), ("kpa", 2.0)):
        config = toy(Limits(cores=60))
        told = turns(name, config, step_at_60(5, 80))
        assert [t.at_s for t in told][:3] == [0.0, interval_s, 2 * interval_s]
        grown = [t for t in told if t.outcome is not None]
        assert grown, f"{name} never reacts to sixteen times the load"
        assert grown[0].at_s > 60
        assert "wants" in (grown[0].solution.reason if grown[0].solution else "")
