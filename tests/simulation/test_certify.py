"""`control.certify` in a backtest: the loop as `ipa adapt` would run it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ipa.domain import Config, ControlSettings, ForecastSettings, Limits, Objective
from ipa.simulation.backtest import Run, rates_of, run
from ipa.simulation.rivals import Rival, rival
from ipa.workload.processes import process_arrivals
from ipa.workload.summary import ANSWERED, in_time
from ipa.workload.trace import counts_per_second
from tests.pipelines import two_stages

SECONDS = 120
ARRIVALS_S = process_arrivals("poisson", 38.0, 1.0, SECONDS, np.random.default_rng(0))
TOY = two_stages(Limits(accuracy=0.8), objective=Objective(10.0, 0.1))
CONFIG = Config(
    replace(TOY, measurements=tuple(m for m in TOY.measurements if m.batch == 1)),
    Path(),
    forecast=ForecastSettings("mean", 60.0, 0.0),  # what is planned for is what comes
    control=ControlSettings(10.0, 30.0, certify=True),
)


def through(name: str, config: Config) -> Run:
    rates = rates_of(counts_per_second(ARRIVALS_S, SECONDS), SECONDS)
    found = rival(name, config, rates)
    assert isinstance(found, Rival)
    return run(found, ARRIVALS_S, SECONDS)


def share(found: Run) -> float:
    answered = found.result.outcome == ANSWERED
    slo_s = found.config.pipeline.slo.latency_s
    return float(np.count_nonzero(in_time(found.result.latency_s[answered], slo_s)) / len(ARRIVALS_S))


def test_certified_plans_keep_the_slo_where_averages_do_not() -> None:
    plain = through("auto", replace(CONFIG, control=replace(CONFIG.control, certify=False)))
    sure = through("auto", CONFIG)
    assert share(sure) > share(plain)
    assert share(sure) >= 0.98  # the first interval has the start plan, which nobody certified
    assert any(turn.solution and turn.solution.certificate for turn in sure.turns)


def test_an_autoscaler_is_left_as_it_is() -> None:
    turns = through("hpa", CONFIG).turns
    assert not any(turn.solution and turn.solution.certificate for turn in turns)
