"""Choose: Problem → Solution. One file a policy, one line in POLICIES, one contract test for all.

A policy sees prices only. It returns the choice it found or the reason why there is none; every choice is
judged by ipa.evaluation, so no policy can report numbers of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ipa.domain import Pipeline
from ipa.errors import UsageError
from ipa.options import Problem
from ipa.policy import auto, exhaustive, fixed, label, milp
from ipa.policy.solution import Solution

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
DEFAULT = "auto"
UNTIMED = ("label", "exhaustive")  # they refuse what would take them long


def policy_named(name: str, pipeline: Pipeline | None = None, time_limit_s: float | None = None) -> Policy:
    """Raises UsageError for a name that is not in the registry, or one for which `pipeline` lacks what it needs."""
    if name not in POLICIES:
        raise UsageError(f"--policy {name!r} is not known: one of {', '.join(POLICIES)}")
    if pipeline is not None:
        fixed.require_entry(name, pipeline.policies, [stage.name for stage in pipeline.stages])
    policy = POLICIES[name]
    return policy if time_limit_s is None or name in UNTIMED else partial(policy, time_limit_s=time_limit_s)


__all__ = ["DEFAULT", "POLICIES", "Policy", "Solution", "policy_named"]
