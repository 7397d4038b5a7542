"""A small pipeline for the simulator's tests, whose plans and timelines can be worked out by hand.

detect (small 10 ms, large 50 ms a request) → classify (light 5 ms, heavy 20 ms); see tests.pipelines.two_stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ipa.domain import Allocation, Config, ControlSettings, Limits, Pipeline, Plan
from tests.pipelines import two_stages


def toy(limits: Limits = Limits(), load_s: Mapping[str, float] = {}) -> Config:  # noqa: B008
    """`load_s`: seconds from start to warm, by variant."""
    return of(loading(two_stages(limits), load_s))


def of(pipeline: Pipeline, interval_s: float = 10.0, hold_s: float = 30.0) -> Config:
    return Config(pipeline, Path(), control=ControlSettings(interval_s, hold_s))


def loading(pipeline: Pipeline, load_s: Mapping[str, float]) -> Pipeline:
    stages = tuple(
        replace(s, variants=tuple(replace(v, load_s=load_s.get(v.name)) for v in s.variants)) for s in pipeline.stages
    )
    return replace(pipeline, stages=stages)


def plan(detect: tuple[str, int, int], classify: tuple[str, int, int] = ("light", 1, 1)) -> Plan:
    """Of each stage variant, batch and replicas."""
    return Plan((_row("detect", *detect), _row("classify", *classify)))


def _row(stage: str, variant: str, batch: int, replicas: int) -> Allocation:
    return Allocation(stage, variant, "cpu", 1, batch, replicas)
