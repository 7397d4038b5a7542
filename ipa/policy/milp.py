"""The integer program by HiGHS, within a time limit: a plan with its status, its proven bound and its gap.

HiGHS gets the Pyomo model's rows directly: Pyomo's own interface knows no starting plan, and spends more time on
looking for variables in expressions than HiGHS spends on solving small problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np

from ipa.errors import IpaError, UsageError
from ipa.evaluation import Evaluation, evaluate
from ipa.options import Ints, Problem
from ipa.policy.program import Program, build, unlimited
from ipa.policy.resources import tabulate
from ipa.policy.segments import range_of, tighten
from ipa.policy.solution import TIME_LIMIT_S, Solution, relative_gap

PLAIN_SHARE = 0.5  # of the time limit; a program that takes longer gets the segments of ipa.policy.segments

_OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
    # As tight as HiGHS is sound, so that a limit means the same here as in the evaluation.
    "primal_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The plan found, if any; the most (least, if minimised) any plan can reach; `finished` if both are final."""

    evaluation: Evaluation | None
    bound: float
    finished: bool


def solve(problem: Problem, time_limit_s: float = TIME_LIMIT_S, start: tuple[int, ...] | None = None) -> Solution:
    """The best plan, or at the time limit the best so far, with a bound on all plans.

    `start`: a plan to begin with, an option index a stage; it counts only if it is feasible, and then the answer is
    never worse. Raises UsageError for a bad limit or start, IpaError where HiGHS fails.
    """
    answer = _search(problem, "objective", maximise=True, time_limit_s=time_limit_s, start=start)
    best = answer.evaluation
    if answer.finished and best is None:
        return Solution(None, "no feasible plan", "milp", "infeasible", None)
    if answer.finished and best is not None:
        return Solution(best, "proven best by HiGHS", "milp", "optimal", 0.0, bound=best.objective)
    bound = min(answer.bound, unlimited(problem))
    if best is None:
        return Solution(None, f"no plan found within {time_limit_s:g} s", "milp", "time limit", None, bound=bound)
    reason = f"the best plan found within {time_limit_s:g} s"
    return Solution(best, reason, "milp", "time limit", relative_gap(best.objective, bound), bound=bound)


def optimise(problem: Problem, goal: str, *, maximise: bool) -> Evaluation | None:
    """The feasible plan with the largest or smallest `goal`, however long it takes: `objective` or a limit's name."""
    return _search(problem, goal, maximise=maximise).evaluation


def _search(
    problem: Problem,
    goal: str,
    *,
    maximise: bool,
    time_limit_s: float = inf,
    start: tuple[int, ...] | None = None,
) -> Answer:
    """As `solve`, for any goal; a start goes with the objective only."""
    if not time_limit_s >= 0:
        raise UsageError(f"policy milp: a time limit of {time_limit_s} s: it is at least 0 s")
    import highspy  # noqa: F401
    import pyomo.environ  # noqa: F401 - before the clock starts: on a busy machine this takes longer than the search

    began_s = perf_counter()
    first = None if start is None else _started(problem, start)
    options = _options(problem, goal, first)
    if not all(len(own) for own in options):
        return Answer(None, inf, finished=True)
    program = build(problem, options, goal, maximise=maximise)
    widest = range_of(problem, options) if goal == "objective" and isfinite(time_limit_s) else None
    if widest is None:
        return _run(problem, program, first, began_s + time_limit_s)
    plain = _run(problem, program, first, began_s + PLAIN_SHARE * time_limit_s)
    if plain.finished:
        return plain
    tighten(program, problem, options, widest)
    tight = _run(problem, program, plain.evaluation, began_s + time_limit_s)
    return replace(tight, bound=min(plain.bound, tight.bound))


def _run(problem: Problem, program: Program, first: Evaluation | None, deadline_s: float) -> Answer:
    solver = _Solver(program, first.choice if first else None)
    while True:
        found = solver.run(deadline_s - perf_counter())
        best = evaluate(problem, found.choice) if found.choice else None
        if found.finished and best is not None and not best.feasible:
            # Within the solver's tolerance but not within ours: forbid this one combination and ask again.
            solver.forbid(best.choice)
            continue
        plans = [plan for plan in (best, first) if plan is not None and plan.feasible]
        return Answer(max(plans, key=lambda plan: plan.objective, default=None), found.bound, found.finished)


def _started(problem: Problem, start: tuple[int, ...]) -> Evaluation | None:
    """The starting plan, judged; None if it breaks a limit: then it is no help."""
    sizes = [len(stage) for stage in problem.stages]
    if len(start) != len(sizes) or not all(0 <= k < size for k, size in zip(start, sizes, strict=True)):
        raise UsageError(f"policy milp: start {start}: one option index a stage, below {sizes}")
    plan = evaluate(problem, start)
    return plan if plan.feasible else None


def _options(problem: Problem, goal: str, first: Evaluation | None) -> Sequence[Ints]:
    """Per stage the options that are needed: for the objective those undominated, and the starting plan's."""
    table = tabulate(problem) if goal == "objective" else None
    if table is None:  # at rate 0 a batch above 1 never answers
        return [np.flatnonzero(np.isfinite(stage.delay_s)) for stage in problem.stages]
    reduced = [layer.options for layer in table.layers]
    if first is not None and all(len(own) for own in reduced):
        reduced = [np.append(own, k) for own, k in zip(reduced, first.choice, strict=True)]
    return [np.unique(own) for own in reduced]


@dataclass(frozen=True, slots=True)
class _Found:
    """What one run of HiGHS says; `choice` is empty if it has no plan."""

    choice: tuple[int, ...]
    bound: float
    finished: bool


class _Solver:
    """HiGHS with one program loaded."""

    def __init__(self, program: Program, start: tuple[int, ...] | None) -> None:
        import pyomo.environ as pyo

        variables = list(program.pyomo.component_data_objects(pyo.Var))
        columns = {id(variable): i for i, variable in enumerate(variables)}
        self._choose = [{k: columns[id(v)] for k, v in xs.items()} for xs in program.choose]
        self._highs = _loaded(program.pyomo, variables, columns)
        if start is not None:
            index, value = zip(
                *((c, float(k == own)) for xs, own in zip(self._choose, start, strict=True) for k, c in xs.items()),
                strict=True,
            )
            self._highs.setSolution(len(index), np.array(index, dtype=np.int32), np.array(value))

    def forbid(self, choice: Sequence[int]) -> None:
        """Takes one combination of options away."""
        index = np.array([xs[k] for xs, k in zip(self._choose, choice, strict=True)], dtype=np.int32)
        self._highs.addRow(-inf, len(index) - 1.0, len(index), index, np.ones(len(index)))

    def run(self, time_limit_s: float) -> _Found:
        """Raises IpaError if HiGHS gives up, KeyboardInterrupt at once if it is interrupted."""
        from highspy import HighsModelStatus as Status
        from highspy import SolutionStatus

        highs = self._highs
        highs.setOptionValue("time_limit", max(0.0, time_limit_s))
        _interruptible(highs)
        status, info = highs.getModelStatus(), highs.getInfo()
        if status in (Status.kInfeasible, Status.kUnboundedOrInfeasible):
            return _Found((), inf, finished=True)
        if status not in (Status.kOptimal, Status.kTimeLimit):
            raise IpaError(f"policy milp: HiGHS stopped with status {highs.modelStatusToString(status)!r}")
        choice: tuple[int, ...] = ()
        if info.primal_solution_status == SolutionStatus.kSolutionStatusFeasible.value:
            values = highs.getSolution().col_value
            choice = tuple(max(xs, key=lambda k: values[xs[k]]) for xs in self._choose)
        return _Found(choice, float(info.mip_dual_bound), status == Status.kOptimal)


def _interruptible(highs: Any) -> None:
    """Runs HiGHS in a thread, so that ^C ends the run at once; its own handler prints to stdout."""
    highs.HandleUserInterrupt = True
    running = highs.startSolve()
    try:
        while not highs.wait(0.1)[0]:
            pass
    except KeyboardInterrupt:
        highs.cancelSolve()
        running.join()
        raise


def _loaded(m: Any, variables: Sequence[Any], columns: dict[int, int]) -> Any:
    """The model's columns and rows, in the order of their declaration."""
    import highspy
    import pyomo.environ as pyo

    lp = highspy.HighsLp()
    lp.num_col_ = len(variables)
    lp.col_lower_ = np.zeros(len(variables))
    lp.col_upper_ = np.array([1.0 if v.is_binary() else highspy.kHighsInf for v in variables])
    kinds = highspy.HighsVarType
    lp.integrality_ = [kinds.kInteger if v.is_binary() else kinds.kContinuous for v in variables]
    lp.sense_ = highspy.ObjSense.kMaximize if m.goal.sense == pyo.maximize else highspy.ObjSense.kMinimize
    lp.col_cost_ = _dense(m.goal.expr, columns)
    rows = list(m.rules.values())
    bodies = [row.body for row in rows]
    lp.num_row_ = len(rows)
    lp.row_lower_ = np.array([-highspy.kHighsInf if row.lower is None else row.lower for row in rows])
    lp.row_upper_ = np.array([highspy.kHighsInf if row.upper is None else row.upper for row in rows])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *(len(body.linear_vars) for body in bodies)])
    lp.a_matrix_.index_ = np.array([columns[id(v)] for body in bodies for v in body.linear_vars])
    lp.a_matrix_.value_ = np.array([c for body in bodies for c in body.linear_coefs], dtype=np.float64)
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in _OPTIONS.items():
        highs.setOptionValue(name, value)
    if not all(np.isfinite(column).all() for column in (lp.col_cost_, lp.a_matrix_.value_)):
        raise IpaError("policy milp: a price, accuracy or latency of the option table is not finite")  # HiGHS takes NaN
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise IpaError("policy milp: HiGHS refuses the program: one of its numbers is too large")
    return highs


def _dense(expression: Any, columns: dict[int, int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    row = np.zeros(len(columns))
    for c, v in zip(expression.linear_coefs, expression.linear_vars, strict=True):
        row[columns[id(v)]] += c
    return row
