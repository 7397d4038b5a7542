"""The same pipeline with one bound moved, for oracles that know pipelines only."""

from __future__ import annotations

from dataclasses import replace
from math import isinf
from typing import Any

from ipa.domain import Hardware, Pipeline
from ipa.evaluation import Limit

NO_LIMIT_S = 1e9  # an infinite SLO would let the oracle wait forever for a batch


def with_bound(pipeline: Pipeline, limit: Limit, to: float) -> Pipeline:
    if limit.name == "latency":
        return replace(pipeline, slo=replace(pipeline.slo, latency_s=min(to, NO_LIMIT_S)))
    if limit.name.startswith("capacity."):
        name = limit.name.removeprefix("capacity.")
        hardware: dict[str, Hardware] = {**pipeline.hardware, name: replace(pipeline.hardware[name], capacity=to)}
        return replace(pipeline, hardware=hardware)
    moved: dict[str, Any] = {limit.name: None if isinf(to) else to}
    return replace(pipeline, limits=replace(pipeline.limits, **moved))


def without(pipeline: Pipeline, limit: Limit) -> Pipeline:
    return with_bound(pipeline, limit, float("inf"))


def outwards(limit: Limit, to: float, by: float) -> float:
    """The bound `by` further out, or further in for less than nothing."""
    return to - by if limit.floor else to + by
