"""Allocated cores integrated over time: what a run has cost so far. Time is passed in."""

from __future__ import annotations


class CoreSeconds:
    """Counts a replica's cores from its spawn to its exit."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[int, float]] = {}
        self._ended = 0.0

    def begin(self, replica_id: str, cores: int, at_s: float) -> None:
        self._running[replica_id] = (cores, at_s)

    def end(self, replica_id: str, at_s: float) -> None:
        cores, began_s = self._running.pop(replica_id)
        self._ended += cores * (at_s - began_s)

    def total(self, at_s: float) -> float:
        return self._ended + sum(cores * (at_s - began_s) for cores, began_s in self._running.values())
