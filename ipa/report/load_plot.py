"""`ipa load --plot`: latency by percentile, its axis logarithmic in what is left to 100 %: the tail has room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ipa.report.pictures import empty_figure, save
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, LoadResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 1_000
BLUE, VERMILION = "#0072b2", "#d55e00"  # told apart by colour-blind readers too (Okabe and Ito)


def percentile_curve(latency_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(1 / (1 − q), latency in seconds at quantile q), from the least of n, q = 0, to the largest, q = 1 − 1/n.

    At most MOST_POINTS, evenly spaced on the logarithmic axis; both empty if nothing was answered.
    """
    ordered = np.sort(latency_s)
    count = len(ordered)
    if count == 0:
        return ordered, ordered
    nines = np.geomspace(1, count, min(count, MOST_POINTS))
    rank = np.minimum((count * (1 - 1 / nines) + 1e-9).astype(np.int64), count - 1)
    return nines, ordered[rank]


def plot(pipeline: str, result: LoadResult, slo_s: float, file: Path) -> None:
    """The curve of the answered requests, and the SLO. Raises UsageError for an unwritable file."""
    figure = empty_figure(7, 4.2)
    answered = result.outcome == ANSWERED
    _draw(figure.subplots(), *percentile_curve(result.latency_s[answered]), slo_s)
    figure.suptitle(f"{pipeline}: latency of {np.count_nonzero(answered):,} answered requests")
    save(figure, file)


def _draw(axis: Axes, nines: FloatArray, latency_s: FloatArray, slo_s: float) -> None:
    axis.plot(nines, latency_s * 1000, color=BLUE, drawstyle="steps-post", label="latency from the intended time")
    axis.axhline(slo_s * 1000, color=VERMILION, linestyle="--", linewidth=1, label=f"SLO {slo_s * 1000:g} ms")
    axis.set_xscale("log")
    axis.set_yscale("log")
    ticks = [1, 2, *(10.0**power for power in range(1, max(2, len(str(len(latency_s)))) + 1))]
    axis.set_xticks(ticks, labels=[f"{100 * (1 - 1 / tick):.8g}" for tick in ticks])
    axis.xaxis.minorticks_off()
    axis.set_xlim(1, max(10.0, nines[-1] if len(nines) else 1.0))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.tick_params(which="minor", labelsize=6)
    axis.set_xlabel("percentile")
    axis.set_ylabel("latency (ms)")
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=8)
