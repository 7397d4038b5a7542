"""What the router is like after 200,000 requests, with 1,000 connections open, in a burst of ten times the load, and
with a new plan every second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.clients import closed_loop, open_loop, poisson
from benchmarks.models import save_small
from benchmarks.rows import Row
from benchmarks.testbed import PLAIN, Server, judged, plan, routed, servers
from ipa.workload.summary import ANSWERED, LoadResult, in_time, summarise
from tests.dataplane.processes import AUTHORIZED, Running

if TYPE_CHECKING:
    import httpx

CLIENTS = 64
FIRST, LAST = 20_000, 200_000
FLAT = 1.05
CONNECTIONS = 1000

BASE_RPS, TIMES = 100.0, 10
BEFORE_S, BURST_S, AFTER_S = 2.0, 5.0, 4.0
SLO_S, DROP_AFTER_S = 0.5, 1.0
QUEUE_LIMIT = 500
RECOVERY_S = 3.0  # less than AFTER_S: the watch must outlast the promise
LOOK_S = 0.05
WARM_UP_S = 1.0

CHANGED_RPS, CHANGED_S = 200.0, 60.0
CHANGE_S = 1.0
FEWEST_PLANS = 50  # each waits for the replicas that leave, so that there are fewer than seconds

BURST = f"a burst of {TIMES} × {BASE_RPS:g} requests/s for {BURST_S:g} s"


def run() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        small, many = save_small(Path(folder) / "small.onnx", 1), save_small(Path(folder) / "many.onnx", 1000)
        with servers(small, PLAIN) as (server,), routed(server, CLIENTS) as router:
            yield _memory(router)
            yield _connections(router)
        # Batches of one: the burst must be more than the stage can take.
        limits = {"drop_after_s": DROP_AFTER_S, "queue_limit": QUEUE_LIMIT}
        with servers(many, PLAIN) as (server,), routed(server, 1, **limits) as router:
            closed_loop(router.url, 1, WARM_UP_S)
            yield from _burst(router)
        with servers(small, PLAIN, PLAIN) as (one, other), routed(one, 1) as router:
            yield _reconfigured(router, one, other)


# --- memory and connections --------------------------------------------------------------------------------------


def _memory(router: Running) -> Row:
    sent = [closed_loop(router.url, CLIENTS, requests=FIRST)]
    first_mib = _resident_mib(router)
    sent.append(closed_loop(router.url, CLIENTS, requests=LAST - FIRST))
    last_mib = _resident_mib(router)
    return judged(
        {
            "name": f"memory of the router after {LAST:,} ÷ after {FIRST:,} requests",
            "kind": "memory",
            "ratio": round(last_mib / first_mib, 4),
            "mib": round(last_mib, 1),
            "sent": sum(each.sent for each in sent),
            "answered": sum(each.answered for each in sent),
            "rps": round(sent[-1].throughput_rps),
        },
        f"≤ {FLAT}, all answered",
        met=last_mib <= FLAT * first_mib and all(each.answered == each.sent for each in sent),
    )


def _connections(router: Running) -> Row:
    """Each client asks five times: a connection that the router had closed in between would be dialled anew."""
    held: list[int] = []
    got = closed_loop(
        router.url, CONNECTIONS, requests=5 * CONNECTIONS, before_closing=lambda: held.append(_established(router))
    )
    return judged(
        {
            "name": f"{CONNECTIONS:,} clients at once, each with a connection of its own",
            "kind": "connections",
            "held": held[0],
            "sent": got.sent,
            "answered": got.answered,
            "mib": round(_resident_mib(router), 1),
        },
        f"{CONNECTIONS} held, all answered",
        met=held[0] == CONNECTIONS and got.answered == got.sent,
    )


def _resident_mib(router: Running) -> float:
    import psutil

    return float(psutil.Process(router.child.pid).memory_info().rss) / 2**20


def _established(router: Running) -> int:
    import psutil

    port = int(router.url.rpartition(":")[2])
    connections = psutil.Process(router.child.pid).net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in connections)


# --- burst -------------------------------------------------------------------------------------------------------


def _burst(router: Running) -> Iterator[Row]:
    before = _counted(router)
    intended_s = _arrivals()
    with _longest_queue(router) as longest:
        result = open_loop(router.url, intended_s, connections=len(intended_s))
    counted = {name: value - before[name] for name, value in _counted(router).items()}
    yield _bounded(longest[0])
    yield _accounted(f"{BURST}: what became of all requests", "burst", result, counted)
    yield _recovery(result, BEFORE_S + BURST_S)


def _arrivals() -> list[float]:
    """Poisson before, in and after the burst; the end of one part may reach a little into the next."""
    parts = ((0.0, BASE_RPS, BEFORE_S), (BEFORE_S, TIMES * BASE_RPS, BURST_S), (BEFORE_S + BURST_S, BASE_RPS, AFTER_S))
    return sorted(
        begin_s + time_s
        for seed, (begin_s, rate_rps, seconds) in enumerate(parts)
        for time_s in poisson(rate_rps, seconds, seed)
    )


def _bounded(longest: int) -> Row:
    row = {"name": f"{BURST}: longest queue", "kind": "burst", "requests": longest}
    return judged(row, f"≤ {QUEUE_LIMIT}, the queue_limit", met=longest <= QUEUE_LIMIT)


def _accounted(name: str, kind: str, result: LoadResult, router: Mapping[str, int]) -> Row:
    """The clients' counts, which the router's metrics must repeat."""
    summary = summarise(result, SLO_S, None)
    clients = {name: getattr(summary, name) for name in ("sent", "answered", "dropped", "failed")}
    everything = len(result.outcome) == summary.sent == summary.answered + summary.dropped + summary.failed
    return judged(
        {
            "name": name,
            "kind": kind,
            **clients,
            "drops": dict(summary.drops),
            "failures": dict(summary.failures),
            "router": dict(router),
        },
        "sent = answered + dropped + failed, by the clients and by the router alike; none failed",
        met=everything and clients == router and not summary.failed,
    )


def _recovery(result: LoadResult, after_s: float) -> Row:
    """How long after the burst a request that was sent then still missed the SLO or was dropped."""
    missed = (result.outcome != ANSWERED) | ~in_time(result.latency_s, SLO_S)
    late_s = result.intended_s[missed & (result.intended_s >= after_s)]
    recovered_s = float(late_s.max()) - after_s if len(late_s) else 0.0
    row = {"name": f"{BURST}: seconds until all are in time again", "kind": "burst", "seconds": round(recovered_s, 2)}
    return judged(row | {"slo_s": SLO_S}, f"≤ {RECOVERY_S:g}", met=recovered_s <= RECOVERY_S)


def _counted(router: Running) -> dict[str, int]:
    """The router's counters under the names of the load's report."""
    import httpx
    from prometheus_client.parser import text_string_to_metric_families

    text = httpx.get(f"{router.url}/metrics", trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    names = {"sent": "requests", "answered": "answers", "dropped": "drops", "failed": "errors"}
    return {
        name: int(sum(sample.value for sample in samples if sample.name == f"ipa_{counter}_total"))
        for name, counter in names.items()
    }


@contextmanager
def _longest_queue(router: Running) -> Iterator[list[int]]:
    """While the block runs its one entry is the longest queue seen, looked at every LOOK_S."""
    longest = [0]

    def look(admin: httpx.Client) -> None:
        state: dict[str, Any] = admin.get("/plan").json()
        longest[0] = max(longest[0], state["stages"][0]["queue_length"])

    with _every(LOOK_S, router, look):
        yield longest


# --- a new plan every second -------------------------------------------------------------------------------------


def _reconfigured(router: Running, one: Server, other: Server) -> Row:
    """Replicas come, stay with another batch, and leave with requests in flight; nobody may notice."""
    before = _counted(router)
    with _changing(router, [plan(1, one), plan(8, one, other), plan(4, other)]) as statuses:
        result = open_loop(router.url, poisson(CHANGED_RPS, CHANGED_S, seed=0))
    counted = {name: value - before[name] for name, value in _counted(router).items()}
    name = f"{CHANGED_RPS:g} requests/s for {CHANGED_S:g} s with a new plan every second"
    row = _accounted(name, "reconfiguration", result, counted)
    refused = sum(status != 200 for status in statuses)
    return judged(
        {**row, "plans": len(statuses), "refused": refused},
        f"{row['target']}; {FEWEST_PLANS} plans or more, none refused",
        met=row["met"] and len(statuses) >= FEWEST_PLANS and not refused,
    )


@contextmanager
def _changing(router: Running, plans: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """While the block runs the router gets these plans in turns; holds the status of each answer."""
    turns, statuses = cycle(plans), list[int]()

    def change(admin: httpx.Client) -> None:
        statuses.append(admin.put("/plan", json=next(turns)).status_code)

    with _every(CHANGE_S, router, change):
        yield statuses


# --- beside a load -----------------------------------------------------------------------------------------------


@contextmanager
def _every(seconds: float, router: Running, step: Callable[[httpx.Client], None]) -> Iterator[None]:
    """While the block runs, `step` with a client of the router's admin port, again and again."""
    stop = threading.Event()
    repeating = threading.Thread(target=_repeat, args=(seconds, router, step, stop))
    repeating.start()
    try:
        yield
    finally:
        stop.set()
        repeating.join()


def _repeat(seconds: float, router: Running, step: Callable[[httpx.Client], None], stop: threading.Event) -> None:
    import httpx

    # Putting a plan waits until the replicas that leave are idle: longer than httpx's own 5 s if the machine is busy.
    with httpx.Client(base_url=router.admin_url, headers=AUTHORIZED, timeout=60.0, trust_env=False) as admin:
        while not stop.wait(seconds):
            try:
                step(admin)
            except httpx.TransportError:  # ^C ends the router, too
                return
