"""Rivals side by side: every policy, way to run the loop, and seed, each on the same arrivals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ipa.domain import Config, ForecastSettings, Plan
from ipa.policy import NAMES as CHOOSING
from ipa.simulation.backtest import Row, Run, rates_of, run
from ipa.simulation.rivals import ORACLE, Rival, check_names, rival
from ipa.workload.trace import Trace, arrival_times, counts_per_second


@dataclass(frozen=True, slots=True)
class Case:
    policy: str
    config: Config
    seed: int


def ways_to_run(config: Config, forecasts: Sequence[ForecastSettings], intervals_s: Sequence[float]) -> list[Config]:
    """The config with each of `forecasts`, its own if there is none, at each of `intervals_s`."""
    return [
        replace(config, forecast=forecast, control=replace(config.control, interval_s=interval_s))
        for forecast in forecasts or [config.forecast]
        for interval_s in intervals_s
    ]


def cases(policies: Sequence[str], ways: Sequence[Config], seeds: Sequence[int]) -> list[Case]:
    """What is to be run, in this order. `ways`: of `ways_to_run`.

    Who does not decide in the loop runs in the first way only, the oracle with its own forecast.
    """
    return [Case(name, way, seed) for name in policies for way in _ways_of(name, ways) for seed in seeds]


def _ways_of(policy: str, ways: Sequence[Config]) -> Sequence[Config]:
    if policy in CHOOSING:
        return ways
    return [way for way in ways if way.forecast == ways[0].forecast] if policy == ORACLE else ways[:1]


def compare(
    ways: Sequence[Config], trace: Trace, policies: Sequence[str], seeds: Sequence[int], service: str
) -> Iterator[Run | str]:
    """One run for each of `cases`; a reason where a policy has no plan to start with.

    Raises UsageError, before anything is run, for a policy that cannot take part. What was given is not held on to.
    """
    check_names(policies, ways[0])
    for case in cases(policies, ways, seeds):
        yield _run(trace, case, service)


def _run(trace: Trace, case: Case, service: str) -> Run | str:
    arrivals_s = arrival_times(trace, case.seed)
    rates = rates_of(counts_per_second(arrivals_s, trace.duration_s), trace.duration_s)
    found = rival(case.policy, case.config, rates)
    if isinstance(found, str):
        return f"{case.policy}: {found}"
    return run(found, arrivals_s, trace.duration_s, case.seed, service)


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
