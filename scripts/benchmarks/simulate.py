"""The simulator's engine on one core, after compilation: its speed alone and beside SimPy, and what it remembers.

Seconds are those of the processor: nothing here waits, and what else the machine does is no part of it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from statistics import median

import numpy as np

from benchmarks.rows import ROOT, Row, ratio
from benchmarks.testbed import judged
from ipa.adapters.files import load_config
from ipa.adapters.trace_files import load_trace
from ipa.simulation.backtest import Run
from ipa.simulation.comparison import compare
from ipa.simulation.engine import Engine
from ipa.simulation.engine import run as simulate
from ipa.simulation.graph import Graph
from ipa.simulation.stations import Station
from ipa.workload.processes import FloatArray
from tests.simulation import simpy_model
from tests.simulation.build import chain, servers, station

REPEATS = 5
MILLION = 1_000_000
SERVICE_S = ((0.020, 0.024, 0.028, 0.032), (0.010, 0.012, 0.014, 0.016), (0.005, 0.006, 0.007, 0.008))
REPLICAS = (4, 2, 1)
OTHER_REPLICAS = (5, 3, 2)  # what every second change asks for
RATE_RPS = 300.0  # of the about 500 that full batches of 4 could serve: queues and batches of every size
CHANGE_EVERY_S = 10.0
LOADS_RPS = (6, 12, 25, 40, 60, 40, 25, 12, 6, 20, 50, 10)
CHUNK = 100_000
FLAT = 1.1  # four times the requests in at most this much more memory


def run() -> Iterator[Row]:
    arrivals_s = poisson_s(MILLION, RATE_RPS)
    hour_s = poisson_s(540_000, 150.0)
    for compiled in (_plain(arrivals_s[:1000]), _with_changes(arrivals_s[:10_000])):
        compiled()
    yield _speed("engine: 3 stages of greedy batches", _plain(arrivals_s), MILLION, least_per_s=10e6)
    changes = f"the same with a change every {CHANGE_EVERY_S:g} s"
    yield _speed(changes, _with_changes(arrivals_s), MILLION, least_per_s=3e6)
    yield _hour(hour_s)
    yield _graph_beside_line(arrivals_s)
    yield _backtest()
    yield from _beside_simpy(arrivals_s[:200_000])
    yield _memory()


def poisson_s(requests: int, rate_rps: float) -> FloatArray:
    gaps_s = np.random.default_rng(0).exponential(1 / rate_rps, requests)
    return np.cumsum(gaps_s).astype(np.float64)


def stations(replicas: tuple[int, ...] = REPLICAS) -> list[Station]:
    return [station(servers(*each, replicas=n)) for each, n in zip(SERVICE_S, replicas, strict=True)]


def _plain(arrivals_s: FloatArray) -> Callable[[], object]:
    return partial(simulate, chain(len(SERVICE_S)), stations(), arrivals_s)


def _with_changes(arrivals_s: FloatArray) -> Callable[[], object]:
    """Every ten seconds one replica more, or again one less, in each stage."""
    cuts_s = np.arange(CHANGE_EVERY_S, arrivals_s[-1], CHANGE_EVERY_S)
    steps = np.split(arrivals_s, np.searchsorted(arrivals_s, cuts_s))
    plans = [dict(enumerate(stations(each))) for each in (OTHER_REPLICAS, REPLICAS)]

    def work() -> None:
        engine = Engine(chain(len(SERVICE_S)), stations())
        for i, until_s in enumerate(cuts_s):
            engine.advance(steps[i], float(until_s))
            engine.change(plans[i % 2])
        engine.advance(steps[-1], inf)

    return work


def _cpu_s(work: Callable[[], object]) -> float:
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def _speed(name: str, work: Callable[[], object], requests: int, least_per_s: float) -> Row:
    took_s = [_cpu_s(work) for _ in range(REPEATS)]
    per_s = requests / median(took_s)
    row: Row = {
        "name": name,
        "kind": "simulation",
        "requests": requests,
        "cpu_seconds": round(median(took_s), 4),
        "requests_per_s": round(per_s),
    }
    return judged(row, f"at least {least_per_s / 1e6:g} M requests/s", met=per_s >= least_per_s)


def _hour(arrivals_s: FloatArray) -> Row:
    took_s = median(_cpu_s(_plain(arrivals_s)) for _ in range(REPEATS))
    row: Row = {
        "name": "engine: one hour at 150 requests/s through 3 stages",
        "kind": "simulation",
        "requests": len(arrivals_s),
        "cpu_seconds": round(took_s, 4),
    }
    return judged(row, "less than 0.2 s", met=took_s < 0.2)


def _graph_beside_line(arrivals_s: FloatArray) -> Row:
    """What it brings that a straight line is run stage by stage: the same requests event by event, as any graph is."""

    def event_by_event() -> None:
        Graph(stations(), chain(len(SERVICE_S)), 0).advance(arrivals_s, inf)

    event_by_event()
    pairs = [(_cpu_s(event_by_event), _cpu_s(_plain(arrivals_s))) for _ in range(REPEATS)]
    return ratio("engine: event by event ÷ stage by stage, the same straight line", "simulation", pairs)


def _backtest() -> Row:
    """`ipa simulate` without its start: an hour, a decision every ten seconds, load that comes and goes."""
    config, trace = (
        load_config(ROOT / "configs" / "video.yaml"),
        load_trace("+".join(f"poisson:{rate}x300s" for rate in LOADS_RPS)),
    )

    def work() -> int:
        runs = compare([config], trace, ["auto"], [0], "mean")
        return sum(len(each.turns) for each in runs if isinstance(each, Run))

    turns = work()
    took_s = median(_cpu_s(work) for _ in range(REPEATS))
    row: Row = {
        "name": "backtest: one hour, policy auto",
        "kind": "simulation",
        "turns": turns,
        "cpu_seconds": round(took_s, 3),
    }
    return judged(row, "at most 3 s", met=took_s <= 3)


def _beside_simpy(arrivals_s: FloatArray) -> Iterator[Row]:
    """The same requests through both, in turns; the ratio counts only if both have the same mean latency."""
    listed_s = arrivals_s.tolist()
    theirs = partial(simpy_model.ends_s, SERVICE_S, REPLICAS, listed_s)
    found = simulate(chain(len(SERVICE_S)), stations(), arrivals_s)
    mine_s = float((found.at_s - arrivals_s[found.request]).mean())
    theirs_s = float((np.array(theirs()) - arrivals_s).mean())
    if abs(mine_s - theirs_s) > 1e-9:
        raise AssertionError(f"mean latency: engine {mine_s!r} s, SimPy {theirs_s!r} s: they must not differ")
    row = ratio("SimPy ÷ engine", "simulation", [(_cpu_s(theirs), _cpu_s(_plain(arrivals_s))) for _ in range(3)])
    row["mean_latency_s"] = round(mine_s, 6)
    yield judged(row, "more than 100 ×", met=row["ratio"] > 100)


# --- memory: each size in a process of its own ------------------------------------------------------------------------


def _memory() -> Row:
    few_mib, many_mib = (_peak_of(10 * MILLION), _peak_of(40 * MILLION))
    row: Row = {
        "name": "peak memory of 40 M ÷ 10 M requests, fed in chunks",
        "kind": "memory",
        "ratio": round(many_mib / few_mib, 4),
        "mib": round(many_mib, 1),
    }
    return judged(row, f"at most {FLAT:g} ×", met=many_mib <= FLAT * few_mib)


def _peak_of(requests: int) -> float:
    code = f"from benchmarks.simulate import print_peak; print_peak({requests})"
    path = [str(ROOT / "scripts"), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return float(json.loads(done.stdout))


def print_peak(requests: int) -> None:
    """Feeds the engine chunk by chunk and says how much memory this process held at most, in MiB."""
    engine, random, now_s = Engine(chain(len(SERVICE_S)), stations()), np.random.default_rng(0), 0.0
    for _ in range(requests // CHUNK):
        arrivals_s = now_s + np.cumsum(random.exponential(1 / RATE_RPS, CHUNK + 1))
        now_s = float(arrivals_s[-1])
        engine.advance(arrivals_s[:-1], now_s)
    engine.advance(np.array([], dtype=np.float64), inf)
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
