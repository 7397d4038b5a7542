"""How many of the replicas that somebody wants have room within the limits.

What they want together may not fit: as on a cluster whose pods stay pending, nothing that runs and is still wanted is
evicted, and what is left goes to the stages in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import floor

from ipa.domain import Allocation, Plan
from ipa.evaluation import choice_of
from ipa.options import TOLERANCE, Problem

Pool = tuple[float, Sequence[float]]
"""What replicas share: how much there is, and what one replica of each stage takes."""


def fitting(problem: Problem, running: Plan, wanted: Sequence[int]) -> Plan:
    """The running plan with the wanted replicas, one number a stage, as far as the limits have room for them.

    What runs and is still wanted stays; what is wanted beyond it is started stage by stage while there is room.
    """
    replicas = [min(a.replicas, n) for a, n in zip(running.allocations, wanted, strict=True)]
    pools = _pools(problem, running)
    for i, n in enumerate(wanted):
        room = min((_room(bound, takes, replicas, i) for bound, takes in pools if takes[i] > 0), default=n)
        replicas[i] += max(0, min(n - replicas[i], room))
    return Plan(tuple(replace(a, replicas=n) for a, n in zip(running.allocations, replicas, strict=True)))


def _room(bound: float, takes: Sequence[float], replicas: Sequence[int], stage: int) -> int:
    """How many more replicas of a stage a pool has room for."""
    used = sum(take * n for take, n in zip(takes, replicas, strict=True))
    return floor((bound - used) / takes[stage] + TOLERANCE)


def _pools(problem: Problem, running: Plan) -> list[Pool]:
    """limits.cores, limits.cost_per_hour, limits.replicas of each stage and the hardware's capacities."""
    allocations, limits = running.allocations, problem.limits
    pools: list[Pool] = []
    if limits.cores is not None:
        pools.append((limits.cores, [a.cores for a in allocations]))
    if limits.cost_per_hour is not None and (choice := choice_of(problem, running)) is not None:
        picked = zip(problem.stages, choice, strict=True)
        pools.append((limits.cost_per_hour, [float(s.cost_per_hour[k] / s.replicas[k]) for s, k in picked]))
    if limits.replicas is not None:
        pools += [(limits.replicas, [float(a is own) for a in allocations]) for own in allocations]
    for hardware, (bound, counts) in problem.capacity.items():
        pools.append((bound, [_taken(a, counts) if a.hardware == hardware else 0.0 for a in allocations]))
    return pools


def _taken(a: Allocation, counts: str) -> float:
    return 1.0 if counts == "replicas" else float(a.cores)
