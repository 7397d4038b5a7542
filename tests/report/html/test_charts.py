"""Which curves a run has."""

from __future__ import annotations

from ipa.domain import Allocation, Plan
from ipa.ports import Outcome
from ipa.report.html.chart import Chart
from ipa.report.html.charts import charts, told
from ipa.report.html.story import Decision, Kind, Objective, PolicyRun, Run, Second

PLAN = Plan((Allocation("detect", "m", "cpu", 2, 1, 3),))
SECONDS = tuple(Second(i, 10, 10, 0, 0, i, 0.1, 0.2 + i, 0.9, 4.0) for i in range(3))
TURNS = (
    Decision(0, "first", 9.0, 12.0, None, PLAN, 1.0, 0.8, 0.3, 6.0, PLAN, (), Outcome(True, 0.0)),
    Decision(2, "best", 11.0, 14.0, PLAN, PLAN, 1.0, 0.8, 0.4, 6.0),
)


def drawn(kind: Kind, *policies: PolicyRun) -> dict[str, Chart]:
    run = Run(kind, "t", "s", Objective(0.25), policies, duration_s=3.0)
    return {chart.key: chart for chart in charts(run, told(run, 1))}


def test_a_load_has_what_was_measured() -> None:
    found = drawn("load test", PolicyRun("load", 0, None, SECONDS, ()))
    assert list(found) == ["load", "latency", "missed", "cores", "accuracy"]
    assert [curve.label for curve in found["load"].curves] == ["arrivals"]
    assert [curve.label for curve in found["latency"].curves] == ["p50", "p99"]
    assert found["latency"].limit is not None
    assert found["missed"].curves[0].points == ((0, 0.0), (1, 0.1), (2, 0.2))


def test_a_journal_has_what_was_planned_and_says_that_it_is() -> None:
    found = drawn("adapt journal", PolicyRun("adapt", 0, None, (), TURNS))
    assert list(found) == ["load", "latency", "cores", "accuracy"]
    assert [curve.points for curve in found["load"].curves] == [((0, 9.0), (2, 11.0)), ((0, 12.0), (2, 14.0))]
    assert found["latency"].title == "Latency, planned"
    assert found["cores"].curves[0].points == ((0.0, 6.0),)
    assert found["accuracy"].curves[0].points == ((0.0, 0.8),)


def test_policies_share_the_load_and_have_a_curve_each_elsewhere() -> None:
    found = drawn("simulation", *(PolicyRun(name, 0, None, SECONDS, TURNS) for name in ("a", "b", "c")))
    assert [curve.label for curve in found["load"].curves] == ["arrivals", "forecast"]
    for key in ("latency", "missed", "cores", "accuracy"):
        assert [curve.policy for curve in found[key].curves] == [0, 1, 2]
        assert len({curve.colour for curve in found[key].curves}) == 3


def test_of_several_seeds_the_first_is_drawn() -> None:
    run = Run("simulation", "t", "s", Objective(1.0), tuple(PolicyRun("a", seed, None, (), ()) for seed in (3, 4)))
    assert [each.run.seed for each in told(run, 1)] == [3]
