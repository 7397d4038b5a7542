"""The four pipelines and the loads: the first quarter is the sample for the planners, the rest comes live.

The AutoScale traces that the paper rescales are not at hand: `big-spike` and `dual-phase` are drawn after their names
and the paper's figures, from memory, in segments of 30 s up to 300 requests/s. The Twitter slices are those of the IPA
evaluation eight times over, which is the rate of the trace itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from paper_evaluation.workloads import DAMPING

from ipa.adapters.files import load_config
from ipa.domain import Config, Slo
from ipa.policy.inferline import Sample
from ipa.workload.expression import parse
from ipa.workload.processes import FloatArray
from ipa.workload.trace import CountSegment, Trace, arrival_times, assemble
from ipa.workload.variation import cv_of

ROOT = Path(__file__).parent.parent.parent
SHAPES = ("image", "video", "social", "cascade")
SAMPLED = 0.25
SEGMENT_S = 30

RATES_RPS: Mapping[str, tuple[int, ...]] = {
    "big-spike": (100, 105, 95, 110, 100, 105, 100, 95, 105, 150, 240, 300, 220, 140, 110, 100, 95, 105, 100, 95),
    "dual-phase": (110, 100, 120, 105, 115, 110, 100, 120, 130, 160, 200, 240, 270, 290, 300, 295, 285, 300, 290, 280),
}


def config_of(shape: str, slo_s: float | None = None) -> Config:
    """The shipped config, at its own SLO or another one; a tuner is for the systems to choose."""
    config = load_config(ROOT / "configs" / f"inferline-{shape}.yaml")
    slo = config.pipeline.slo if slo_s is None else Slo(slo_s, 2 * slo_s)
    control = replace(config.control, tuner="off")
    return replace(config, pipeline=replace(config.pipeline, slo=slo), control=control)


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """`live_s`: arrivals from 0 on, in [0, live_duration_s)."""

    name: str
    sample: Sample
    live_s: FloatArray
    live_duration_s: float

    @property
    def sample_counts(self) -> tuple[int, ...]:
        seconds = int(self.sample.duration_s)
        return tuple(np.bincount(self.sample.arrivals_s.astype(int), minlength=seconds)[:seconds].tolist())

    @property
    def peak_rps(self) -> float:
        """The busiest second of the sample."""
        return float(max(self.sample_counts))

    @property
    def cv(self) -> float:
        return cv_of(self.sample_counts)


def load_of(name: str, trace: Trace, seed: int, longest_s: float) -> Load:
    """A trace cut after `longest_s` and parted."""
    duration_s = min(trace.duration_s, longest_s)
    arrivals_s = arrival_times(trace, seed)
    end_s = float(int(SAMPLED * duration_s))
    first, last = np.searchsorted(arrivals_s, (end_s, duration_s))
    return Load(name, Sample(arrivals_s[:first], end_s), arrivals_s[first:last] - end_s, duration_s - end_s)


def gamma(rate_rps: float, cv: float, seconds: float) -> Trace:
    return _made(f"gamma:{rate_rps:g}:cv{cv:g}x{seconds:g}s")


def drawn(name: str) -> Trace:
    return _made("+".join(f"gamma:{rate}:cv1x{SEGMENT_S}s" for rate in RATES_RPS[name]))


def undamped(trace: Trace) -> Trace:
    """A slice of the IPA evaluation at the rate of the Twitter trace itself."""
    [segment] = trace.segments
    assert isinstance(segment, CountSegment)
    return Trace((CountSegment(segment.counts * DAMPING),))


def _made(expression: str) -> Trace:
    return assemble(parse(expression), {})
