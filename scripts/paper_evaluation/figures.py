"""The studies as pictures, laid out like the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from ipa.report.pictures import empty_figure, save
from ipa.workload.description import trace_counts

from .ablation import STARTS_S
from .cases import PREDICTORS, SYSTEMS, Case
from .preference import baselines, papers, ranked, sweep
from .runs import Outcome, Outcomes
from .workloads import Loads

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito: told apart by colour-blind readers too
COLOURS = {
    "auto": "#0072b2",
    "fa2-low": "#009e73",
    "fa2-high": "#d55e00",
    "rim": "#cc79a7",
    "last": "#d55e00",
    "max": "#e69f00",
    "mean": "#f0e442",
    "ar": "#56b4e9",
    "lstm": "#009e73",
    "lightgbm": "#cc79a7",
    "ewma": "#0072b2",
    "oracle": "#000000",
}
Value = Callable[[Outcome], float]
BARS: tuple[tuple[str, Value], ...] = (
    ("cores", lambda each: each.cores),
    ("accuracy", lambda each: each.accuracy),
    ("late or dropped %", lambda each: 100 * each.missed),
)

SWEPT = ((sweep, "o-", "auto, α swept"), (papers, "k*", "auto, the paper's three"), (ranked, "kx", "auto, Σ ranks"))


def comparison(file: Path, cases: Sequence[Case], outcomes: Outcomes) -> None:
    """A row a pipeline: cores, accuracy and missed requests of every system on every workload."""
    pipelines, workloads = _names(cases)
    figure = empty_figure(13, 2.4 * len(pipelines))
    axes = figure.subplots(len(pipelines), len(BARS), squeeze=False)
    for line, pipeline in zip(axes, pipelines, strict=True):
        for axis, (title, value) in zip(line, BARS, strict=True):
            for number, system in enumerate(SYSTEMS):
                heights = [value(outcomes[c]) for c in cases if (c.pipeline, c.system) == (pipeline, system)]
                at = np.arange(len(workloads)) + 0.2 * (number - 1.5)
                axis.bar(at, heights, 0.2, color=COLOURS[system], label=system)
            axis.set_xticks(range(len(workloads)), labels=workloads, fontsize=8)
            axis.set_title(f"{pipeline}: {title}", fontsize=9)
            axis.grid(visible=True, axis="y", alpha=0.3)
            _from_zero(axis)
    axes[0][0].legend(fontsize=8)
    save(figure, file)


def timeline(file: Path, pipeline: str, cases: Sequence[Case], outcomes: Outcomes, loads: Loads) -> None:
    """A column a workload: load, cores and accuracy of the running plan over time."""
    own = [case for case in cases if case.pipeline == pipeline]
    _, workloads = _names(own)
    figure = empty_figure(4 * len(workloads), 6.5)
    axes = figure.subplots(3, len(workloads), squeeze=False, sharex="col", sharey="row")
    for column, workload in enumerate(workloads):
        load, cores, accuracy = axes[:, column]
        counts = trace_counts(loads.traces[workload], 0)
        load.plot(counts, color="#555555", linewidth=0.6)
        load.set_title(workload, fontsize=10)
        for case in own:
            if case.workload == workload:
                _courses(cores, accuracy, case.system, outcomes[case])
        accuracy.set_xlabel("seconds")
    for axis, label in zip(axes[:, 0], ("requests/s", "cores", "accuracy"), strict=True):
        axis.set_ylabel(label)
    axes[1][0].legend(fontsize=8)
    figure.suptitle(pipeline)
    save(figure, file)


def _courses(cores: Axes, accuracy: Axes, system: str, found: Outcome) -> None:
    course = found.course
    cores.step(course.at_s, course.cores, where="post", color=COLOURS[system], linewidth=1, label=system)
    accuracy.step(course.at_s, course.accuracy, where="post", color=COLOURS[system], linewidth=1)


def predictors(file: Path, cases: Sequence[Case], outcomes: Outcomes) -> None:
    """A column a pipeline: missed requests and cores by the time a replica takes to start."""
    pipelines, _ = _names(cases)
    figure = empty_figure(3 * len(pipelines), 5)
    axes = figure.subplots(2, len(pipelines), squeeze=False)
    for column, pipeline in enumerate(pipelines):
        for axis, (title, value) in zip(axes[:, column], (BARS[2], BARS[0]), strict=True):
            for name in PREDICTORS:
                means = [fmean(value(outcomes[c]) for c in _at(cases, pipeline, name, s)) for s in STARTS_S]
                who, at, _ = name.partition("@")
                line = "o--" if at else "o-"
                axis.plot(STARTS_S, means, line, color=COLOURS[who], markersize=3, linewidth=1, label=name)
            axis.set_title(f"{pipeline}: {title}", fontsize=9)
            axis.set_xlabel("start of a replica, s", fontsize=8)
            axis.grid(visible=True, alpha=0.3)
            _from_zero(axis)
    axes[0][0].legend(fontsize=8)
    save(figure, file)


def _from_zero(axis: Axes) -> None:
    """Where nothing is missed, an axis that says so."""
    top: float = axis.get_ylim()[1]
    axis.set_ylim(0, top if axis.dataLim.y1 > 0 else 1)


def _at(cases: Sequence[Case], pipeline: str, predictor: str, start_s: float) -> list[Case]:
    return [c for c in cases if (c.pipeline, c.predictor, c.start_s) == (pipeline, predictor, start_s)]


def preference(file: Path, pipelines: Sequence[str], workload: str, start_s: float, outcomes: Outcomes) -> None:
    """A panel a pipeline: the way from cost first to accuracy first, the paper's choices, and the baselines."""
    figure = empty_figure(3.2 * len(pipelines), 3.2)
    for axis, pipeline in zip(figure.subplots(1, len(pipelines), squeeze=False)[0], pipelines, strict=True):
        for some, mark, label in SWEPT:
            found = [outcomes[case] for case in some(pipeline, workload, start_s)]
            axis.plot([o.cores for o in found], [o.accuracy for o in found], mark, label=label)
        for case in baselines(pipeline, workload, start_s):
            found = [outcomes[case]]
            axis.plot([found[0].cores], [found[0].accuracy], "s", color=COLOURS[case.system], label=case.system)
        axis.set_title(pipeline, fontsize=10)
        axis.set_xlabel("cores")
        axis.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("accuracy")
    figure.axes[0].legend(fontsize=8)
    save(figure, file)


def _names(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    """The pipelines and the workloads, in their order."""
    return list(dict.fromkeys(c.pipeline for c in cases)), list(dict.fromkeys(c.workload for c in cases))
