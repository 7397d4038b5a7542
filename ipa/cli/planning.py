"""What several commands do alike: a config and a rate → one decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipa.errors import IpaError, UsageError

if TYPE_CHECKING:
    from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
    from ipa.domain import Config, Plan
    from ipa.options import Problem
    from ipa.policy import Solution


class NoFeasiblePlanError(IpaError):
    exit_code = 3


def rate_for(name: str, rates: Sequence[str]) -> float | None:
    """The rate given for a pipeline by `--rate R` or `--rate NAME=R`; None if there is none. Raises UsageError."""
    found: float | None = None
    for text in rates:
        target, separator, number = text.rpartition("=")
        try:
            rate_rps = float(number)
        except ValueError as error:
            raise UsageError(f"--rate {text!r}: {number!r} is not a number of requests per second") from error
        if separator and target != name:
            raise UsageError(f"--rate {text!r}: no pipeline is called {target!r}: this one is {name!r}")
        if not 0 <= rate_rps < float("inf"):
            raise UsageError(f"--rate {text!r}: a rate is a finite number of requests per second, at least 0")
        found = rate_rps
    return found


def solve_for(config: Config, rate_rps: float, policy: str) -> tuple[Problem, Solution]:
    """Price and choose, timed."""
    from dataclasses import replace
    from time import perf_counter

    from ipa.options import price
    from ipa.policy import policy_named

    choose = policy_named(policy)
    started_s = perf_counter()
    problem = price(config.pipeline, rate_rps)
    solution = choose(problem)
    return problem, replace(solution, seconds=perf_counter() - started_s)


def plan_for(config: Config, rate_rps: float, policy: str = "auto") -> Plan:
    """The plan for a rate. Raises NoFeasiblePlanError with the limits that cannot be met."""
    from ipa.policy.infeasible import diagnose

    problem, solution = solve_for(config, rate_rps, policy)
    if solution.evaluation is None:
        raise NoFeasiblePlanError(diagnose(problem).reason)
    return solution.evaluation.plan


def running_pipeline(config: Config) -> tuple[LocalCluster, RouterMonitor]:
    """The pipeline that runs on this machine, to look at and to change. Raises UsageError if none does."""
    from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
    from ipa.adapters.local_run import running

    state = running(config.pipeline.name)
    return LocalCluster(state), RouterMonitor(state)


def forecast_rps(config: Config, monitor: RouterMonitor) -> float:
    """The forecast from what the router counted. Raises Unavailable in its first second."""
    from ipa.errors import Unavailable
    from ipa.forecast import forecast

    settings = config.forecast
    predicted = forecast(monitor.arrivals(settings.window_s), settings.horizon_s, settings)
    if predicted is None:
        raise Unavailable("the router has not counted a whole second yet: try again, or give --rate")
    return predicted.rate_rps
