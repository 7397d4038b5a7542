"""The way to a plan as phases: it ends there, keeps the headroom, and capacity only falls where a dip is named."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.way import Phase, Size, rolled_replicas, server_of, way
from ipa.domain import Allocation, Plan

Sizes = dict[Server, Size]


def allocation(stage: str, variant: str, replicas: int, *, cores: int = 1, batch: int = 1) -> Allocation:
    return Allocation(stage, variant, "cpu", cores, batch, replicas)


def words(phases: tuple[Phase, ...]) -> list[str]:
    def sized(sizes: dict[Server, Size]) -> str:
        return " ".join(f"{s.variant}={z.replicas}x{z.cores}" for s, z in sizes.items())

    return [
        " | ".join(
            part
            for part in (
                "mix" if p.mixed else "",
                f"up {sized(dict(p.up))}" if p.up else "",
                f"down {sized(dict(p.down))}" if p.down else "",
                f"dip {','.join(p.dips)}" if p.dips else "",
            )
            if part
        )
        for p in phases
    ]


def test_a_variant_is_replaced_in_one_phase_for_all_stages() -> None:
    live = (allocation("a", "x", 2), allocation("b", "u", 1))
    wanted = Plan((allocation("a", "y", 2), allocation("b", "v", 1)))
    assert words(way(live, wanted, None, None)) == ["up y=2x1 v=1x1 | down x=0x1 u=0x1"]


def test_without_headroom_replicas_are_replaced_one_by_one_and_the_dip_is_named() -> None:
    live, wanted = (allocation("a", "x", 2),), Plan((allocation("a", "y", 2),))
    assert words(way(live, wanted, 2, 0)) == [
        "down x=1x1 | dip a",
        "up y=1x1 | down x=0x1 | dip a",
        "up y=2x1",
    ]


def test_other_cores_of_the_same_variant_are_a_rolling_update_that_the_router_follows() -> None:
    live, wanted = (allocation("a", "x", 4, cores=2),), Plan((allocation("a", "x", 2, cores=4),))
    assert words(way(live, wanted, None, None)) == ["mix | up x=4x4 | down x=2x4"]
    back = way(wanted.allocations, Plan(live), None, None)
    assert words(back) == ["mix | up x=4x2"]
    mixed = back[0].mixed
    assert [(a.cores, a.replicas) for a in mixed] == [(4, 2), (2, 4)]


def test_a_rolling_update_without_headroom_has_fewer_replicas_meanwhile() -> None:
    old, new = allocation("a", "x", 2, cores=2), allocation("a", "x", 2, cores=4)
    assert rolled_replicas(old, new, 10) == 2  # 2 × 4 and the last old one
    assert rolled_replicas(old, new, 8) == 1
    assert words(way((old,), Plan((new,)), 8, 0)) == ["down x=1x2 | dip a", "mix | up x=1x4 | dip a", "up x=2x4"]


def test_a_batch_alone_touches_no_deployment() -> None:
    live, wanted = (allocation("a", "x", 2),), Plan((allocation("a", "x", 2, batch=8),))
    (phase,) = way(live, wanted, 2, 0)
    assert not phase.up and not phase.down and phase.rows == wanted.allocations


def test_what_a_broken_off_change_left_is_lowered() -> None:
    live = (allocation("a", "x", 2), allocation("a", "y", 1))
    phases = way(live, Plan((allocation("a", "x", 2),)), None, None)
    assert words(phases) == ["down y=0x1"]


def test_a_leftover_of_the_wrong_size_is_cleared_before_it_is_wanted() -> None:
    live = (allocation("a", "x", 3, cores=2), allocation("a", "y", 1, cores=2))
    phases = way(live, Plan((allocation("a", "y", 2, cores=4),)), None, None)
    assert words(phases)[0] == "down y=0x2 | dip a"
    assert phases[-1].rows == (allocation("a", "y", 2, cores=4),)


@st.composite
def running(draw: st.DrawFn) -> tuple[Allocation, ...]:
    """One or two Deployments a stage."""
    rows = []
    for stage in ("a", "b"):
        for variant in draw(st.lists(st.sampled_from("xyz"), min_size=1, max_size=2, unique=True)):
            rows.append(allocation(stage, variant, draw(st.integers(1, 4)), cores=draw(st.sampled_from([1, 2, 4]))))
    return tuple(rows)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    return Plan(
        tuple(
            allocation(
                s,
                draw(st.sampled_from("xyz")),
                draw(st.integers(1, 4)),
                cores=draw(st.sampled_from([1, 2, 4])),
                batch=2,
            )
            for s in ("a", "b")
        )
    )


def replay(rows: tuple[Allocation, ...], phases: tuple[Phase, ...]) -> list[Sizes]:
    """The Deployments after each setting."""
    sizes = {server_of(a): Size(a.replicas, a.cores) for a in rows}
    states = [dict(sizes)]
    for phase in phases:
        for change in (phase.up, phase.down):
            if change:
                sizes.update(change)
                states.append(dict(sizes))
    return states


@given(running(), plans(), st.sampled_from([None, 4, 8, 16]), st.sampled_from([None, 0, 4]))
@settings(deadline=None, max_examples=200)
def test_every_way_ends_with_the_plan_and_nothing_else(
    rows: tuple[Allocation, ...], wanted: Plan, limit: int | None, surge: int | None
) -> None:
    phases = way(rows, wanted, limit, surge)
    last = {server: size for server, size in replay(rows, phases)[-1].items() if size.replicas}
    assert last == {server_of(a): Size(a.replicas, a.cores) for a in wanted.allocations}
    assert {a.stage: a for a in (phases[-1].rows if phases else rows)} == {a.stage: a for a in wanted.allocations}


@given(running(), plans(), st.sampled_from([None, 4, 8, 16]), st.sampled_from([None, 0, 4]))
@settings(deadline=None, max_examples=200)
def test_a_stage_never_has_fewer_cores_than_before_or_after_unless_the_dip_is_named(
    rows: tuple[Allocation, ...], wanted: Plan, limit: int | None, surge: int | None
) -> None:
    """Replicas of one size here: cores are capacity where the variants differ in nothing else."""
    phases = way(rows, wanted, limit, surge)
    dips = {stage for phase in phases for stage in phase.dips}
    for stage in ("a", "b"):
        replicas = [sum(z.replicas for s, z in state.items() if s.stage == stage) for state in replay(rows, phases)]
        if stage not in dips:
            before = sum(a.replicas for a in rows if a.stage == stage)
            assert min(replicas) >= min(before, wanted.stage(stage).replicas)


@given(plans(), plans(), st.sampled_from([None, 0, 4]))
@settings(deadline=None, max_examples=200)
def test_every_stage_is_served_throughout_and_routed_only_to_what_there_is(
    live: Plan, wanted: Plan, surge: int | None
) -> None:
    for phase in way(live.allocations, wanted, None, surge):
        for a in phase.rows:
            assert phase.up.get(server_of(a), Size(a.replicas, a.cores)).cores == a.cores
        assert {a.stage for a in phase.rows} == {"a", "b"}
