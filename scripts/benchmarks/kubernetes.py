"""What the controller costs: an idle turn, fifty pipelines in one process, and how soon a decision becomes a patch.

The API server is the tests' double, in a process of its own; a true one is farther away and quicker to answer.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.rows import ROOT, Row
from benchmarks.testbed import judged

if TYPE_CHECKING:
    from ipa.adapters.kubernetes.cluster import KubernetesCluster
    from ipa.adapters.kubernetes.connection import Connection
    from ipa.control import Loop
    from ipa.domain import Config, Plan

STAGES, VARIANTS, RATE_RPS = 3, 5, 20
PIPELINES, TURNS = 50, 2000
IDLE_TURNS = 100
CHANGES = 10
WARM_ROUNDS = 4
FLAT = 1.05


def run() -> Iterator[Row]:
    with TemporaryDirectory() as folder, _server(Path(folder) / "kubeconfig") as kubeconfig:
        from ipa.adapters.kubernetes.connection import Connection
        from ipa.adapters.kubernetes.credentials import client_of

        client, namespace = client_of(str(kubeconfig), None)
        sides: list[_Side] = []
        try:
            sides += (_Side.made(i, Connection(client, namespace)) for i in range(PIPELINES))
            yield from _idle(sides[0])
            yield from _many(sides)
            yield _first_patch(sides[0])
        finally:
            for side in sides:
                side.elector.stop()
            client.close()


@contextmanager
def _server(kubeconfig: Path) -> Iterator[Path]:
    command = [sys.executable, "-m", "scripts.benchmarks.kubernetes_side", str(kubeconfig)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdout.readline()
        yield kubeconfig
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@dataclass(frozen=True, slots=True)
class _Side:
    """One pipeline of 3 stages × 5 variants whose best plan runs, and its loop with a lease of its own."""

    config: Config
    connection: Connection
    cluster: KubernetesCluster
    elector: Any
    loop: Loop
    best: Plan

    @classmethod
    def made(cls, seed: int, shared: Connection) -> _Side:
        from ipa.adapters.clock import SystemClock
        from ipa.adapters.kubernetes.cluster import KubernetesCluster
        from ipa.adapters.kubernetes.connection import Requests
        from ipa.adapters.kubernetes.elector import Elector
        from ipa.adapters.kubernetes.events import Events
        from ipa.adapters.kubernetes.rollout import Surroundings
        from ipa.control import Loop
        from ipa.domain import ClusterSettings, Config
        from ipa.options import price
        from ipa.policy import policy_named
        from tests.adapters.kubernetes.pipelines import install
        from tests.pipelines import random_chain

        pipeline = replace(random_chain(seed, STAGES, VARIANTS), name=f"chain{seed}")
        config = Config(pipeline, Path(), cluster=ClusterSettings("kubernetes", router_switch_s=0.1))
        choose = policy_named("auto")
        solution = choose(price(pipeline, 1.2 * RATE_RPS))  # with some room, so that the forecast asks for nothing
        assert solution.evaluation is not None
        best = solution.evaluation.plan
        install(shared, config, best)
        connection = replace(shared, requests=Requests())
        elector = Elector(shared, pipeline.name)
        elector.start()
        events = Events(shared)
        world = Surroundings(config, connection.guarded(elector.guard), _pause, events.tell, poll_s=0.05)
        cluster = KubernetesCluster(world, elector)
        if not cluster.apply(best).applied:
            sys.exit(f"bench: {pipeline.name}: its plan does not run")
        monitor = _monitor(connection, pipeline.name)
        loop = Loop(config, choose, cluster, monitor, SystemClock(), _unchanged, constraints=cluster.constraints)
        return cls(config, connection, cluster, elector, loop, best)


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _unchanged(_: Plan) -> Any:
    """Turns here are idle: what would be applied is only said."""
    from ipa.ports import Outcome

    return Outcome(False, 0.0, "measured only")


def _monitor(connection: Connection, pipeline: str) -> Any:
    """The true monitor over the routers' endpoints; their answer is made up."""
    from ipa.adapters.kubernetes import names
    from ipa.adapters.kubernetes.router_monitor import RoutersMonitor

    pod = {
        "addresses": ["127.0.0.1"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "name": f"{pipeline}-router-0", "uid": f"{pipeline}-0", "namespace": "bench"},
    }
    body = {
        "metadata": {"name": names.router(pipeline), "labels": {names.SERVICE_NAME: names.router(pipeline)}},
        "addressType": "IPv4",
        "ports": [{"name": names.METRICS, "port": 8082, "protocol": "TCP"}],
        "endpoints": [pod],
    }
    connection.create(connection.path("discovery.k8s.io/v1", "endpointslices"), body)
    return RoutersMonitor(connection, pipeline, _answer)


def _answer(*_: object) -> dict[str, Any]:
    return {"until_s": float(int(time.time())), "counts": [RATE_RPS] * 120}


# --- an idle turn ---------------------------------------------------------------------------------------------------


def _idle(side: _Side) -> Iterator[Row]:
    for _ in range(5):
        _turned(side)
    side.connection.requests.sent = 0
    cpu_s: list[float] = []
    for _ in range(IDLE_TURNS):
        began_s = time.thread_time()
        _turned(side)
        cpu_s.append(time.thread_time() - began_s)
    requests = side.connection.requests.sent / IDLE_TURNS
    yield judged(
        {"name": "API requests of an idle turn", "kind": "requests", "requests": requests}, "≤ 5", met=requests <= 5
    )
    cpu_ms = 1e3 * statistics.median(cpu_s)
    row = {"name": "CPU of an idle turn, 3 stages × 5 variants", "kind": "cpu", "ms": round(cpu_ms, 2)}
    yield judged(row, "≤ 50 ms", met=cpu_ms <= 50)


def _turned(side: _Side) -> None:
    turn = side.loop.turn()
    if turn.observation is None or turn.observation.live != side.best or turn.forecast is None:
        sys.exit(f"bench: the turn was not idle: {turn.decision}")


# --- fifty pipelines ------------------------------------------------------------------------------------------------


def _many(sides: list[_Side]) -> Iterator[Row]:
    rounds = TURNS // PIPELINES
    seconds: list[float] = []
    resident: dict[int, float] = {}
    for number in range(1, rounds + 1):
        began_s = time.perf_counter()
        threads = [threading.Thread(target=_turned, args=(side,)) for side in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds.append(time.perf_counter() - began_s)
        if number in (WARM_ROUNDS, rounds):
            gc.collect()
            resident[number] = _resident_mib()
    slowest_s = max(seconds[WARM_ROUNDS:])
    row = {
        "name": f"a turn of {PIPELINES} pipelines of 3 stages × 5 variants in one process",
        "kind": "latency",
        "seconds": round(statistics.median(seconds), 3),
        "slowest_seconds": round(slowest_s, 3),
    }
    yield judged(row, "≤ 3 s", met=slowest_s <= 3)
    growth = resident[rounds] / resident[WARM_ROUNDS]
    row = {
        "name": f"memory after {TURNS:,} turns ÷ after {WARM_ROUNDS * PIPELINES}",
        "kind": "memory",
        "ratio": round(growth, 4),
        "mib": round(resident[rounds], 1),
    }
    yield judged(row, f"≤ {FLAT:g} and ≤ 400 MiB", met=growth <= FLAT and resident[rounds] <= 400)


def _resident_mib() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


# --- from a decision to the first patch -----------------------------------------------------------------------------


def _first_patch(side: _Side) -> Row:
    """Changes of one replica to and fro, from `apply` to the first request that changes a Deployment."""
    first = side.best.allocations[0]
    more = replace(side.best, allocations=(replace(first, replicas=first.replicas + 1), *side.best.allocations[1:]))
    seconds = [_seconds_to_patch(side, (more, side.best)[i % 2]) for i in range(CHANGES)]
    slowest_s = max(seconds)
    row = {
        "name": "from a decision to the first patch",
        "kind": "latency",
        "seconds": round(statistics.median(seconds), 4),
        "slowest_seconds": round(slowest_s, 4),
    }
    return judged(row, "≤ 1 s", met=slowest_s <= 1)


def _seconds_to_patch(side: _Side, plan: Plan) -> float:
    """The guard is asked right before a write is sent, and the first write of a change is that patch."""
    asked_s: list[float] = []

    def guard() -> None:
        asked_s.append(time.perf_counter())
        side.elector.guard()

    world = side.cluster.world
    side.cluster.world = replace(world, connection=side.connection.guarded(guard))
    began_s = time.perf_counter()
    outcome = side.cluster.apply(plan)
    side.cluster.world = world
    if not outcome.applied:
        sys.exit(f"bench: not applied: {outcome.detail}")
    return asked_s[0] - began_s
