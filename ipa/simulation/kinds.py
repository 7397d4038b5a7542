"""The kinds of replicas met so far, as rows of two arrays that grow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from ipa.simulation.stations import Servers, Station
from ipa.workload.processes import FloatArray


class Kinds:
    """`service_s` (kind, level, batch − 1) and `accuracy` (kind,); a batch that no kind of a row can take is inf."""

    def __init__(self) -> None:
        self.service_s: FloatArray = np.zeros((0, 0, 0))
        self.accuracy: FloatArray = np.zeros(0)
        self._rows: dict[tuple[bytes, tuple[int, ...], float], int] = {}

    def of(self, station: Station) -> list[int]:
        """The kind of each of its replicas, in order. Raises ValueError if its service times have other levels."""
        return [row for servers in station.servers for row in [self._row(servers)] * servers.replicas]

    def _row(self, servers: Servers) -> int:
        if servers.kind not in self._rows:
            levels, size = servers.service_s.shape
            count, had, wide = self.service_s.shape
            if count and had != levels:
                raise ValueError(f"service times have {levels} levels where others have {had}")
            tables = np.full((count + 1, levels, max(size, wide)), np.inf)
            if count:
                tables[:count, :, :wide] = self.service_s
            tables[count, :, :size] = servers.service_s
            self.service_s, self.accuracy = tables, np.append(self.accuracy, servers.accuracy)
            self._rows[servers.kind] = count
        return self._rows[servers.kind]


def staying(running: Sequence[int], wanted: Sequence[int]) -> tuple[list[int | None], list[int]]:
    """Of the kinds running, by slot: which slot serves each wanted replica (None: a new one), and which are left over.

    Of one kind the earliest stay.
    """
    free: dict[int, list[int]] = {}
    for slot, kind in enumerate(running):
        free.setdefault(kind, []).append(slot)
    kept = [free[kind].pop(0) if free.get(kind) else None for kind in wanted]
    return kept, list(chain.from_iterable(free.values()))
