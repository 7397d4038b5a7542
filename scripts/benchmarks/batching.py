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
LOAD_S = 2.0
CLOSED_S = 1.0
WARM_UP_S = 0.5
ROUNDS = 3
ROUTER = "router"


def run() -> Iterator[Row]:
    with _sides() as urls:
        for url in urls.values():
            closed_loop(url, 1, WARM_UP_S)
        mine_rps, capacity_rps = _saturated_rps(urls)
        yield _throughput("clients that never pause", mine_rps, capacity_rps)
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


def _saturated_rps(urls: Mapping[str, str]) -> tuple[float, float]:
    """(Router, MLServer at its best), chosen and compared as in `_at`."""

    def rate_rps(side: str) -> float:
        return closed_loop(urls[side], 2 * BATCH, CLOSED_S).throughput_rps

    first = {side: rate_rps(side) for side in urls}
    best = max((side for side in urls if side != ROUTER), key=first.__getitem__)
    pairs = [(first[ROUTER], first[best]), *((rate_rps(ROUTER), rate_rps(best)) for _ in range(ROUNDS - 1))]
    return median(mine for mine, _ in pairs), median(theirs for _, theirs in pairs)


def _at(load: float, capacity_rps: float, urls: Mapping[str, str]) -> Iterator[Row]:
    """All sides once, then the router and MLServer's best in turns: the choice falls for MLServer, luck included."""
    schedules = [poisson(load * capacity_rps, LOAD_S, seed) for seed in range(ROUNDS)]
    first = {side: open_loop(url, schedules[0]) for side, url in urls.items()}
    swept_s = {side: quantile_s(result, 0.99) for side, result in first.items() if side != ROUTER}
    best = min(swept_s, key=swept_s.__getitem__)
    pairs = [(first[ROUTER], first[best])]
    pairs += [(open_loop(urls[ROUTER], times_s), open_loop(urls[best], times_s)) for times_s in schedules[1:]]
    p99_s = [(quantile_s(mine, 0.99), quantile_s(theirs, 0.99)) for mine, theirs in pairs]
    ratio = median(mine / theirs for mine, theirs in p99_s)
    yield judged(
        {
            "name": f"p99 of the router ÷ MLServer's adaptive batching at its best, {load:.0%} of capacity",
            "kind": "latency",
            "ratio": round(ratio, 3),
            "seconds": round(median(mine for mine, _ in p99_s), 4),
            "alternative_seconds": round(median(theirs for _, theirs in p99_s), 4),
            "pairs": ROUNDS,
            "best": best,
            "swept_seconds": {side: round(p99, 4) for side, p99 in swept_s.items()},
        },
        "≤ 1.1",
        met=ratio <= 1.1,
    )
    rates = [[_throughput_rps(result) for result in pair] for pair in pairs]
    yield _throughput(
        f"{load:.0%} of capacity", median(mine for mine, _ in rates), median(theirs for _, theirs in rates)
    )


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
