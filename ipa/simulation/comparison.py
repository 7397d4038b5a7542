"""Rivals side by side: every policy, interval and seed, each on the same arrivals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ipa.domain import Config, Plan
from ipa.simulation.backtest import Row, Run, rates_of, run
from ipa.simulation.rivals import ORACLE, Rival, rival
from ipa.workload.trace import Trace, arrival_times, counts_per_second


def compare(
    config: Config,
    trace: Trace,
    policies: Sequence[str],
    intervals_s: Sequence[float],
    seeds: Sequence[int],
    service: str,
) -> Iterator[Run | str]:
    """One run a policy, interval and seed, in this order; a reason where a policy has no plan to start with."""
    for name in policies:
        for interval_s in intervals_s:
            paced = replace(config, control=replace(config.control, interval_s=interval_s))
            for seed in seeds:
                arrivals_s = arrival_times(trace, seed)
                rates = rates_of(counts_per_second(arrivals_s, trace.duration_s), trace.duration_s)
                found = rival(name, paced, rates)
                if isinstance(found, str):
                    yield f"{name}: {found}"
                else:
                    yield run(found, arrivals_s, trace.duration_s, seed, service)


def fixed(config: Config, trace: Trace, plan: Plan, seeds: Sequence[int], service: str) -> Iterator[Run]:
    """One run of `plan` a seed, never changed; the policy is called `plan`."""
    for seed in seeds:
        yield run(Rival("plan", config, plan, None), arrival_times(trace, seed), trace.duration_s, seed, service)


def with_regret(rows: Sequence[Row]) -> list[Row]:
    """What each row's mean objective lacks to the oracle's of the same seed, at its best interval, if it took part."""
    best: dict[int, float] = {}
    for row in rows:
        if row.policy == ORACLE:
            best[row.seed] = max(row.objective, best.get(row.seed, row.objective))
    return [replace(row, regret=best[row.seed] - row.objective) if row.seed in best else row for row in rows]
