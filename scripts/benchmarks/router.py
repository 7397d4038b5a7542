"""What the router costs a lone request, and what its batches win: against the same clients at the server directly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.clients import closed_loop, open_loop, poisson, quantile_s
from benchmarks.models import save_mlp, save_small
from benchmarks.rows import Row
from benchmarks.testbed import PLAIN, judged, routed, servers

RATE_RPS = 100.0
LOAD_S = 3.5
BATCH = 16
CLIENTS = 2 * BATCH  # one batch at the replica, the next one waits
CLOSED_S = 1.2
WARM_UP_S = 0.5
LATENCY_PAIRS = 5
THROUGHPUT_PAIRS = 3


def run() -> Iterator[Row]:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small = save_small(folder / "small.onnx", 1)
        yield from _latency(small)
        yield _throughput("a model of one operation, bound by the server's work for a call", small, 1.5)
        many = save_small(folder / "many.onnx", 1000)
        yield _throughput("a model of 1,000 small operations, bound by its own work for a call", many, 1.5)
        yield _throughput("an MLP with 128 MB of weights, bound by reading them", save_mlp(folder / "mlp.onnx", 128), 3)


def _latency(model: Path) -> Iterator[Row]:
    """Pair by pair: added p50 and added p99, both in p50s of the direct call."""
    with servers(model, PLAIN) as (server,), routed(server, batch=1) as router:
        for url in (server.url, router.url):
            closed_loop(url, 1, WARM_UP_S)
        pairs = []
        for seed in range(LATENCY_PAIRS):
            intended_s = poisson(RATE_RPS, LOAD_S, seed)
            direct, through = open_loop(server.url, intended_s), open_loop(router.url, intended_s)
            pairs.append([(quantile_s(direct, q), quantile_s(through, q)) for q in (0.5, 0.99)])
    for percentile, column, most in (("p50", 0, 1), ("p99", 1, 3)):
        added = median((pair[column][1] - pair[column][0]) / pair[0][0] for pair in pairs)
        yield judged(
            {
                "name": f"{percentile} added by the router ÷ direct p50, one stage, Poisson at {RATE_RPS:g} requests/s",
                "kind": "latency",
                "ratio": round(added, 3),
                "seconds": round(median(pair[column][1] for pair in pairs), 5),
                "alternative_seconds": round(median(pair[column][0] for pair in pairs), 5),
                "pairs": LATENCY_PAIRS,
            },
            f"≤ {most}",
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
