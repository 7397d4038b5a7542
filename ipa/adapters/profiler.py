"""Measures variants on real model servers, through the client path that serving uses.

One replica at a time, one batch in flight: merge `batch` requests → infer → split, again and again (closed loop).
The inputs of the first stage are the payload; those of a later stage are what the most accurate variant of the
stage before answers, as in InferLine's profiler (arXiv 1812.01776: run sample queries through the pipeline).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

from ipa.adapters.payload import Payload, input_tensor, read_payload
from ipa.adapters.profile_files import (
    read_measurements,
    read_variants,
    with_measurement,
    with_start,
    write_table,
)
from ipa.adapters.profile_scope import HARDWARE, Job, model_file, most_accurate, stage_before
from ipa.adapters.serving.onnx_runtime import OnnxServer
from ipa.adapters.serving.replica_process import ReplicaProcess, ReplicaSpec, start_replica
from ipa.dataplane.batching import merge, split
from ipa.dataplane.replica import Replica
from ipa.dataplane.tensors import Tensors
from ipa.domain import Config, Measurement, Stage, Variant
from ipa.latency.sampling import Rule, Sampled, enough, next_look, summary

RULE = Rule()
CALL_TIMEOUT_S = 300.0  # a server that takes longer for one batch hangs
SAMPLES = 256  # requests in turn: enough that no input is special, few enough to pass through the stages before
WARM_UP_RUNS = 5
WARM_UP_S = 0.5

Run = Callable[[], Awaitable[None]]


class Watcher(Protocol):
    """Is told what happens."""

    def starting(self, stage: str, variant: str, cores: int) -> None: ...

    def measured(self, point: Sampled) -> None: ...


def profile(
    config: Config, jobs: Sequence[Job], max_seconds: float, source: str, watcher: Watcher
) -> tuple[Sampled, ...]:
    """Measure every batch of every job; both CSV files are up to date after each point.

    Raises ServingError for a server that dies at start, Unavailable for one that stops answering,
    KeyboardInterrupt after ^C; no server is left and the files are whole in all three.
    """
    return asyncio.run(_profile(config, jobs, max_seconds, source, watcher))


async def _profile(
    config: Config, jobs: Sequence[Job], max_seconds: float, source: str, watcher: Watcher
) -> tuple[Sampled, ...]:
    points: list[Sampled] = []
    with tempfile.TemporaryDirectory(prefix="ipa-profile-") as logs:
        samples = _Samples(config, Path(logs))
        for job in jobs:
            given = await samples.given(job.stage)
            watcher.starting(job.stage.name, job.variant.name, job.cores)
            async with _server(config, job.stage, job.variant, job.cores, Path(logs)) as (process, replica):
                _record_start(config.profiles, process)
                requests = await _requests(given, replica)
                for batch in job.batches:
                    point = await _measure(_run(replica, requests, batch), job, batch, max_seconds, source)
                    _record(config.profiles, point.measurement)
                    points.append(point)
                    watcher.measured(point)
    return tuple(points)


# --- what to send ------------------------------------------------------------------------------------------

Given = Payload | Sequence[Tensors]
"""A stage's inputs: the payload, named once a server says how, or the answers of the stage before."""


class _Samples:
    """The inputs of each stage, computed when first asked for."""

    def __init__(self, config: Config, logs: Path) -> None:
        self._config = config
        self._logs = logs
        self._known: dict[str, Given] = {}

    async def given(self, stage: Stage) -> Given:
        if stage.name not in self._known:
            before = stage_before(self._config.pipeline, stage)
            self._known[stage.name] = (
                read_payload(self._config.payload) if before is None else await self._outputs(before)
            )
        return self._known[stage.name]

    async def _outputs(self, stage: Stage) -> Sequence[Tensors]:
        given = await self.given(stage)
        async with _server(self._config, stage, most_accurate(stage), 1, self._logs) as (_, replica):
            return [await replica.infer(request, CALL_TIMEOUT_S) for request in await _requests(given, replica)]


async def _requests(given: Given, replica: Replica) -> Sequence[Tensors]:
    """Single requests. Raises ConfigError if the payload does not fit the model."""
    if not isinstance(given, Payload):
        return given
    tensor = input_tensor((await replica.metadata()).as_json(), given)
    return [{tensor.name: given.inputs[i : i + 1]} for i in range(min(SAMPLES, len(given.inputs)))]


# --- one server --------------------------------------------------------------------------------------------


@asynccontextmanager
async def _server(
    config: Config, stage: Stage, variant: Variant, cores: int, logs: Path
) -> AsyncIterator[tuple[ReplicaProcess, Replica]]:
    name = f"{stage.name}-{variant.name}-{cores}"
    # Warmed up for batch 1 alone: load_s must not depend on which batches are profiled.
    server = OnnxServer(model_file(config, stage, variant), cores)
    spec = ReplicaSpec(name, stage.name, variant.name, server, batch=1)
    process = await start_replica(spec, logs)
    try:
        replica = Replica(process.address, variant.name)
        try:
            yield process, replica
        finally:
            await replica.close()
    finally:
        await process.child.stop()


def _run(replica: Replica, requests: Sequence[Tensors], batch: int) -> Run:
    """One batch, from single requests to single answers, as the router does it."""
    in_turn = cycle(requests)
    rows = [1] * batch

    async def run() -> None:
        split(await replica.infer(merge(list(islice(in_turn, batch))), CALL_TIMEOUT_S), rows)

    return run


# --- one point ---------------------------------------------------------------------------------------------


async def _measure(run: Run, job: Job, batch: int, max_seconds: float, source: str) -> Sampled:
    """Warm up, then repeat until the rule is satisfied. After `max_seconds`, warm-up included, no run begins
    but the first."""
    warm_up_s = await _warm_up(run, max_seconds / 2)
    left_s = max_seconds - warm_up_s
    latencies_s: list[float] = []
    elapsed_s = await _round(run, latencies_s, next_look(0, RULE), left_s)
    while not (settled := enough(latencies_s, elapsed_s, RULE)) and elapsed_s < left_s:
        elapsed_s += await _round(run, latencies_s, next_look(len(latencies_s), RULE), left_s - elapsed_s)
    point = summary(latencies_s, elapsed_s, batch, RULE)
    measurement = Measurement(
        stage=job.stage.name,
        variant=job.variant.name,
        hardware=HARDWARE,
        cores=job.cores,
        batch=batch,
        latency_mean_s=point.mean_s,
        latency_p50_s=point.p50_s,
        latency_p95_s=point.p95_s,
        latency_p99_s=point.p99_s,
        throughput_rps=point.throughput_rps,
        requests=point.requests,
        source=source,
    )
    return Sampled(measurement, point.precision, settled)


async def _warm_up(run: Run, limit_s: float) -> float:
    """At least WARM_UP_RUNS and WARM_UP_S, but no run begins after `limit_s`. Returns the seconds it took."""
    began_s = time.perf_counter()
    runs = 0
    elapsed_s = 0.0
    while (runs < WARM_UP_RUNS or elapsed_s < WARM_UP_S) and elapsed_s < limit_s:
        await run()
        runs += 1
        elapsed_s = time.perf_counter() - began_s
    return elapsed_s


async def _round(run: Run, latencies_s: list[float], count: int, limit_s: float) -> float:
    """Run back to back until there are `count` latencies or `limit_s` is over, at least once.

    Returns the seconds it took: the statistics between two rounds must not count against the throughput.
    """
    began_s = before_s = time.perf_counter()
    while True:
        await run()
        now_s = time.perf_counter()
        latencies_s.append(now_s - before_s)
        before_s = now_s
        if len(latencies_s) >= count or now_s - began_s >= limit_s:
            return now_s - began_s


# --- files -------------------------------------------------------------------------------------------------


def _record(profiles: Path, measurement: Measurement) -> None:
    path = profiles / "measurements.csv"
    write_table(path, with_measurement(read_measurements(path), measurement))


def _record_start(profiles: Path, process: ReplicaProcess) -> None:
    path = profiles / "variants.csv"
    stage, variant = process.spec.stage, process.spec.variant
    write_table(path, with_start(read_variants(path), stage, variant, process.memory_mb, process.load_s))
