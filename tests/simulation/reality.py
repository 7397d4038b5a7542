"""The same plan and the same arrival times, once simulated and once sent to `ipa serve`: what both say, side by side.

Where they differ, the router's own metrics say whether the replicas took longer than profiled (`extra_s`); simulated
once more with that, and with what requests spend outside all stages, the difference must be gone: else the simulator
is wrong about something else.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from ipa.adapters import state
from ipa.adapters.files import load_config, read_plan
from ipa.adapters.load_target import Target, encode_bodies, find_target
from ipa.adapters.loadgen import Load, run_load, sample_order, schedule
from ipa.adapters.local_cluster import LocalCluster
from ipa.adapters.payload import Bodies, read_payloads
from ipa.adapters.serving.runtimes import RUNTIMES
from ipa.adapters.trace_files import load_trace
from ipa.domain import Config, Plan
from ipa.simulation.engine import run
from ipa.simulation.stations import Network, Station, Stations, network
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, FAILED
from tests.simulation.cpu_use import CpuUse

START_TIMEOUT_S = 120.0
TIMEOUT_S = 60.0
LIGHT_LOAD = 0.1
QUANTILES: Mapping[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Case:
    """A pipeline and a plan as files, and how requests come: `arrivals` with RATE and SECONDS in it."""

    name: str
    config: Path
    plan: Path
    arrivals: str = "poisson:RATExSECONDSs"

    def trace(self, rate_rps: float, seconds: int) -> str:
        return self.arrivals.replace("RATE", f"{rate_rps:g}").replace("SECONDS", str(seconds))


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the real data plane adds, in seconds: to each batch of a stage, and to a request outside all stages."""

    extra_s: Mapping[str, float]
    outside_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One run: each request's latency (NaN: dropped); by stage how long it was served and how long it was there, means
    over requests; how many cores were busy, and how late requests were sent, a sign of a machine that is not free."""

    latency_s: FloatArray
    service_s: Mapping[str, float]
    stage_s: Mapping[str, float]
    busy: Mapping[str, float]
    send_lag_p99_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of one run, in seconds or as a share; `explained` is simulated with the overhead of the run."""

    quantity: str
    simulated: float
    real: float
    explained: float

    @property
    def error(self) -> float:
        """Simulated ÷ real − 1; of shares the difference."""
        return self._error(self.simulated)

    @property
    def unexplained(self) -> float:
        return self._error(self.explained)

    def _error(self, simulated: float) -> float:
        return simulated - self.real if self.quantity == "dropped" else simulated / self.real - 1


@dataclass(frozen=True, slots=True)
class Compared:
    """One run: what both worlds say, what was added to the simulation to explain it, and who used the machine."""

    case: str
    load: float
    requests: int
    rows: tuple[Row, ...]
    overhead: Overhead
    busy: Mapping[str, float]
    send_lag_p99_s: float


# --- both worlds ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Simulated:
    """A plan in simulation."""

    config: Config
    plan: Plan

    def latency_s(self, arrivals_s: FloatArray, overhead: Overhead | None = None) -> FloatArray:
        """Of each request, NaN if it was dropped."""
        stations = self.stations()
        if overhead is not None:
            names = [stage.name for stage in self.config.pipeline.stages]
            stations = [_slower(s, overhead.extra_s[name]) for s, name in zip(stations, names, strict=True)]
        latency_s = latencies_s(network(self.config), stations, arrivals_s)
        return latency_s + (overhead.outside_s if overhead else 0.0)

    def stations(self) -> list[Station]:
        return list(Stations(self.config).of_plan(self.plan))

    def capacity_rps(self) -> float:
        """What the slowest stage answers in full batches."""
        return min(
            sum(servers.replicas for servers in station.servers)
            * station.batch
            / (float(station.servers[0].service_s[0, station.batch - 1]) * stage.visits)
            for station, stage in zip(self.stations(), self.config.pipeline.stages, strict=True)
        )


def latencies_s(network: Network, stations: Sequence[Station], arrivals_s: FloatArray) -> FloatArray:
    """The latency of each request, NaN if it was dropped."""
    finished = run(network, stations, arrivals_s)
    latency_s = np.full(len(arrivals_s), np.nan)
    answered = finished.outcome == ANSWERED
    requests = finished.request[answered]
    latency_s[requests] = finished.at_s[answered] - arrivals_s[requests]
    return latency_s


def _slower(station: Station, extra_s: float) -> Station:
    slower = tuple(replace(servers, service_s=servers.service_s + extra_s) for servers in station.servers)
    return replace(station, servers=slower)


@dataclass(frozen=True, slots=True)
class Running:
    """A case that is served: where to send, what, and the same in simulation."""

    simulated: Simulated
    target: Target
    bodies: Bodies
    pid: int

    def measured(self, arrivals_s: FloatArray) -> Measured:
        """Sends them. A request that failed is an error of the run."""
        samples = sample_order(len(self.bodies), len(arrivals_s), 0)
        load = Load(arrivals_s, samples, self.bodies, TIMEOUT_S)
        before, began = self._sums(), CpuUse.now(self.pid)
        result = run_load(load, self.target.open_wire, lambda _sent: None)
        after, busy = self._sums(), CpuUse.now(self.pid).since(began)
        failed = np.count_nonzero(result.outcome == FAILED)
        assert not failed, f"{failed} requests failed: {result.reasons}"
        mean_s = {key: (after[key][0] - before[key][0]) / (after[key][1] - before[key][1]) for key in after}
        stage_s = {stage.name: mean_s["latency", stage.name] for stage in self.simulated.config.pipeline.stages}
        service_s = {stage: seconds - mean_s["wait", stage] for stage, seconds in stage_s.items()}
        return Measured(result.latency_s, service_s, stage_s, busy, float(np.quantile(result.send_lag_s, 0.99)))

    def _sums(self) -> dict[tuple[str, str], tuple[float, float]]:
        """(latency or wait, stage) → (sum, count) so far, from the router's metrics."""
        wanted = {"ipa_stage_latency_seconds": "latency", "ipa_queue_wait_seconds": "wait"}
        text = httpx.get(f"{self.target.url}/metrics", trust_env=False).text
        found = {
            (wanted[family.name], sample.labels["stage"], sample.name.rpartition("_")[2]): sample.value
            for family in text_string_to_metric_families(text)
            if family.name in wanted
            for sample in family.samples
        }
        return {
            (what, stage): (found[what, stage, "sum"], n) for (what, stage, end), n in found.items() if end == "count"
        }


@contextmanager
def served(case: Case, folder: Path) -> Iterator[Running]:
    """`ipa serve` with the case's plan, every replica warm; its state is in XDG_RUNTIME_DIR, its log in `folder`."""
    config = load_config(case.config)
    command = [sys.executable, "-m", "ipa", "serve", str(case.config), "--plan", str(case.plan), "--port", "0"]
    log = folder / "serve.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen([*command, "--until-stdin-ends"], stdin=subprocess.PIPE, stderr=stderr) as process,
    ):
        try:
            _wait_until_ready(config.pipeline.name, process, log)
            target = find_target(config.pipeline.name, None, None)
            bodies, _ = encode_bodies(
                target, read_payloads([], config.payload, RUNTIMES[config.serving.runtime].payload)
            )
            yield Running(Simulated(config, read_plan(case.plan, config.pipeline)), target, bodies, process.pid)
        finally:
            process.terminate()


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < end_s:
        found = state.attach(name)
        if found is not None:
            with closing(LocalCluster(found)) as cluster:
                if cluster.ready():
                    return
        time.sleep(0.1)
    raise AssertionError(f"{name} is not ready: {log.read_text()}")


# --- side by side --------------------------------------------------------------------------------------------


def overhead(running: Running, seconds: int) -> Overhead:
    """Of requests that never wait: a tenth of the capacity, evenly spaced, so that every batch is one request."""
    arrivals_s = schedule(load_trace(f"constant:{LIGHT_LOAD * running.simulated.capacity_rps():g}x{seconds}s"), 0)
    real = running.measured(arrivals_s)
    extra_s = _extra_s(running, real)
    added_s = float(np.nanmedian(real.latency_s - running.simulated.latency_s(arrivals_s)))
    return Overhead(extra_s, added_s - sum(extra_s.values()))


def compared(case: Case, running: Running, light: Overhead, load: float, seconds: int, seed: int = 0) -> Compared:
    """One run at `load` × the capacity; `light` is the overhead while nothing waits."""
    arrivals_s = schedule(load_trace(case.trace(load * running.simulated.capacity_rps(), seconds)), seed)
    real = running.measured(arrivals_s)
    found = _overhead_now(running, real, light)
    simulated = running.simulated
    rows = rows_of(simulated.latency_s(arrivals_s), real.latency_s, simulated.latency_s(arrivals_s, found))
    return Compared(case.name, load, len(arrivals_s), rows, found, real.busy, real.send_lag_p99_s)


def rows_of(simulated_s: FloatArray, real_s: FloatArray, explained_s: FloatArray) -> tuple[Row, ...]:
    """From the latencies of the same requests, NaN if dropped."""
    each = (simulated_s, real_s, explained_s)

    def row(quantity: str, of: Callable[[FloatArray], np.floating[Any]]) -> Row:
        return Row(quantity, *(float(of(latency_s)) for latency_s in each))

    quantiles = [row(name, partial(np.nanquantile, q=q)) for name, q in QUANTILES.items()]
    return (*quantiles, row("dropped", lambda latency_s: np.isnan(latency_s).mean()))


def _overhead_now(running: Running, real: Measured, light: Overhead) -> Overhead:
    """While the run lasted, as far as metrics tell. Else as while nothing waits: they do not know the sizes of batches
    that were served, nor how long those were in the stages that were dropped later."""
    now_s = _extra_s(running, real)
    extra_s = {
        a.stage: now_s[a.stage] if a.batch == 1 else light.extra_s[a.stage] for a in running.simulated.plan.allocations
    }
    if np.isnan(real.latency_s).any():
        return Overhead(extra_s, light.outside_s)
    return Overhead(extra_s, float(real.latency_s.mean()) - sum(real.stage_s.values()))


def _extra_s(running: Running, real: Measured) -> dict[str, float]:
    """Stage → how much longer than profiled a batch of one took."""
    stages = zip(running.simulated.config.pipeline.stages, running.simulated.stations(), strict=True)
    return {s.name: real.service_s[s.name] - float(station.servers[0].service_s[0, 0]) for s, station in stages}
