"""A case → what came of it; all cases, on several processes, the same whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from spread import spread

from ipa.domain import Config, Plan
from ipa.errors import UsageError
from ipa.simulation.backtest import Row, Run, row
from ipa.simulation.comparison import compare
from ipa.workload.processes import FloatArray
from ipa.workload.trace import Trace

from .cases import Case, configured, read_config

STEP_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What ran at each of `at_s`: the cores that existed, and the product of the running variants' accuracies."""

    at_s: FloatArray
    cores: FloatArray
    accuracy: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """`missed`: share of the requests late or dropped. `dropped`: the reference counts these alone as violations.

    `cores`: mean over time of what existed, replicas that start or drain included. `accuracy`: mean over the answers.
    `accuracy_over_time`: the mean over time, as the paper plots it: a quiet second counts as much as a busy one.
    """

    row: Row
    missed: float
    dropped: float
    cores: float
    accuracy: float
    accuracy_over_time: float
    course: Course


Outcomes = Mapping[Case, Outcome]


@dataclass(frozen=True, slots=True)
class _Group:
    """The cases of one pipeline and workload."""

    pipeline: str
    workload: str
    cases: tuple[Case, ...]
    trace: Trace
    seed: int


def run_all(
    cases: Iterable[Case], traces: Mapping[str, Trace], seed: int, workers: int, told: Callable[[str], None]
) -> Outcomes:
    """Every case once. `told` hears of each pipeline and workload that is done."""
    groups = list(_grouped(cases, traces, seed))
    outcomes: dict[Case, Outcome] = {}
    for number, (group, found) in enumerate(zip(groups, spread(_run_group, groups, workers), strict=True), 1):
        outcomes.update(zip(group.cases, found, strict=True))
        told(f"{number}/{len(groups)} {group.pipeline} {group.workload}: {len(found)} runs")
    return outcomes


def _grouped(cases: Iterable[Case], traces: Mapping[str, Trace], seed: int) -> Iterator[_Group]:
    wanted: dict[tuple[str, str], list[Case]] = {}
    for case in dict.fromkeys(cases):
        wanted.setdefault((case.pipeline, case.workload), []).append(case)
    for (pipeline, workload), own in wanted.items():
        yield _Group(pipeline, workload, tuple(own), traces[workload], seed)


def _run_group(group: _Group) -> list[Outcome]:
    config = read_config(group.pipeline)
    return [run_case(case, config, group.trace, group.seed) for case in group.cases]


def run_case(case: Case, config: Config, trace: Trace, seed: int) -> Outcome:
    """`config` as read. Raises UsageError for a case that has no plan to start with."""
    changed = configured(config, case)
    [run] = compare([changed], trace, [case.rival], [seed], "mean")
    if isinstance(run, str):
        raise UsageError(f"{case.pipeline}, {case.workload}: {run}")
    return outcome(run)


def outcome(run: Run) -> Outcome:
    """Of a run with at least one request."""
    done = row(run)
    course = _course(run)
    assert done.slo_share is not None  # there are requests
    return Outcome(
        row=done,
        missed=1 - done.slo_share,
        dropped=(done.dropped + done.failed) / done.requests,
        cores=done.core_hours * 3600 / run.duration_s,
        accuracy=done.accuracy if done.accuracy is not None else 0.0,
        accuracy_over_time=float(course.accuracy.mean()),
        course=course,
    )


def _course(run: Run) -> Course:
    at_s = np.arange(0.0, run.duration_s, STEP_S)
    cores = [(each.at_s, float(each.cores)) for each in run.spending]
    accuracy = [(since_s, _accuracy(run.config, plan)) for since_s, plan in run.plans]
    return Course(at_s, _held(cores, at_s), _held(accuracy, at_s))


def _held(values: Sequence[tuple[float, float]], at_s: FloatArray) -> FloatArray:
    """The value that holds at each of `at_s`: the last one set by then."""
    since_s, held = np.array(values).T
    found: FloatArray = held[np.searchsorted(since_s, at_s, side="right") - 1]
    return found


def _accuracy(config: Config, plan: Plan) -> float:
    return prod(config.pipeline.stage(a.stage).variant(a.variant).accuracy for a in plan.allocations)
