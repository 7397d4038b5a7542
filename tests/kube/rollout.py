"""The arithmetic of a rolling update: how far the new and the old ReplicaSets may go now.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
As pkg/controller/deployment/rolling.go; what it leaves out: scaling in the middle of a rollout is not proportional.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tests.kube.resources import Object


@dataclass(frozen=True, slots=True)
class Size:
    """A ReplicaSet by number: pods asked for, and pods available."""

    name: str
    wanted: int
    available: int


def bounds(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods: percentages round up and down; both 0 would stand still, so 1 may go."""
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    replicas = int(deployment["spec"]["replicas"])
    surge = math.ceil(_pods(rolling.get("maxSurge", "25%"), replicas))
    unavailable = math.floor(_pods(rolling.get("maxUnavailable", "25%"), replicas))
    return surge, unavailable if surge or unavailable else 1


def _pods(value: Any, replicas: int) -> float:
    return int(value[:-1]) * replicas / 100 if isinstance(value, str) and value.endswith("%") else int(value)


def new_size(replicas: int, surge: int, new: Size, old: list[Size]) -> int:
    """How many pods the new ReplicaSet may ask for now."""
    if new.wanted >= replicas:
        return replicas
    room = replicas + surge - new.wanted - sum(size.wanted for size in old)
    return new.wanted + max(0, min(room, replicas - new.wanted))


def old_sizes(replicas: int, unavailable: int, new: Size, old: list[Size]) -> dict[str, int]:
    """How many pods each old ReplicaSet may still ask for: pods that are not available go first."""
    total = new.wanted + sum(size.wanted for size in old)
    least = replicas - unavailable
    room = total - least - (new.wanted - new.available)
    sizes = {size.name: size.wanted for size in old}
    for size in old:
        gone = max(0, min(room, size.wanted - size.available))
        sizes[size.name] -= gone
        room -= gone
    spare = new.available + sum(size.available for size in old) - least
    for size in old:
        gone = max(0, min(spare, sizes[size.name], size.available))
        sizes[size.name] -= gone
        spare -= gone
    return sizes
