"""InferLine's planner as a policy: hardware, batch and replicas by greedy search, judged on a sample of arrivals.

The variants are given: those that `policies.inferline` of the config names, elsewhere the most accurate. As
`inferline-auto`, our extension, the default policy chooses them first.

Without a sample the arrivals are those that certify a plan: Poisson at the rate. A sample of another rate is stretched
in time. Limits are looked at in the end: a greedy search by cost does not search around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ipa.domain import Config, Fixed, Plan
from ipa.options import Ints, Problem
from ipa.policy import auto
from ipa.policy.certified import Certify, certified
from ipa.policy.certified import by_arrivals as certified_by_arrivals
from ipa.policy.estimator import Estimator, Judge, by_certificate, by_sample
from ipa.policy.fixed import agreeing, fixed_by, restricted
from ipa.policy.greedy import Greedy
from ipa.policy.rehearsal import Rehearsal, rehearsal, rehearsal_of
from ipa.policy.simulated import judged, simulated
from ipa.policy.solution import TIME_LIMIT_S, Estimate, Solution
from ipa.workload.processes import FloatArray, count_arrivals
from ipa.workload.variation import cv_of

NAME = "inferline"
Solver = Callable[[Problem], Solution]
Rehearse = Callable[[Problem], Rehearsal]
Given = Callable[[Problem], Mapping[str, Fixed]]
"""What is not for the planner to choose, by stage."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A sample trace: arrivals within [0, duration_s), in order."""

    arrivals_s: FloatArray
    duration_s: float

    @property
    def rate_rps(self) -> float:
        return len(self.arrivals_s) / self.duration_s

    def at(self, rate_rps: float) -> FloatArray:
        """The same arrivals, faster or slower."""
        return self.arrivals_s * (self.rate_rps / rate_rps) if rate_rps > 0 else np.empty(0)


def of_counts(counts: Sequence[int]) -> Sample:
    """Requests of each second, spread at random within it, always in the same way."""
    arrivals_s = count_arrivals(np.array(counts, dtype=np.int64), np.random.default_rng(0))
    return Sample(arrivals_s, float(max(1, len(counts))))


# --- the planner -----------------------------------------------------------------------------------------------


def planner(name: str, config: Config, sample: Sample | None = None, time_limit_s: float = TIME_LIMIT_S) -> Solver:
    """The planner called `name` as a policy. It raises UsageError for a pipeline that cannot be simulated."""

    def solve(problem: Problem) -> Solution:
        own = _rehearsal(config, problem.rate_rps, sample)
        return greedy(config, problem, PLANNERS[name](problem), own, by_sample(own), time_limit_s)

    return solve


def by_arrivals(name: str, config: Config, time_limit_s: float) -> Certify:
    """The planner in the loop: its sample is what was seen, stretched to the forecast rate."""

    def solve(problem: Problem, arrivals: Sequence[int], live: Plan | None) -> Solution:  # noqa: ARG001 (as certified)
        return planner(name, config, of_counts(arrivals), time_limit_s)(problem)

    return solve


def greedy(
    config: Config, problem: Problem, fixed: Mapping[str, Fixed], own: Rehearsal, judge: Judge, time_limit_s: float
) -> Solution:
    """The search over what is not `fixed`; what `judge` says of a plan is kept."""
    rows = _rows(problem, fixed)
    if short := _without_an_option(problem, rows):
        return short
    estimator = Estimator(judge)
    visits = [stage.visits for stage in config.pipeline.stages]
    search = Greedy(simulated(restricted(problem, fixed)), visits, estimator, perf_counter() + time_limit_s)
    found = search.run()
    estimate = Estimate(
        own.slo.percentile, None, len(own.arrivals_s), estimator.asked, len(estimator.known), found.actions
    )
    if found.state is None:
        return Solution(None, found.reason, NAME, "infeasible", None, estimate=estimate)
    if estimate.requests:
        estimate = replace(estimate, latency_s=estimator.known[search.plan(found.state)])
    picks = zip(rows, found.state, strict=True)
    best = judged(problem, [int(options[k]) for options, (k, _) in picks], [n for _, n in found.state])
    if not best.feasible:
        reason = f"the cheapest plan that the greedy search found breaks {', '.join(best.broken)}"
        return Solution(None, reason, NAME, "infeasible", None, estimate=estimate)
    status = "local optimum" if found.finished else "time limit"
    return Solution(best, found.reason, NAME, status, None, estimate=estimate)


def _rows(problem: Problem, fixed: Mapping[str, Fixed]) -> list[Ints]:
    """The options of each stage that agree with what is fixed."""
    return [agreeing(stage, fixed.get(stage.stage, Fixed())) for stage in problem.stages]


def _without_an_option(problem: Problem, rows: Sequence[Ints]) -> Solution | None:
    names = [stage.stage for stage, own in zip(problem.stages, rows, strict=True) if not len(own)]
    if not names:
        return None
    reason = f"no feasible plan: nobody profiled what is fixed for {', '.join(names)}"
    return Solution(None, reason, NAME, "infeasible", None)


def _rehearsal(config: Config, rate_rps: float, sample: Sample | None) -> Rehearsal:
    return rehearsal(config, rate_rps) if sample is None else rehearsal_of(config, sample.at(rate_rps))


# --- what goes beyond it: the exact search under the same judge ------------------------------------------------


def exact(name: str, config: Config, rehearse: Rehearse, time_limit_s: float = TIME_LIMIT_S) -> Solver:
    """The best plan that the certificate vouches for; the greedy plan, held to the same certificate, comes first.

    So it is never worse, also where the time limit ends the search. The greedy plan is not given up for want of time.
    """

    def solve(problem: Problem) -> Solution:
        began_s = perf_counter()
        fixed, own = PLANNERS[name](problem), rehearse(problem)
        first = greedy(config, problem, fixed, own, by_certificate(own), time_limit_s)
        rows = _rows(problem, fixed)
        if not all(len(options) for options in rows):
            return first
        start = first.evaluation.plan if first.evaluation else None
        left_s = max(0.0, began_s + time_limit_s - perf_counter())
        found = certified(auto.solve, lambda _: own, left_s, start)(simulated(restricted(problem, fixed)))
        best = found.evaluation
        if best is not None:
            choice = [int(options[k]) for options, k in zip(rows, best.choice, strict=True)]
            best = judged(problem, choice, [a.replicas for a in best.plan.allocations])
        return replace(found, evaluation=best, estimate=first.estimate)

    return solve


def exact_by_arrivals(name: str, config: Config, time_limit_s: float) -> Certify:
    """As `exact`, on arrivals as uneven as those seen."""

    def solve(problem: Problem, arrivals: Sequence[int], live: Plan | None) -> Solution:  # noqa: ARG001 (as certified)
        cv = cv_of(arrivals)
        return exact(name, config, lambda priced: rehearsal(config, priced.rate_rps, cv), time_limit_s)(problem)

    return solve


def chooser_of(name: str, config: Config, policy: Solver, time_limit_s: float) -> Certify | None:
    """Who chooses in the loop in place of the policy called `name`, by the arrivals seen; None: it does itself."""
    certify = config.control.certify
    if name in PLANNERS:
        return (exact_by_arrivals if certify else by_arrivals)(name, config, time_limit_s)
    return certified_by_arrivals(config, policy, time_limit_s) if certify else None


# --- what is given ---------------------------------------------------------------------------------------------


def _as_configured(problem: Problem) -> Mapping[str, Fixed]:
    return fixed_by(NAME, problem)


def _as_auto(problem: Problem) -> Mapping[str, Fixed]:
    """The variants of the best plan; where there is none, as configured."""
    best = auto.solve(problem).evaluation
    return _as_configured(problem) if best is None else {a.stage: Fixed(a.variant) for a in best.plan.allocations}


PLANNERS: Mapping[str, Given] = {NAME: _as_configured, "inferline-auto": _as_auto}
