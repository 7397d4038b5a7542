"""Autoscalers as policies: of the loop itself on virtual time, and cut to the limits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.control import Loop, Turn
from ipa.domain import Allocation, Config, ForecastSettings, Hardware, Limits, Pipeline, Plan
from ipa.errors import UsageError
from ipa.options import price
from ipa.policy import POLICIES
from ipa.policy.headroom import fitting
from ipa.simulation import autoscalers
from ipa.simulation.autoscalers import AUTOSCALERS, Samples
from ipa.simulation.load import Load
from tests.pipelines import two_stages
from tests.world import World


def plan_for(pipeline: Pipeline, rate_rps: float) -> Plan:
    evaluation = POLICIES["auto"](price(pipeline, rate_rps)).evaluation
    assert evaluation is not None
    return evaluation.plan


def replicas(plan: Plan | None) -> list[int]:
    return [a.replicas for a in plan.allocations] if plan else []


class Steps(World):
    def arrivals_in(self, second: int) -> int:
        return next(rate for start, rate in sorted(self.rates.items(), reverse=True) if start <= second)


@dataclass
class Stages:
    """The samples of a world in which a request keeps a replica of every stage busy for `service_s`."""

    world: Steps
    service_s: float
    seen_s: int = 0
    past: list[list[Load]] = field(default_factory=list)

    def observe(self) -> Samples:
        since_s, self.seen_s = self.seen_s, int(self.world.at_s)
        assert self.world.plan is not None
        return [[self._load(t, n) for t in range(since_s + 1, self.seen_s + 1)] for n in replicas(self.world.plan)]

    def _load(self, at_s: int, replicas: int) -> Load:
        asked = self.world.arrivals_in(at_s - 1) * self.service_s
        return Load(float(at_s), replicas, min(asked, replicas), asked)


def story(name: str, pipeline: Pipeline, rates: dict[float, int], seconds: float) -> tuple[World, list[Turn]]:
    world = Steps(rates, plan=plan_for(pipeline, float(rates[0])))
    assert world.plan is not None
    autoscaler = autoscalers.start(name, world.plan, pipeline.limits.replicas)
    policy = autoscalers.policy(autoscaler, Stages(world, 0.07).observe)
    config = Config(pipeline, Path(), forecast=ForecastSettings("last"), control=autoscalers.control_of(name))
    return world, list(Loop(config, policy, world, world, world, world.apply).turns(seconds))


def test_the_loop_applies_what_the_hpa_wants_when_it_wants_it() -> None:
    world, turns = story("hpa", two_stages(), {0: 10, 60: 60}, 500)
    assert [t.at_s for t in turns[:3]] == [0, 15, 30]
    assert [(at_s, replicas(plan)) for at_s, plan in world.applied] == [
        (75, [2, 2]),
        (90, [3, 3]),
        (105, [4, 4]),
        (120, [5, 5]),
    ]  # 4.2 of 5 busy is within the tolerance of 0.8


def test_the_loop_applies_what_the_kpa_wants_up_and_down() -> None:
    world, _ = story("kpa", two_stages(), {0: 10, 60: 60, 100: 10}, 300)
    most = max(sum(replicas(plan)) for _, plan in world.applied)
    first_s, _ = world.applied[0]
    assert first_s <= 64  # 10 of 60 requests/s keep 0.7 replicas busy; after 2 s of 60 the last 6 s ask for more
    assert most == 12  # 4.2 requests in each stage, 0.7 a replica: 6
    assert replicas(world.plan) == [1, 1]


def test_only_the_replicas_ever_change() -> None:
    world, _ = story("kpa", two_stages(), {0: 10, 60: 60, 100: 10}, 300)
    servers = {(a.stage, a.server, a.batch) for _, plan in world.applied for a in plan.allocations}
    assert len(servers) == 2


def test_the_plan_is_evaluated_even_where_the_model_says_that_it_cannot_serve() -> None:
    pipeline = two_stages()
    plan = plan_for(pipeline, 10.0)
    policy = autoscalers.policy(autoscalers.start("hpa", plan), lambda: [[], []])
    solution = policy(price(pipeline, 1000.0))
    assert solution.evaluation is not None
    assert solution.evaluation.plan == plan
    assert "rate" in solution.evaluation.broken
    assert (solution.solver, solution.status, solution.reason) == ("hpa", "rule", "hpa wants 1 + 1 replicas")


def test_the_reason_says_what_did_not_fit() -> None:
    pipeline = two_stages(Limits(cores=3))
    policy = autoscalers.policy(autoscalers.start("kpa", plan_for(pipeline, 10.0)), lambda: [crowd(2), crowd(3)])
    assert policy(price(pipeline, 10.0)).reason == "kpa wants 2 + 3 replicas, 2 + 1 fit the limits"


def crowd(replicas_needed: int) -> list[Load]:
    return [Load(t, 1, 1.0, 0.7 * replicas_needed) for t in (1.0, 2.0)]


def test_a_plan_of_another_profile_is_refused_by_name() -> None:
    pipeline = two_stages()
    plan = plan_for(pipeline, 10.0)
    other = Plan(tuple(replace(a, variant="huge") for a in plan.allocations))
    policy = autoscalers.policy(autoscalers.start("hpa", other), lambda: [[], []])
    with pytest.raises(UsageError, match="policy hpa: its plan holds an option that pipeline toy lacks"):
        policy(price(pipeline, 10.0))


@pytest.mark.parametrize("act", [lambda: autoscalers.start("vpa", Plan(())), lambda: autoscalers.control_of("vpa")])
def test_an_unknown_autoscaler_is_refused_with_those_there_are(act: object) -> None:
    assert callable(act)
    with pytest.raises(UsageError, match="autoscaler 'vpa' is not known: one of hpa, kpa"):
        act()


FITS = [
    ("without limits everybody gets what they want", Limits(), {}, (1, 1), (7, 9), (7, 9)),
    ("cores left go to the stages in their order", Limits(cores=8), {}, (1, 1), (6, 6), (6, 2)),
    ("what runs is not evicted for an earlier stage", Limits(cores=8), {}, (1, 5), (6, 6), (3, 5)),
    ("what one stage gives up another may have at once", Limits(cores=8), {}, (6, 2), (2, 9), (2, 6)),
    ("a capacity in cores counts like limits.cores", Limits(cores=9), {"capacity": 5.0}, (1, 1), (3, 3), (3, 2)),
    (
        "one in replicas counts them",
        Limits(),
        {"capacity": 4.0, "price_per_hour": 1.0},
        (1, 1),
        (2, 6),
        (2, 2),
    ),
    ("a start beyond the limit is kept, and not added to", Limits(cores=3), {}, (2, 2), (4, 4), (2, 2)),
]


@pytest.mark.parametrize(("sentence", "limits", "hardware", "running", "wanted", "given"), FITS)
def test_wishes_are_cut_to_what_fits(
    sentence: str,
    limits: Limits,
    hardware: dict[str, float],
    running: tuple[int, int],
    wanted: tuple[int, int],
    given: tuple[int, int],
) -> None:
    pipeline = replace(two_stages(limits), hardware={"cpu": Hardware("cpu", **hardware)})
    plan = plan_for(two_stages(), 10.0)
    live = Plan(tuple(replace(a, replicas=n) for a, n in zip(plan.allocations, running, strict=True)))
    assert tuple(replicas(fitting(price(pipeline, 10.0), live, wanted))) == given, sentence


COUNTS = st.tuples(st.integers(1, 20), st.integers(1, 20))


@settings(deadline=None, max_examples=60)
@given(COUNTS, COUNTS, st.integers(2, 30))
def test_what_is_given_fits_wants_and_keeps_a_replica(
    running: tuple[int, int], wanted: tuple[int, int], cores: int
) -> None:
    plan = plan_for(two_stages(), 10.0)
    live = Plan(tuple(replace(a, replicas=n) for a, n in zip(plan.allocations, running, strict=True)))
    given = fitting(price(two_stages(Limits(cores=float(cores))), 10.0), live, wanted)
    assert all(1 <= n <= want for n, want in zip(replicas(given), wanted, strict=True))
    assert given.total_cores <= max(cores, live.total_cores)
    assert given.total_cores == min(sum(wanted), cores) or given.total_cores > cores


@pytest.mark.parametrize("name", AUTOSCALERS)
def test_every_autoscaler_keeps_a_replica_and_decides_the_same_twice(name: str) -> None:
    pipeline = two_stages(Limits(replicas=9))
    samples = [[Load(float(t), 1 + t % 3, (t * 7 % 11) / 11, t * 5 % 13) for t in range(1, 300)]] * 2
    start = autoscalers.start(name, plan_for(pipeline, 10.0), 9, in_flight=2)
    problem = price(pipeline, 10.0)
    one, other = start.after(samples, problem), start.after(samples, problem)
    assert one == other
    assert all(1 <= n <= 9 for n in replicas(one.plan))


@pytest.mark.parametrize("name", AUTOSCALERS)
def test_samples_of_a_time_in_which_the_loop_held_count_when_it_asks_again(name: str) -> None:
    pipeline = two_stages()
    problem = price(pipeline, 10.0)
    late = by_the_second = autoscalers.start(name, plan_for(pipeline, 10.0))
    samples = [Load(float(t), 2, t % 3 / 1.5, t % 5) for t in range(1, 100)]
    late = late.after([samples, samples], problem)
    for load in samples:
        by_the_second = by_the_second.after([[load], [load]], problem)
    assert late == by_the_second


def test_what_is_wanted_stays_within_the_replicas_of_a_stage_and_the_money() -> None:
    live = Plan((Allocation("detect", "small", "cpu", 1, 1, 2), Allocation("classify", "light", "cpu", 1, 1, 1)))
    assert replicas(fitting(price(two_stages(Limits(replicas=3)), 10.0), live, (9, 9))) == [3, 3]
    paid = replace(two_stages(Limits(cost_per_hour=0.25)), hardware={"cpu": Hardware("cpu", price_per_core_hour=0.05)})
    assert replicas(fitting(price(paid, 10.0), live, (3, 9))) == [3, 2]
