"""The way from plan to plan: it ends there, it stays under the limit, and capacity only dips where it must."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ipa.diff import Step, changes, steps
from ipa.domain import Allocation, Change, Plan


def allocation(stage: str, variant: str, replicas: int, *, batch: int = 1, cores: int = 1) -> Allocation:
    return Allocation(stage, variant, "cpu", cores, batch, replicas)


def words(found: tuple[Step, ...]) -> list[str]:
    return [
        f"{s.stage}: " + " + ".join(f"{a.replicas}×{a.variant}" for a in s.servers) + (" dip" if s.dip else "")
        for s in found
    ]


def test_equal_plans_need_nothing() -> None:
    plan = Plan((allocation("a", "x", 2),))
    assert changes(plan, plan) == ()
    assert steps(plan, plan, 2, None) == ()


def test_from_nothing_every_allocation_is_an_addition() -> None:
    plan = Plan((allocation("a", "x", 2), allocation("b", "y", 1)))
    assert changes(None, plan) == tuple(Change(a.stage, None, a) for a in plan.allocations)
    assert words(steps(None, plan, None, None)) == ["a: 2×x", "b: 1×y"]


def test_a_batch_is_changed_without_touching_a_replica() -> None:
    live, wanted = Plan((allocation("a", "x", 2),)), Plan((allocation("a", "x", 2, batch=8),))
    assert steps(live, wanted, 2, None) == (Step("a", 8, wanted.allocations),)


def test_new_replicas_are_up_before_old_ones_go() -> None:
    live, wanted = Plan((allocation("a", "x", 1),)), Plan((allocation("a", "y", 1),))
    assert words(steps(live, wanted, 1, None)) == ["a: 1×x + 1×y", "a: 1×y"]


def test_with_little_headroom_replicas_are_replaced_one_by_one() -> None:
    live, wanted = Plan((allocation("a", "x", 2),)), Plan((allocation("a", "y", 2),))
    assert words(steps(live, wanted, 2, 1)) == ["a: 2×x + 1×y", "a: 1×x + 1×y", "a: 1×x + 2×y", "a: 2×y"]


def test_without_headroom_the_dip_is_marked() -> None:
    live, wanted = Plan((allocation("a", "x", 2),)), Plan((allocation("a", "y", 2),))
    assert words(steps(live, wanted, 2, 0)) == ["a: 1×x dip", "a: 1×x + 1×y", "a: 1×y dip", "a: 2×y"]


def test_what_one_stage_gives_back_another_may_use() -> None:
    live = Plan((allocation("a", "x", 3), allocation("b", "y", 1)))
    wanted = Plan((allocation("a", "x", 1), allocation("b", "y", 3)))
    assert words(steps(live, wanted, 4, 0)) == ["a: 1×x", "b: 3×y"]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    return Plan(
        tuple(
            allocation(stage, variant, draw(st.integers(1, 5)), batch=draw(st.sampled_from([1, 8])), cores=cores)
            for stage in ("a", "b")
            for variant, cores in [draw(st.sampled_from([("x", 1), ("y", 1), ("z", 3)]))]
        )
    )


State = dict[str, tuple[int, tuple[Allocation, ...]]]


def replay(live: Plan | None, found: tuple[Step, ...]) -> list[State]:
    """The state after each step, by stage."""
    state: State = {a.stage: (a.batch, (a,)) for a in live.allocations} if live else {}
    states = [dict(state)]
    for step in found:
        state[step.stage] = (step.batch, step.servers)
        states.append(dict(state))
    return states


@given(live=plans(), wanted=plans(), surge=st.integers(0, 4) | st.none(), spare=st.integers(0, 3))
def test_ends_at_the_wanted_plan_and_never_exceeds_the_limit(
    live: Plan, wanted: Plan, surge: int | None, spare: int
) -> None:
    limit = max(live.total_cores, wanted.total_cores) + spare
    found = steps(live, wanted, limit, surge)
    states = replay(live, found)
    assert {s: servers for s, (_, servers) in states[-1].items()} == {a.stage: (a,) for a in wanted.allocations}
    most = limit + (surge if surge is not None else max(a.cores for a in wanted.allocations))
    for before, after in pairwise(states):
        # While a step runs, what it starts runs beside what it will stop.
        both = sum(
            max(_replicas(before, s, server), _replicas(after, s, server)) * server[2]
            for s in after
            for server in {a.server for state in (before, after) for a in state[s][1]}
        )
        assert both <= most


@given(live=plans(), wanted=plans(), surge=st.integers(0, 4))
def test_capacity_never_falls_below_both_plans_but_in_a_marked_dip(live: Plan, wanted: Plan, surge: int) -> None:
    limit = max(live.total_cores, wanted.total_cores)
    found = steps(live, wanted, limit, surge)
    if any(step.dip for step in found):
        return
    for state in replay(live, found):
        for old, new in zip(live.allocations, wanted.allocations, strict=True):
            servers = {a.server: a.replicas for a in state[old.stage][1]}
            if old.server == new.server:
                assert servers[old.server] >= min(old.replicas, new.replicas)
            else:
                share = servers.get(old.server, 0) / old.replicas + servers.get(new.server, 0) / new.replicas
                assert share >= 1 - 1e-9


def _replicas(state: State, stage: str, server: tuple[str, str, int]) -> int:
    return sum(a.replicas for a in state[stage][1] if a.server == server)
