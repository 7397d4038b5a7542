"""The rules that fill what the IPA paper did not measure. Pure; scripts/paper_points.py has what it did measure.

Measured figures are never changed. `source` is `paper` only where mean, p99 and throughput of a row were all measured;
otherwise it is `estimated:RULE+RULE…`, the rules in the order they were applied. p50, p95, requests, memory and load
time nobody measured and no rule fills. Below l is the mean latency and h the throughput, batch / l where there is none.

Inside a row (no `-scaling` among its rules): the cell a rule is named after is filled, every other figure was measured.
  ms-is-p99       the source gives a latency but not its statistic: it is taken as p99.
  p99-from-mean   p99 = r(b)·l, with r(1) and r(8) the mean of the measured p99 / mean (yolov5m and resnet152; yolov5m),
                  linear in log2 b between them and r(8) beyond.
  mean-from-rps   l = 1 / throughput at batch 1, one request at a time; only where that is not above p99.
  mean-from-p99   l = p99 / r(b), where no throughput says better.
  rps-capped      h = G·h(1) where an unmeasured h would be more, G the largest measured h(b) / h(1) of one server: a
                  latency that low was taken at a load that did not fill the batches. Holds for scaled rows too.
From row to row (`-scaling`): nothing of the row was measured. Mean, p99 and throughput, if there is one, all move.
  cores-scaling   latency ÷ S and throughput × S per doubling of cores, at every batch; S(1→2), S(2→4), S(4→8) and
                  S(8→16) are the medians of the measured h(2R) / h(R) at batch 1 over all variants.
  params-scaling  latency ∝ parameters^ε, throughput ∝ parameters^−ε, at every batch; ε is the median over FAMILIES of
                  ln(h / h') / ln(parameters' / parameters) at batch 1, lightest against heaviest measured variant.
  batch-scaling   between two batches the server has: linear in log latency (log throughput) over log batch. Beyond its
                  largest: mean as c(b), p99 as r(b)·c(b), throughput as b / c(b), where c are the means of the stage's
                  reference server, log over log too and beyond its last batch at its last slope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log, log2
from statistics import fmean, median

from paper_points import Point, points, variants

Server = tuple[str, str, int]
"""(stage, variant, cores)."""

# The lightest and the heaviest measured variant of a family, on the cores where both were measured at batch 1.
FAMILIES: tuple[tuple[Server, Server], ...] = (
    (("detect", "yolov5n", 1), ("detect", "yolov5m", 1)),
    (("classify", "resnet18", 1), ("classify", "resnet152", 1)),
    (("audio", "s2t-small", 1), ("audio", "s2t-large", 1)),
    (("audio", "wav2vec2-base", 1), ("audio", "wav2vec2-large", 1)),
    (("summarise", "xsum-1-1", 2), ("summarise", "xsum-12-6", 2)),
    (("translate", "fr-en", 2), ("translate", "tc-big-fr-en", 2)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A filled row of measurements.csv; `rules` are those that filled it, in order."""

    server: Server
    batch: int
    mean_s: float
    p99_s: float
    rps: float | None
    rules: tuple[str, ...] = ()

    @property
    def rate_rps(self) -> float:
        return self.batch / self.mean_s if self.rps is None else self.rps

    @property
    def source(self) -> str:
        return f"estimated:{'+'.join(self.rules)}" if self.rules else "paper"

    @property
    def kind(self) -> str:
        """measured, partly measured (a cell or two filled inside the row) or estimated (nothing was measured)."""
        if not self.rules:
            return "measured"
        return "estimated" if any(rule.endswith("-scaling") for rule in self.rules) else "partly measured"

    def scaled(self, server: Server, factor: float, rule: str) -> Row:
        """The same row for another server whose latency is `factor` times as long."""
        rps = None if self.rps is None else self.rps / factor
        return Row(server, self.batch, self.mean_s * factor, self.p99_s * factor, rps, (*self.rules, rule))


Rows = Mapping[tuple[Server, int], Row]


# ---------------------------------------------------------------- rules inside a row


@cache
def tail(batch: int) -> float:
    """r(b), p99 ÷ mean at a batch size."""
    pairs: dict[int, list[float]] = {}
    for p in points():
        if p.mean_s and p.p99_s and p.p99_is_labelled:
            pairs.setdefault(p.batch, []).append(p.p99_s / p.mean_s)
    return fmean(pairs[1]) + (fmean(pairs[8]) - fmean(pairs[1])) * min(log2(batch) / 3, 1)


def completed(p: Point) -> Row:
    """A measured point with mean and p99 filled."""
    server = (p.stage, p.variant, p.cores)
    labels = () if p.p99_is_labelled else ("ms-is-p99",)
    if p.p99_s is None:
        assert p.mean_s is not None
        return Row(server, p.batch, p.mean_s, p.mean_s * tail(p.batch), p.rps, ("p99-from-mean",))
    if p.mean_s is not None:
        return Row(server, p.batch, p.mean_s, p.p99_s, p.rps, labels)
    if p.batch == 1 and p.rps is not None and 1 / p.rps <= p.p99_s:
        return Row(server, p.batch, 1 / p.rps, p.p99_s, p.rps, (*labels, "mean-from-rps"))
    return Row(server, p.batch, p.p99_s / tail(p.batch), p.p99_s, p.rps, (*labels, "mean-from-p99"))


def batching_gain(rows: Rows) -> float:
    """G, the most that batching was measured to add to a server's throughput."""
    measured = {key: row.rps for key, row in rows.items() if row.rps is not None}
    return max(rps / measured[server, 1] for (server, _), rps in measured.items() if (server, 1) in measured)


def capped(row: Row, rows: Rows, gain: float) -> Row:
    """`row` with no more throughput than batching was seen to give its server; measured ones are below that."""
    first = rows.get((row.server, 1))
    if first is None or row.rate_rps <= gain * first.rate_rps * (1 + 1e-9):
        return row
    rules = tuple(dict.fromkeys((*row.rules, "rps-capped")))
    return replace(row, rps=gain * first.rate_rps, rules=rules)


def measured_rows() -> Rows:
    rows = {(row.server, row.batch): row for row in map(completed, points())}
    gain = batching_gain(rows)
    return {key: capped(row, rows, gain) for key, row in rows.items()}


# ---------------------------------------------------------------- rules from row to row


def speedup(rows: Rows, cores: int) -> float:
    """S, the throughput gained by going from `cores` to twice as many."""
    at = {server: row.rate_rps for (server, batch), row in rows.items() if batch == 1}
    wider = {server: (*server[:2], 2 * cores) for server in at if server[2] == cores}
    return median(at[wide] / at[server] for server, wide in wider.items() if wide in at)


def cores_factor(rows: Rows, cores: int, target: int) -> float:
    """How many times as long a batch takes on `target` cores as on `cores`; both are powers of two."""
    if target < cores:
        return 1 / cores_factor(rows, target, cores)
    return 1.0 if target == cores else cores_factor(rows, 2 * cores, target) / speedup(rows, cores)


def size_ratio(heavy: Server, light: Server) -> float:
    """How many times as many parameters one variant has as another."""
    parameters = {(v.stage, v.name): v.parameters_m for v in variants()}
    return parameters[heavy[:2]] / parameters[light[:2]]


def size_exponent(rows: Rows) -> float:
    """ε of latency ∝ parameters^ε."""
    return median(
        log(rows[light, 1].rate_rps / rows[heavy, 1].rate_rps) / log(size_ratio(heavy, light))
        for light, heavy in FAMILIES
    )


def log_log(curve: Mapping[int, float], batch: int) -> float:
    """A curve over batch sizes, at any: linear in log over log, outside its batches at the slope of its ends."""
    batches = sorted(curve)
    high = next((i for i, b in enumerate(batches) if b >= batch and i > 0), len(batches) - 1)
    left, right = batches[high - 1], batches[high]
    slope = log(curve[right] / curve[left]) / log(right / left)
    return curve[left] * exp(slope * log(batch / left))


def batch_scaled(own: Mapping[int, Row], batch: int, reference: Mapping[int, float]) -> Row:
    """A server's row at a batch it lacks, from its `own` rows by batch and the `reference` server's means by batch."""
    below = own[max(b for b in own if b < batch)]
    above = min((b for b in own if b > batch), default=None)
    return _beyond(below, batch, reference) if above is None else _between(below, own[above], batch)


def _between(low: Row, high: Row, batch: int) -> Row:
    mean_s = log_log({low.batch: low.mean_s, high.batch: high.mean_s}, batch)
    p99_s = log_log({low.batch: low.p99_s, high.batch: high.p99_s}, batch)
    rps = log_log({low.batch: low.rps, high.batch: high.rps}, batch) if low.rps and high.rps else None
    rules = tuple(dict.fromkeys((*low.rules, *high.rules, "batch-scaling")))
    return Row(low.server, batch, mean_s, p99_s, rps, rules)


def _beyond(last: Row, batch: int, reference: Mapping[int, float]) -> Row:
    longer = log_log(reference, batch) / log_log(reference, last.batch)
    tails = tail(batch) / tail(last.batch)
    rps = None if last.rps is None else last.rps * batch / last.batch / longer
    return Row(
        last.server, batch, last.mean_s * longer, last.p99_s * longer * tails, rps, (*last.rules, "batch-scaling")
    )
