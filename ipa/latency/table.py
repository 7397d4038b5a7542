"""table: exactly what was measured, and nothing in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ipa.latency.points import Points, Unfit, refuse_nonpositive


@dataclass(frozen=True, slots=True)
class Table:
    latencies_s: Mapping[int, float]

    @property
    def batches(self) -> tuple[int, ...]:
        return tuple(self.latencies_s)

    def latency_s(self, batch: int) -> float:
        if batch not in self.latencies_s:
            raise Unfit(f"table: batch {batch} was not measured; measured are {list(self.batches)}")
        return self.latencies_s[batch]


def table(points: Points) -> Table:
    """A latency that falls from one batch to the next is kept: it is what was measured."""
    if not points:
        raise Unfit("table: 0 measured batches; at least 1 is needed")
    refuse_nonpositive("table", points)
    ordered = sorted(points)
    for (batch, _), (following, _) in pairwise(ordered):
        if batch == following:
            raise Unfit(f"table: batch {batch} has more than one latency")
    return Table(dict(ordered))
