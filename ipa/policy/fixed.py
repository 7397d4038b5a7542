"""The baselines: part of the choice is fixed, and the default policy finds the best of the rest, exactly.

- fa2-low, fa2-high (FA2: Razavi et al., RTAS 2022): the variants are fixed, where the config names none to the least
  or the most accurate of the stage; batch and replicas are chosen.
- rim (RIM: Hu et al., IoTDI 2021): the replicas are fixed; variant and batch are chosen.
- static: whatever the config names is fixed.

All four are one mechanism, so a config may fix anything for any of them. Fixed replicas n leave the options that need
at most n, which then run, and cost, exactly n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ipa.domain import Fixed
from ipa.errors import UsageError
from ipa.evaluation import limits_of
from ipa.options import Ints, Problem, StageOptions
from ipa.policy import auto
from ipa.policy.infeasible import Diagnosis, diagnose
from ipa.policy.simulated import simulated
from ipa.policy.solution import TIME_LIMIT_S, Solution

FREE = Fixed()


def least_accurate(stage: StageOptions) -> str:
    """The first of the least accurate variants, as configured."""
    return stage.variants[int(np.argmin(stage.accuracies))]


def most_accurate(stage: StageOptions) -> str:
    """The first of the most accurate variants, as configured."""
    return stage.variants[int(np.argmax(stage.accuracies))]


BASELINES: dict[str, Callable[[StageOptions], str] | None] = {
    "fa2-low": least_accurate,
    "fa2-high": most_accurate,
    "rim": None,
    "static": None,
}
"""Each baseline's variant of a stage for which the config names none; None leaves such a stage free."""

FIXING: dict[str, Callable[[StageOptions], str] | None] = {**BASELINES, "inferline": most_accurate}
"""All for which the config can fix something: the baselines, and the planner that takes its variants as given."""


SIMULATING = ("inferline", "inferline-auto")
"""Whose plans a simulation judges, so that the price list's latencies do not."""


def policy(name: str) -> Callable[[Problem], Solution]:
    """The baseline as a policy. It raises UsageError where the config would have to fix something and does not."""

    def solve(problem: Problem, time_limit_s: float = TIME_LIMIT_S) -> Solution:
        fixed = fixed_by(name, problem)
        shortage = _shortage(problem, fixed)
        if shortage:
            return Solution(None, f"no feasible plan: {shortage}", name, "infeasible", None)
        found = auto.solve(restricted(problem, fixed), time_limit_s)
        best = found.evaluation
        if best is not None:  # its choice counts the options that were left; ours counts those of the problem
            rows = [agreeing(stage, fixed.get(stage.stage, FREE)) for stage in problem.stages]
            best = replace(best, choice=tuple(int(own[k]) for own, k in zip(rows, best.choice, strict=True)))
        return replace(found, evaluation=best, reason=f"{found.reason} {_given(name)}", solver=name)

    return solve


def fixed_by(name: str, problem: Problem) -> Mapping[str, Fixed]:
    """What the baseline fixes, by stage. Raises UsageError as `require_entry` does."""
    require_entry(name, problem.policies, [stage.stage for stage in problem.stages])
    configured, default = problem.policies.get(name, {}), FIXING[name]
    if default is None:
        return configured
    own = {stage.stage: configured.get(stage.stage, FREE) for stage in problem.stages}
    return {s.stage: replace(own[s.stage], variant=own[s.stage].variant or default(s)) for s in problem.stages}


def require_entry(name: str, policies: Mapping[str, Mapping[str, Fixed]], stages: list[str]) -> None:
    """Raises UsageError if a baseline without a default has nothing fixed for it."""
    if name in FIXING and FIXING[name] is None and not policies.get(name):
        example = ", ".join(f"{stage}: 3" for stage in stages)
        rule = f"the config has no `policies.{name}`, and without it nothing is fixed"
        raise UsageError(f"policy {name}: {rule}: add what to fix, as in `policies: {{{name}: {{{example}}}}}`")


def restricted(problem: Problem, fixed: Mapping[str, Fixed]) -> Problem:
    """The problem with only the options that agree with what is fixed; a stage may end up without any."""
    return replace(problem, stages=tuple(_held(stage, fixed.get(stage.stage, FREE)) for stage in problem.stages))


def seen_by(name: str, problem: Problem) -> Problem:
    """What the policy called `name` chooses from: a baseline's part of the problem, for the others all of it."""
    own = restricted(problem, fixed_by(name, problem)) if name in FIXING else problem
    return simulated(own) if name in SIMULATING else own


def diagnose_for(name: str, problem: Problem) -> Diagnosis:
    """Why the policy called `name` finds no plan: for a baseline, given what it fixes."""
    if name not in FIXING:
        return diagnose(seen_by(name, problem))
    fixed = fixed_by(name, problem)
    shortage = _shortage(problem, fixed)
    if shortage:
        reason = f"no feasible plan at {problem.rate_rps:g} requests/s: {shortage}"
        return Diagnosis((), reason, limits_of(problem))
    diagnosis = diagnose(seen_by(name, problem))
    return replace(diagnosis, reason=f"{diagnosis.reason} {_given(name)}")


def _given(name: str) -> str:
    return f"(given what {name} fixes)"


def _held(stage: StageOptions, fixed: Fixed) -> StageOptions:
    rows = agreeing(stage, fixed)
    return stage.taking(rows, stage.replicas[rows] if fixed.replicas is None else np.full(len(rows), fixed.replicas))


def agreeing(stage: StageOptions, fixed: Fixed) -> Ints:
    """The options (indices) that agree with what is fixed."""
    columns = (
        (fixed.variant, np.array(stage.variants)[stage.variant_index]),
        (fixed.hardware, np.array(stage.hardware)[stage.hardware_index]),
        (fixed.cores, stage.cores),
        (fixed.batch, stage.batch),
    )
    agrees = np.ones(len(stage), dtype=bool)
    for value, column in columns:
        if value is not None:
            agrees &= column == value
    if fixed.replicas is not None:
        agrees &= stage.replicas <= fixed.replicas
    return np.flatnonzero(agrees)


def _shortage(problem: Problem, fixed: Mapping[str, Fixed]) -> str:
    """Which stages what is fixed leaves without an option, and why; empty if none."""
    own = [(stage, fixed.get(stage.stage, FREE)) for stage in problem.stages]
    return "; ".join(_missing(problem, stage, f) for stage, f in own if not len(agreeing(stage, f)))


def _missing(problem: Problem, stage: StageOptions, fixed: Fixed) -> str:
    rows = agreeing(stage, replace(fixed, replicas=None))
    if fixed.replicas is None or not len(rows):
        named = {name: getattr(fixed, name) for name in ("variant", "hardware", "cores", "batch")}
        wanted = ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
        return f"no option of stage {stage.stage} has {wanted}"
    most_rps = fixed.replicas * problem.limits.utilisation * float(stage.throughput_rps[rows].max())
    replicas = "1 replica" if fixed.replicas == 1 else f"{fixed.replicas} replicas"
    carry = "carries" if fixed.replicas == 1 else "carry"
    return f"the {replicas} fixed for stage {stage.stage} {carry} at most {most_rps:.4g} of its requests/s"
