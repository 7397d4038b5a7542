"""Who used the cores of this machine: a served pipeline's router and replicas, this process, and everybody else."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

ROLES: Mapping[str, str] = {"ipa.dataplane": "router", "_server": "replicas"}
OWN = "load generator"


@dataclass(frozen=True, slots=True)
class CpuUse:
    """CPU seconds so far: by role, and of the whole machine."""

    at_s: float
    by_role: Mapping[str, float]
    machine: float

    @classmethod
    def now(cls, pid: int) -> CpuUse:
        """`pid` is that of `ipa serve`."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for child in psutil.Process(pid).children(recursive=True):
            module = child.cmdline()[-1]
            role = next((role for part, role in ROLES.items() if part in module), "other children")
            seconds[role] += _seconds(child)
        seconds[OWN] += _seconds(psutil.Process())
        times = psutil.cpu_times()
        return cls(time.monotonic(), seconds, times.user + times.nice + times.system)

    def since(self, began: CpuUse) -> dict[str, float]:
        """Mean number of busy cores between the two, `others` being what runs on this machine besides."""
        passed_s = self.at_s - began.at_s
        busy = {role: (used - began.by_role.get(role, 0.0)) / passed_s for role, used in self.by_role.items()}
        return {**busy, "others": (self.machine - began.machine) / passed_s - sum(busy.values())}


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
