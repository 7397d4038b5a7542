"""What a model's container asks for. Pure; one rule for who renders it first and for who changes its cores later.

The two must agree to the byte: any difference in a pod template restarts every replica.
"""

from __future__ import annotations

from math import ceil
from typing import Any

MEMORY_SHARE = 1.5
"""Of what the profile measured at rest: batches need room for their tensors."""
CORE_MIB = 64
"""For each core's thread: its stack and its arena of the allocator."""


def model_resources(cores: int, memory_mb: float | None) -> dict[str, Any]:
    """Requests equal to limits, so that pods are of the class Guaranteed; no memory where nobody measured it.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/#guaranteed
    """
    asked = {"cpu": str(cores)}
    if memory_mb is not None:
        asked["memory"] = f"{ceil(memory_mb * MEMORY_SHARE) + CORE_MIB * cores}Mi"
    return {"requests": asked, "limits": dict(asked)}
