"""InferLine's parts: how long the planner takes for its four pipelines, and a step of the tuner."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

import numpy as np

from benchmarks.rows import ROOT, Row
from ipa.adapters.files import load_config
from ipa.options import price_list
from ipa.policy.inferline import Sample, planner
from ipa.policy.rehearsal import warm_up
from ipa.simulation.stations import network
from ipa.tuner import RULES, Tuner, planned_for
from ipa.workload.envelope import LONGEST_S, ticks_of

SHAPES = ("image", "video", "social", "cascade")
RATE_RPS, SAMPLE_S = 100.0, 150.0
TUNED_RPS, STEPS = 1_000.0, 200


def run() -> Iterator[Row]:
    yield {"name": f"inferline's plan on {SAMPLE_S:g} s at {RATE_RPS:g} requests/s", "kind": "decision"} | _planning()
    yield {"name": f"a step of the tuner, {TUNED_RPS:g} requests/s, {LONGEST_S:g} s", "kind": "step"} | _tuning()


def _gamma(rate_rps: float, cv: float, seconds: float) -> Sample:
    gaps = np.random.default_rng(0).gamma(1 / cv**2, cv**2 / rate_rps, int(rate_rps * seconds))
    arrivals_s = np.cumsum(gaps)
    return Sample(arrivals_s, float(arrivals_s[-1]) + 1 / rate_rps)


def _planning() -> Row:
    """Processor seconds at a variation of 1 and of 4."""
    found: Row = {}
    for shape in SHAPES:
        config = load_config(ROOT / "configs" / f"inferline-{shape}.yaml")
        warm_up(network(config))
        times_s = []
        for cv in (1.0, 4.0):
            sample = _gamma(RATE_RPS, cv, SAMPLE_S)
            began_s = process_time()
            planner("inferline", config, sample)(price_list(config.pipeline).at(sample.rate_rps))
            times_s.append(round(process_time() - began_s, 2))
        found[f"{shape}_s"] = times_s
    return found


def _tuning() -> Row:
    """Milliseconds of processor time, by rule."""
    config = load_config(ROOT / "configs" / "inferline-image.yaml")
    prices = price_list(config.pipeline)
    best = planner("inferline", config)(prices.at(TUNED_RPS)).evaluation
    assert best is not None
    ticks = ticks_of(_gamma(TUNED_RPS, 1.0, 2 * LONGEST_S).arrivals_s, 0.0, LONGEST_S)
    found: Row = {}
    for name, rule in RULES.items():
        tuner = Tuner(rule).on(planned_for(prices, best.plan, TUNED_RPS, 1.0), 0.0)
        began_s = process_time()
        for _ in range(STEPS):
            tuner.step(1.0, best.plan, ticks)
        found[f"{name}_ms"] = round(1e3 * (process_time() - began_s) / STEPS, 3)
    return found
