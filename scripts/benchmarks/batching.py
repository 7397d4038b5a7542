"""The router's central queue against MLServer's adaptive batching, over the same model on one core.

MLServer gets its best max_batch_time for every load anew. Capacity is the most that it answers with any of them to
clients that never pause, so either side can carry all three loads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.clients import closed_loop, open_loop, poisson, quantile_s
from benchmarks.models import save_mlp
from benchmarks.rows import Row
from benchmarks.testbed import PLAIN, judged, routed, servers
from ipa.workload.summary import ANSWERED, LoadResult

BATCH = 16
WAITS_S = (0.001, 0.005, 0.02)
LOADS = (0.3, 0.6, 0.9)
LOAD_S = 2.2
CLOSED_S = 2.0
ROUNDS = 2
ROUTER = "router"

Latencies = Mapping[str, list[float]]


def run() -> Iterator[Row]:
    with _sides() as urls:
        for url in urls.values():
            closed_loop(url, 1, CLOSED_S / 4)
        rates = {side: closed_loop(url, 2 * BATCH, CLOSED_S).throughput_rps for side, url in urls.items()}
        capacity_rps = max(rate for side, rate in rates.items() if side != ROUTER)
        yield _throughput("clients that never pause", rates[ROUTER], capacity_rps)
        for load in LOADS:
            yield from _at(load, capacity_rps, urls)


@contextmanager
def _sides() -> Iterator[dict[str, str]]:
    """The URL of each side."""
    adaptive = [
        {"module": "scripts.benchmarks.adaptive_server", "max_batch_size": BATCH, "max_batch_time_s": wait_s}
        for wait_s in WAITS_S
    ]
    with TemporaryDirectory() as folder:
        model = save_mlp(Path(folder) / "mlp.onnx", 128)
        with servers(model, PLAIN, *adaptive) as (plain, *others), routed(plain, BATCH) as router:
            names = [f"max_batch_time {1e3 * wait_s:g} ms" for wait_s in WAITS_S]
            yield {ROUTER: router.url} | {name: other.url for name, other in zip(names, others, strict=True)}


def _at(load: float, capacity_rps: float, urls: Mapping[str, str]) -> Iterator[Row]:
    p99_s: Latencies = {side: [] for side in urls}
    rates: Latencies = {side: [] for side in urls}
    for seed in range(ROUNDS):
        intended_s = poisson(load * capacity_rps, LOAD_S, seed)
        for side, url in urls.items():
            result = open_loop(url, intended_s)
            p99_s[side].append(quantile_s(result, 0.99))
            rates[side].append(_throughput_rps(result))
    typical_s = {side: median(each) for side, each in p99_s.items()}
    best = min((side for side in urls if side != ROUTER), key=typical_s.__getitem__)
    ratio = median(mine / theirs for mine, theirs in zip(p99_s[ROUTER], p99_s[best], strict=True))
    yield judged(
        {
            "name": f"p99 of the router ÷ MLServer's adaptive batching at its best, {load:.0%} of capacity",
            "kind": "latency",
            "ratio": round(ratio, 3),
            "seconds": round(typical_s[ROUTER], 4),
            "alternative_seconds": {side: round(p99, 4) for side, p99 in typical_s.items() if side != ROUTER},
            "rounds": ROUNDS,
        },
        "≤ 1.1",
        met=ratio <= 1.1,
    )
    yield _throughput(f"{load:.0%} of capacity", median(rates[ROUTER]), median(rates[best]))


def _throughput(under: str, mine_rps: float, theirs_rps: float) -> Row:
    ratio = mine_rps / theirs_rps
    return judged(
        {
            "name": f"throughput of the router ÷ MLServer's adaptive batching at its best, {under}",
            "kind": "throughput",
            "ratio": round(ratio, 3),
            "rps": round(mine_rps),
            "alternative_rps": round(theirs_rps),
        },
        "≥ 0.95",
        met=ratio >= 0.95,
    )


def _throughput_rps(result: LoadResult) -> float:
    """Answers per second until the last answer came."""
    answered = result.outcome == ANSWERED
    return float(answered.sum() / (result.intended_s + result.latency_s)[answered].max())
