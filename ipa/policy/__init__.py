"""Choose: Problem → Solution. One file a policy, one line in POLICIES, one contract test for all.

A policy sees prices only. It returns the choice it found or the reason why there is none; every choice is
judged by ipa.evaluation, so no policy can report numbers of its own. Those of SIMULATING are made of a config: they
send a sample of arrivals through its pipeline.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ipa.domain import Config, Pipeline
from ipa.errors import UsageError
from ipa.options import Problem
from ipa.policy import auto, exhaustive, fixed, label, milp
from ipa.policy.fixed import SIMULATING
from ipa.policy.solution import TIME_LIMIT_S, Solution

Policy = Callable[[Problem], Solution]

POLICIES: dict[str, Callable[..., Solution]] = {
    "auto": auto.solve,
    "label": label.solve,
    "milp": milp.solve,
    "exhaustive": exhaustive.solve,
    "fa2-low": fixed.policy("fa2-low"),
    "fa2-high": fixed.policy("fa2-high"),
    "rim": fixed.policy("rim"),
    "static": fixed.policy("static"),
}
NAMES = (*POLICIES, *SIMULATING)
DEFAULT = "auto"
UNTIMED = ("label", "exhaustive")  # they refuse what would take them long


def policy_named(name: str, pipeline: Pipeline | None = None, time_limit_s: float | None = None) -> Policy:
    """Raises UsageError for a name that is not in the registry, or one for which `pipeline` lacks what it needs."""
    if name in SIMULATING:
        raise UsageError(f"--policy {name} simulates one pipeline: give one config")
    if name not in POLICIES:
        raise UsageError(f"--policy {name!r} is not known: one of {', '.join(NAMES)}")
    if pipeline is not None:
        fixed.require_entry(name, pipeline.policies, [stage.name for stage in pipeline.stages])
    policy = POLICIES[name]
    return policy if time_limit_s is None or name in UNTIMED else partial(policy, time_limit_s=time_limit_s)


def policy_of(name: str, config: Config, time_limit_s: float | None = None) -> Policy:
    """As `policy_named`, and those that simulate. Raises UsageError, too, where the pipeline cannot be simulated."""
    if name not in SIMULATING:
        return policy_named(name, config.pipeline, time_limit_s)
    from ipa.policy import inferline  # with the simulator: seconds to load that no other policy needs

    return inferline.planner(name, config, time_limit_s=TIME_LIMIT_S if time_limit_s is None else time_limit_s)


__all__ = ["DEFAULT", "NAMES", "POLICIES", "SIMULATING", "Policy", "Solution", "policy_named", "policy_of"]
