"""Latency models: what one replica needs for a batch. A registry: constructors from points to models.

Pure, and free of numpy until a model is fitted: pricing a plan from tables must start fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ipa.latency.linear import linear
from ipa.latency.points import Points, Server, Unfit, points_by_server
from ipa.latency.quadratic import quadratic
from ipa.latency.quality import quality
from ipa.latency.table import table


class LatencyModel(Protocol):
    """The latency of one (stage, variant, hardware, cores) as a function of the batch size."""

    @property
    def batches(self) -> tuple[int, ...]:
        """The sizes its points vouch for, ascending: the measured ones (table) or 1…largest measured."""

    def latency_s(self, batch: int) -> float:
        """Seconds for a batch of `batch` requests. Raises Unfit for a batch it cannot price."""


MODELS: dict[str, Callable[[Points], LatencyModel]] = {
    "table": table,
    "linear": linear,
    "quadratic": quadratic,
}

__all__ = ["MODELS", "LatencyModel", "Points", "Server", "Unfit", "points_by_server", "quality"]
