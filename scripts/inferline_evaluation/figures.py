"""The studies as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inferline_evaluation import better, moving, still
from inferline_evaluation.systems import STEP_S, STILL
from ipa.report.pictures import empty_figure, save

# Okabe and Ito: told apart by colour-blind readers too
COLOURS = {
    "cg-mean": "#999999",
    "cg-peak": "#000000",
    "auto-plan": "#56b4e9",
    "inferline-plan": "#d55e00",
    "exact-plan": "#009e73",
    "inferline": "#d55e00",
    "exact": "#009e73",
    "hpa": "#999999",
    "kpa": "#e69f00",
    "auto": "#56b4e9",
    "auto-tuned": "#0072b2",
}
DRAWN = ("inferline", "exact", "hpa", "kpa", "auto", "auto-tuned")


def plans(file: Path, chosen: Sequence[still.Task], found: Sequence[still.Found]) -> None:
    """A panel a pipeline: cost over SLO, whole lines at cv 1 and broken ones at 4."""
    shapes = list(dict.fromkeys(task.shape for task in chosen))
    figure = empty_figure(3.6 * len(shapes), 3.4)
    for axis, shape in zip(figure.subplots(1, len(shapes), squeeze=False)[0], shapes, strict=True):
        for system in STILL:
            for cv, line in zip(still.CVS, ("-", "--"), strict=True):
                own = [(t, f[system]) for t, f in zip(chosen, found, strict=True) if (t.shape, t.cv) == (shape, cv)]
                points = [(1e3 * t.slo_s, done.cost_per_hour) for t, done in own if done is not None]
                label = system if cv == still.CVS[0] else None
                axis.plot(*zip(*points, strict=True), f"o{line}", color=COLOURS[system], markersize=3, label=label)
        axis.set_title(shape, fontsize=10)
        axis.set_xlabel("SLO, ms")
        axis.set_yscale("log")
        axis.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("$/h")
    figure.axes[0].legend(fontsize=7)
    save(figure, file)


def timelines(file: Path, chosen: Sequence[moving.Task], found: Sequence[moving.Found]) -> None:
    """A column a load of the first pipeline: requests, what exists in $/h, and what is missed."""
    own = [(task, each) for task, each in zip(chosen, found, strict=True) if task.shape == chosen[0].shape]
    figure = empty_figure(5.5 * len(own), 7)
    axes = figure.subplots(3, len(own), squeeze=False, sharex="col", sharey="row")
    for (load, cost, missed), (task, by_system) in zip(axes.T, own, strict=True):
        live = task.load
        sent = np.bincount((live.live_s / STEP_S).astype(int)) / STEP_S
        load.plot(STEP_S * np.arange(len(sent)), sent, color="#555555", linewidth=0.8)
        load.set_title(f"{task.shape}, {task.workload}", fontsize=10)
        for system in DRAWN:
            done = by_system[system]
            if done is not None:
                course, colour = done.course, COLOURS[system]
                cost.step(course.at_s, course.cost_per_hour, where="post", color=colour, linewidth=1, label=system)
                missed.plot(course.at_s, 100 * course.missed, color=colour, linewidth=1)
        missed.set_xlabel("seconds")
    for axis, label in zip(axes[:, 0], ("requests/s", "$/h", "late or dropped %"), strict=True):
        axis.set_ylabel(label)
    axes[1][0].legend(fontsize=8)
    save(figure, file)


def savings(file: Path, found: Sequence[better.Compared]) -> None:
    """Each random pipeline: the exact plan's cost over the greedy one's."""
    figure = empty_figure(5, 4)
    axis = figure.subplots()
    for cv, mark in zip(better.CVS, ("o", "s", "^"), strict=True):
        both = [(e.greedy, e.exact) for e in found if e.task.cv == cv and e.greedy and e.exact]
        if both:
            greedy, exact = np.array(both).T
            axis.plot(greedy, exact / greedy, mark, markersize=4, alpha=0.6, label=f"cv {cv:g}")
    axis.set_xscale("log")
    axis.set_xlabel("greedy plan, $/h")
    axis.set_ylabel("exact / greedy")
    axis.set_ylim(0, 1.05)
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=8)
    save(figure, file)
