"""What the router costs a lone request, and what its batches win: against the same clients at the server directly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.clients import closed_loop, open_loop, poisson, quantile_s
from benchmarks.models import save_mlp, save_small
from benchmarks.rows import Row
from benchmarks.testbed import PLAIN, judged, routed, servers
from ipa.workload.summary import LoadResult

RATE_RPS = 100.0
LOAD_S = 2.0
BATCH = 16
CLIENTS = 2 * BATCH  # one batch at the replica, the next one waits
CLOSED_S = 1.0
WARM_UP_S = 0.5
LATENCY_PAIRS = 3
THROUGHPUT_PAIRS = 3


def run() -> Iterator[Row]:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small = save_small(folder / "small.onnx", 1)
        yield from _latency(small)
        yield _throughput("a model of one operation, bound by the server's work for a call", small, 1.5)
        many = save_small(folder / "many.onnx", 1000)
        yield _throughput("a model of 1,000 small operations, bound by its own work for a call", many, 1.5)
        yield _throughput("an MLP with 64 MB of weights, bound by reading them", save_mlp(folder / "mlp.onnx", 64), 3)


def _latency(model: Path) -> Iterator[Row]:
    """Evenly spaced requests meet nobody; of a Poisson process some queue, one batch in flight at a time."""
    even_s = [i / RATE_RPS for i in range(round(RATE_RPS * LOAD_S))]
    arrivals = {
        "evenly spaced": [even_s] * LATENCY_PAIRS,
        "Poisson": [poisson(RATE_RPS, LOAD_S, seed) for seed in range(LATENCY_PAIRS)],
    }
    with servers(model, PLAIN) as (server,), routed(server, batch=1) as router:
        for url in (server.url, router.url):
            closed_loop(url, 1, WARM_UP_S)
        for kind, schedules in arrivals.items():
            pairs = [(open_loop(server.url, times_s), open_loop(router.url, times_s)) for times_s in schedules]
            yield _added(kind, 0.5, pairs, most=1)
            yield _added(kind, 0.99, pairs, most=3)


def _added(arrivals: str, q: float, pairs: Sequence[tuple[LoadResult, LoadResult]], most: float) -> Row:
    """Pair by pair (direct, through the router): what the quantile grows by, in p50s of the direct call."""
    quantiles_s = [(quantile_s(direct, q), quantile_s(through, q)) for direct, through in pairs]
    halves_s = [quantile_s(direct, 0.5) for direct, _ in pairs]
    added = median(
        (through_s - direct_s) / half_s for (direct_s, through_s), half_s in zip(quantiles_s, halves_s, strict=True)
    )
    return judged(
        {
            "name": f"p{100 * q:g} added by the router ÷ direct p50, one stage, {RATE_RPS:g} requests/s, {arrivals}",
            "kind": "latency",
            "ratio": round(added, 3),
            "seconds": round(median(through_s for _, through_s in quantiles_s), 5),
            "alternative_seconds": round(median(direct_s for direct_s, _ in quantiles_s), 5),
            "pairs": len(pairs),
        },
        f"≤ {most:g}",
        met=added <= most,
    )


def _throughput(on: str, model: Path, least: float) -> Row:
    with servers(model, PLAIN) as (server,), routed(server, BATCH) as router:
        urls = (router.url, server.url)
        for url in urls:
            closed_loop(url, CLIENTS, WARM_UP_S)
        pairs = [[closed_loop(url, CLIENTS, CLOSED_S).throughput_rps for url in urls] for _ in range(THROUGHPUT_PAIRS)]
    gained = median(through / direct for through, direct in pairs)
    return judged(
        {
            "name": f"router with batches of {BATCH} ÷ server directly, {CLIENTS} clients, {on}",
            "kind": "throughput",
            "ratio": round(gained, 2),
            "rps": round(median(through for through, _ in pairs)),
            "alternative_rps": round(median(direct for _, direct in pairs)),
            "pairs": THROUGHPUT_PAIRS,
        },
        f"≥ {least:g}",
        met=gained >= least,
    )
