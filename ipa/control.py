"""The loop: observe → forecast → price → choose → decide → compare → apply → record.

`decide` is pure; `Loop` runs it against the ports. The clock is a port too, so a story test moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, isnan

from ipa.constraints import avoiding, unbarred, within_cores, without_barred
from ipa.diff import changes
from ipa.domain import (
    UNCONSTRAINED,
    Change,
    Config,
    Constraints,
    ControlSettings,
    Decision,
    Forecast,
    Observation,
    Plan,
)
from ipa.errors import IpaError, Unavailable
from ipa.evaluation import Evaluation, evaluate_live
from ipa.forecast.calibration import Calibration
from ipa.forecast.forecaster import Forecaster, forecaster
from ipa.options import TOLERANCE, PriceList, Problem, price_list
from ipa.policy import Policy, Solution
from ipa.policy.headroom import fitting
from ipa.policy.overload import Overload, serve_most
from ipa.ports import Clock, Cluster, Monitor, Outcome, Traffic
from ipa.tuner import Tuner, planned_for
from ipa.workload.envelope import LONGEST_S
from ipa.workload.variation import cv_of


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when the wanted plan has beaten the live one at every turn; None while it has not."""

    better_since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One pass of the loop, as recorded. What was not reached is None."""

    at_s: float
    observation: Observation | None
    forecast: Forecast | None
    solution: Solution | None
    decision: Decision
    changes: tuple[Change, ...] = ()
    outcome: Outcome | None = None


def decide(
    problem: Problem,
    wanted: Solution | Overload | None,
    live: Plan | None,
    settings: ControlSettings,
    hold: Hold,
    now_s: float,
) -> tuple[Decision, Hold]:
    """What to apply now, if anything, and what to remember for the next turn. The damping rules of the contract."""
    if wanted is None:
        return Decision(None, "no plan meets the limits at any rate"), Hold()
    solution = wanted.solution if isinstance(wanted, Overload) else wanted
    best = solution.evaluation
    if best is None:
        return Decision(None, solution.reason), Hold()
    if live is None:
        return Decision(best.plan, "nothing runs yet"), Hold()
    if isinstance(wanted, Overload):
        return _overload(best, live, wanted.rate_rps, problem.rate_rps), Hold()
    if best.plan == live:
        return Decision(None, "the live plan is the best"), Hold()
    now = evaluate_live(problem, live)
    if now is None or not now.feasible:
        return Decision(best.plan, _unable(now, problem)), Hold()
    if solution.certificate is not None and best.objective < now.objective - TOLERANCE:
        # It would have been the answer, had it passed.
        reason = f"the live plan misses p{solution.certificate.percentile:g} in simulation"
        return Decision(best.plan, reason), Hold()
    raised = _raised(problem, live, best.plan)
    if raised is not None:
        return Decision(raised, "more replicas of the same variant"), Hold()
    return _held(best.objective - now.objective, best.plan, settings, hold, now_s)


def _overload(best: Evaluation, live: Plan, most_rps: float, rate_rps: float) -> Decision:
    reason = f"overload: {rate_rps:.4g} requests/s forecast, at most {most_rps:.4g} fit the limits"
    return Decision(None if best.plan == live else best.plan, reason)


def _unable(now: Evaluation | None, problem: Problem) -> str:
    if now is None:
        return "the live plan holds an option that is not to choose from"
    return f"the live plan cannot serve {problem.rate_rps:.4g} requests/s: {', '.join(now.broken)}"


def _raised(problem: Problem, live: Plan, wanted: Plan) -> Plan | None:
    """The live plan with more replicas where the wanted one only adds some; None where that adds or fits nothing."""
    pairs = list(zip(live.allocations, wanted.allocations, strict=True))
    raised = Plan(tuple(w if w.server == a.server and w.replicas > a.replicas else a for a, w in pairs))
    if raised == live:
        return None
    value = evaluate_live(problem, raised)
    return raised if value is not None and value.feasible else None


def _held(gain: float, plan: Plan, settings: ControlSettings, hold: Hold, now_s: float) -> tuple[Decision, Hold]:
    if gain <= settings.min_gain:
        return Decision(None, f"kept: the best plan gains {gain:.3g}, not more than {settings.min_gain:g}"), Hold()
    since_s = now_s if hold.better_since_s is None else hold.better_since_s
    if now_s - since_s >= settings.hold_s:
        return Decision(plan, f"better by {gain:.3g} for {now_s - since_s:.0f} s"), Hold()
    reason = f"held: better by {gain:.3g} for {now_s - since_s:.0f} of {settings.hold_s:g} s"
    return Decision(None, reason), Hold(since_s)


MOST_RPS = 10_000_000
"""More requests in one second than any router takes: whoever says so has miscounted."""


def absurd(arrivals: Sequence[float]) -> str:
    """Why these cannot be counts of requests, "" if they can: on such a figure nothing is decided.

    A second that nobody counted, NaN, is none: a forecast leaves it out and says so.
    """
    wrong = next((n for n in arrivals if not (isnan(n) or 0 <= n <= MOST_RPS)), None)
    return "" if wrong is None else f"the monitor says {wrong:g} requests in a second"


@dataclass(slots=True)
class Loop:
    """One pipeline under control. `apply` is the only method of the ports that changes the world.

    `seen` is the part of the problem that the policy chooses from: a live plan outside of it is replaced at once.
    `certify`, if given, chooses in place of the policy; it also gets the arrivals seen, which say how uneven they are,
    and the live plan, which it keeps unless that fails or it finds a better one. `tuner`, if given, changes replicas
    between the turns, by the `traffic` of the last minute. `constraints` says what the cluster asks of this turn;
    `announce` is told why, before a plan is applied.
    """

    config: Config
    policy: Policy
    cluster: Cluster
    monitor: Monitor
    clock: Clock
    apply: Callable[[Plan], Outcome]
    hold: Hold = Hold()
    calibration: Calibration = field(default_factory=Calibration)
    seen: Callable[[Problem], Problem] = lambda problem: problem
    certify: Callable[[Problem, Sequence[int], Plan | None], Solution] | None = None
    constraints: Callable[[], Constraints] = lambda: UNCONSTRAINED
    announce: Callable[[str], None] = lambda _: None
    tuner: Tuner | None = None
    traffic: Traffic | None = None
    prices: PriceList = field(init=False)
    forecaster: Forecaster = field(init=False)

    def __post_init__(self) -> None:
        self.forecaster = forecaster(self.config.forecast)
        self.prices = price_list(self.config.pipeline)

    def turns(self, until_s: float | None) -> Iterator[Turn]:
        """A turn every interval on a fixed schedule, the first at once; a turn that overruns skips what it missed."""
        start_s = self.clock.now_s()
        interval_s = self.config.control.interval_s
        while True:
            yield self.turn()
            passed = ceil((self.clock.now_s() - start_s) / interval_s + 1e-9)
            next_s = start_s + max(1, passed) * interval_s
            yield from self._between_turns(next_s if until_s is None else min(next_s, until_s))
            if until_s is not None and next_s > until_s:
                return
            self.clock.sleep_until(next_s)

    def turn(self) -> Turn:
        """One pass. A peer that does not answer, or an apply that fails, is a recorded outcome: the loop holds."""
        at_s = self.clock.now_s()
        try:
            live = self.cluster.live()
            arrivals = self.monitor.arrivals(self.config.forecast.window_s)
            observation = Observation(at_s, arrivals, live, self.cluster.ready(), self.constraints())
        except Unavailable as error:
            self.hold = Hold()
            return Turn(at_s, None, None, None, Decision(None, f"held: {error}"))
        turn = self._applied(self._decide(observation))
        self._to_tune(turn)
        return turn

    def _applied(self, turn: Turn) -> Turn:
        """The turn with what became of its decision."""
        plan, observation = turn.decision.plan, turn.observation
        if plan is None or observation is None:
            return turn
        self.announce(turn.decision.reason)
        try:
            outcome = self.apply(plan)
        except IpaError as error:
            outcome = Outcome(False, self.clock.now_s() - turn.at_s, str(error))
        return replace(turn, changes=changes(observation.live, plan), outcome=outcome)

    def _decide(self, observation: Observation) -> Turn:
        at_s, asked = observation.at_s, observation.constraints
        wrong = asked.hold or absurd(observation.arrivals)
        if wrong or asked.restore is not None:
            self.hold = Hold()
            decision = Decision(None, f"held: {wrong}") if wrong else Decision(asked.restore, asked.why)
            return Turn(at_s, observation, None, None, decision)
        predicted, self.calibration = self.forecaster.forecast(
            observation.arrivals, self._horizon_s(observation.live), at_s, self.calibration
        )
        if predicted is None:
            return Turn(at_s, observation, None, None, Decision(None, "held: no arrivals observed yet"))
        if not observation.ready:
            return Turn(at_s, observation, predicted, None, Decision(None, "held: replicas are not ready yet"))
        prices = within_cores(self.prices, asked)
        problem = prices.at(predicted.rate_rps)
        wanted: Solution | Overload | None = self._chosen(problem, observation)
        if isinstance(wanted, Solution) and wanted.evaluation is None:
            wanted = serve_most(prices, predicted.rate_rps, self._policy(observation))
        decision, self.hold = decide(self.seen(problem), wanted, observation.live, self.config.control, self.hold, at_s)
        if predicted.fallback:
            decision = replace(decision, reason=f"{decision.reason}; forecast: {predicted.fallback}")
        if asked.why:
            decision = replace(decision, reason=f"{decision.reason}; {asked.why}")
        solution = wanted.solution if isinstance(wanted, Overload) else wanted
        return Turn(at_s, observation, predicted, solution, decision)

    def _chosen(self, problem: Problem, observation: Observation) -> Solution:
        """A plan that no simulation vouches for is better than none."""
        policy = self._policy(observation)
        if self.certify is None:
            return policy(problem)
        left = without_barred(problem, observation.constraints.barred, observation.live)
        certified = self.certify(left, observation.arrivals, observation.live)
        if certified.evaluation is not None or certified.certificate is None:
            return certified
        chosen = policy(problem)
        return replace(chosen, reason=f"{chosen.reason}; not certified: {certified.reason}")

    def _policy(self, observation: Observation) -> Policy:
        return avoiding(self.policy, observation.constraints.barred, observation.live)

    def _horizon_s(self, live: Plan | None) -> float:
        """The configured horizon, or the longest load time of a variant that may have to be started."""
        running = {a.variant for a in live.allocations} if live else set()
        loads = [v.load_s or 0.0 for s in self.config.pipeline.stages for v in s.variants if v.name not in running]
        return max([self.config.forecast.horizon_s, *loads])

    # --- the tuner ----------------------------------------------------------------------------------------------

    def _between_turns(self, until_s: float) -> Iterator[Turn]:
        """The tuner's steps that change something or cannot be taken; where it asks for a new plan, a turn at once."""
        while self.tuner and self.clock.now_s() + self.config.control.tuner_interval_s < until_s:
            self.clock.sleep_until(self.clock.now_s() + self.config.control.tuner_interval_s)
            turn, replan = self._tuned()
            if turn is not None:
                yield turn
            if replan:
                yield self.turn()

    def _tuned(self) -> tuple[Turn | None, bool]:
        """One step, and whether the tuner asks for a new plan. Nothing to do is None."""
        assert self.tuner is not None and self.traffic is not None
        at_s = self.clock.now_s()
        try:
            live, ready, asked = self.cluster.live(), self.cluster.ready(), self.constraints()
            ticks = self.traffic.ticks(LONGEST_S)
        except Unavailable as error:
            return Turn(at_s, None, None, None, Decision(None, f"tuner held: {error}")), False
        if live is None or not ready or asked.hold or asked.restore is not None:
            return None, False
        wish, self.tuner = self.tuner.step(at_s, live, ticks)
        wanted = unbarred(live, wish.replicas, asked.barred)
        plan = fitting(within_cores(self.prices, asked).at(0.0), live, wanted)
        if plan == live:
            return None, wish.replan
        seen = Observation(at_s, (), live, ready)
        turn = self._applied(Turn(at_s, seen, None, None, Decision(plan, f"tuner: {wish.reason}")))
        assert turn.outcome is not None
        started = any(b.replicas > a.replicas for a, b in zip(live.allocations, plan.allocations, strict=True))
        if turn.outcome.applied:
            self.tuner = self.tuner.changed(self.clock.now_s(), turn.outcome.seconds if started else None)
        return turn, wish.replan

    def _to_tune(self, turn: Turn) -> None:
        """What runs after a turn is the tuner's from now on, if it was planned for the forecast or nothing was yet."""
        if self.tuner is None or turn.observation is None or turn.forecast is None or turn.solution is None:
            return
        seen, best = turn.observation, turn.solution.evaluation
        applied = turn.decision.plan if turn.outcome and turn.outcome.applied else None
        plan = applied or seen.live
        if plan is not None and (applied or self.tuner.planned is None or (best and best.plan == plan)):
            planned = planned_for(self.prices, plan, turn.forecast.rate_rps, cv_of(seen.arrivals))
            self.tuner = self.tuner.on(planned, self.clock.now_s())
