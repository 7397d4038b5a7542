"""What `ipa profile` has to do: which servers, which batches on each, and whether all it needs is there."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from ipa.adapters.profile_files import PointKey
from ipa.adapters.serving import onnx_runtime
from ipa.domain import Config, Pipeline, Stage, Variant
from ipa.errors import UsageError

HARDWARE = "cpu"
DEFAULT_BATCHES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for. None is all; empty `batches` are the config's, else powers of two up to 64."""

    stage: str | None = None
    variant: str | None = None
    batches: tuple[int, ...] = ()
    cores: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Job:
    """One server to start and the batches to measure on it, ascending."""

    stage: Stage
    variant: Variant
    cores: int
    batches: tuple[int, ...]


def parse_sizes(option: str, text: str) -> tuple[int, ...]:
    """`1,2,4` → ascending whole numbers, each once. Raises UsageError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"{option} {text!r}: must be whole numbers of at least 1, as in 1,2,4")
    return tuple(sorted({int(part) for part in parts}))


def jobs_of(pipeline: Pipeline, scope: Scope) -> tuple[Job, ...]:
    """Every job of `scope`. Raises UsageError for a stage or variant that does not exist."""
    batches = scope.batches or pipeline.batches or DEFAULT_BATCHES
    return tuple(
        Job(stage, variant, cores, batches)
        for stage in _stages(pipeline, scope)
        for variant in stage.variants
        if scope.variant in (None, variant.name)
        for cores in scope.cores
    )


def without(jobs: tuple[Job, ...], present: Set[PointKey]) -> tuple[Job, ...]:
    """The jobs less the points that are `present`; a job with nothing left is gone."""
    left = []
    for job in jobs:
        server = (job.stage.name, job.variant.name, HARDWARE, job.cores)
        batches = tuple(batch for batch in job.batches if (*server, batch) not in present)
        if batches:
            left.append(Job(job.stage, job.variant, job.cores, batches))
    return tuple(left)


def check(config: Config, jobs: tuple[Job, ...]) -> None:
    """Raises UsageError unless every model file is there and this machine has the cores."""
    if config.serving.runtime != "onnx":
        raise UsageError(f"serving.runtime {config.serving.runtime}: only the models of onnx can be profiled")
    if config.serving.models is None:
        raise UsageError("serving.models is not set: the folder with STAGE/VARIANT.onnx is needed to profile")
    available = os.cpu_count() or 1
    for job in jobs:
        if job.cores > available:
            raise UsageError(f"--cores {job.cores}: this machine has {available}; more would measure waiting")
        if job.stage.hardware and HARDWARE not in job.stage.hardware:
            only = ", ".join(job.stage.hardware)
            raise UsageError(f"stage {job.stage.name} runs on {only} only; `ipa profile` measures {HARDWARE}")
    needed = dict.fromkeys(model_file(config, s, v) for s, v in _servers(config.pipeline, jobs))
    missing = [str(path) for path in needed if not path.is_file()]
    if missing:
        raise UsageError(f"missing model file(s): {', '.join(missing)}")


def model_file(config: Config, stage: Stage, variant: Variant) -> Path:
    assert config.serving.models is not None, "check() comes first"
    return onnx_runtime.model_file(config.serving.models, stage.name, variant.name)


def most_accurate(stage: Stage) -> Variant:
    """The first of the most accurate: its answers are the best guess at what the next stage will see."""
    return max(stage.variants, key=lambda variant: variant.accuracy)


def stage_before(pipeline: Pipeline, stage: Stage) -> Stage | None:
    """Where a stage's inputs come from; None is the payload. Raises UsageError for a join."""
    if len(stage.after) > 1:
        joined = ", ".join(stage.after)
        raise UsageError(f"stage {stage.name} joins {joined}: `ipa profile` measures linear pipelines only")
    return pipeline.stage(stage.after[0]) if stage.after else None


def machine() -> str:
    """This machine for `source`, without its name: `2core-x86_64`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", f"{os.cpu_count() or 1}core-{platform.machine() or 'unknown'}")


def _stages(pipeline: Pipeline, scope: Scope) -> tuple[Stage, ...]:
    stages = tuple(stage for stage in pipeline.stages if scope.stage in (None, stage.name))
    if not stages:
        names = ", ".join(stage.name for stage in pipeline.stages)
        raise UsageError(f"--stage {scope.stage}: {pipeline.name} has no such stage, only {names}")
    known = [variant.name for stage in stages for variant in stage.variants]
    if scope.variant is not None and scope.variant not in known:
        raise UsageError(f"--variant {scope.variant}: no such variant, only {', '.join(known)}")
    return stages


def _servers(pipeline: Pipeline, jobs: tuple[Job, ...]) -> list[tuple[Stage, Variant]]:
    """What has to be started: the jobs' own variants and, for their inputs, the stages before."""
    servers = [(job.stage, job.variant) for job in jobs]
    for job in jobs:
        before = stage_before(pipeline, job.stage)
        while before is not None:
            servers.append((before, most_accurate(before)))
            before = stage_before(pipeline, before)
    return servers
