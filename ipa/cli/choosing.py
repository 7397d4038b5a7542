"""A name, a sample, a variation → who chooses: what the commands that may simulate do alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipa.errors import UsageError

if TYPE_CHECKING:
    from ipa.domain import Config
    from ipa.options import Problem
    from ipa.policy import Policy
    from ipa.policy.certified import Certify
    from ipa.policy.inferline import Sample
    from ipa.policy.rehearsal import Rehearsal


def sample_of(expression: str) -> Sample:
    """A sample trace to plan on. Raises UsageError for a trace that is none, or one without a request."""
    from ipa.adapters.trace_files import load_trace
    from ipa.policy.inferline import Sample
    from ipa.workload.trace import arrival_times

    trace = load_trace(expression)
    arrivals_s = arrival_times(trace, 0)
    if not len(arrivals_s):
        raise UsageError(f"--trace {expression}: has no request to plan on")
    return Sample(arrivals_s, trace.duration_s)


def chooser(config: Config, policy: str, time_limit_s: float | None, cv: float | None, sample: Sample | None) -> Policy:
    """The policy called `policy`; with a `cv` certified for arrivals that vary so much. Raises UsageError."""
    from ipa.policy import SIMULATING, policy_named
    from ipa.policy.solution import TIME_LIMIT_S

    if cv is None and policy not in SIMULATING:
        return policy_named(policy, config.pipeline, time_limit_s)
    from ipa.policy import inferline
    from ipa.policy.certified import certified
    from ipa.policy.rehearsal import rehearsal

    _warm_up(config)
    limit_s = TIME_LIMIT_S if time_limit_s is None else time_limit_s
    if cv is None:
        return inferline.planner(policy, config, sample, limit_s)

    def rehearse(problem: Problem) -> Rehearsal:
        return rehearsal(config, problem.rate_rps, cv)

    if policy in SIMULATING:
        return inferline.exact(policy, config, rehearse, limit_s)
    return certified(policy_named(policy, config.pipeline, time_limit_s), rehearse, limit_s)


def _warm_up(config: Config) -> None:
    from ipa.policy.rehearsal import warm_up
    from ipa.simulation.stations import network

    warm_up(network(config))


def looking(config: Config, policy: str, choose: Policy, time_limit_s: float) -> Certify | None:
    """Who chooses in the loop by the arrivals seen: the planners that simulate, and any policy under `control.certify`.

    Raises UsageError for a pipeline that cannot be simulated.
    """
    from ipa.policy import SIMULATING

    if policy not in SIMULATING and not config.control.certify:
        return None
    from ipa.policy.inferline import chooser_of

    _warm_up(config)
    return chooser_of(policy, config, choose, time_limit_s)
