"""`scripts/paper_inferline.py`: its parts on small loads, worked out by hand or by brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paper_inferline
import pytest
from inferline_evaluation import better, coarse, equal, moving, still
from inferline_evaluation.equal import Point, missed_at
from inferline_evaluation.shapes import RATES_RPS, SHAPES, config_of, drawn, gamma, load_of
from inferline_evaluation.systems import MOVING, outcome
from paper_evaluation.tables import as_csv

from ipa.options import price


def test_the_first_quarter_is_the_sample_and_nothing_is_lost() -> None:
    load = load_of("g", gamma(50.0, 1.0, 80.0), 0, 60.0)
    assert (load.sample.duration_s, load.live_duration_s) == (15.0, 45.0)
    assert load.sample.arrivals_s.max() < 15.0
    assert load.live_s.min() >= 0 and load.live_s.max() < 45.0
    assert len(load.sample.arrivals_s) + len(load.live_s) == pytest.approx(50 * 60, rel=0.1)
    assert sum(load.sample_counts) == len(load.sample.arrivals_s)


def test_the_drawn_loads_peak_at_300_after_the_sample() -> None:
    for name, rates in RATES_RPS.items():
        assert max(rates) == 300
        assert max(rates[: len(rates) // 4]) < 150
        assert drawn(name).duration_s == 600


@pytest.mark.parametrize("shape", SHAPES)
def test_coarse_plans_are_the_cheapest_of_all_uniform_ones(shape: str) -> None:
    config = config_of(shape)
    pipeline = config.pipeline
    costs = []
    for hardware, cores in {(m.hardware, m.cores) for m in pipeline.measurements}:
        for batch in {m.batch for m in pipeline.measurements}:
            rows = {
                m.stage: m.latency_mean_s
                for m in pipeline.measurements
                if (m.hardware, m.cores, m.batch) == (hardware, cores, batch)
            }
            ends_s: dict[str, float] = {}
            for s in pipeline.stages:
                ends_s[s.name] = rows[s.name] + max((ends_s[p] for p in s.after), default=0.0)
            if max(ends_s.values()) <= pipeline.slo.latency_s:
                carried = min(batch / rows[s.name] / s.visits for s in pipeline.stages)
                kind = pipeline.hardware[hardware]
                price_per_hour = kind.price_per_hour + cores * kind.price_per_core_hour
                costs.append(int(np.ceil(100 / carried - 1e-9)) * len(pipeline.stages) * price_per_hour)
    plan = coarse.plan(config, 100.0)
    assert plan is not None
    units = {a.replicas for a in plan.allocations}
    assert len(units) == 1
    kind = pipeline.hardware[plan.allocations[0].hardware]
    per_replica = kind.price_per_hour + plan.allocations[0].cores * kind.price_per_core_hour
    assert sum(a.replicas * per_replica for a in plan.allocations) == pytest.approx(min(costs))


def test_every_study_makes_its_table() -> None:
    task = still.Task("image", 1.0, 0.3, 0, 40.0)
    found = still.run(task)
    assert "inferline-plan" in as_csv(still.table([task], [found]))
    assert found["inferline-plan"] is not None and found["inferline-plan"].estimate_s is not None
    still.summary([found])
    task_moving = moving.Task("image", "big-spike", 0, 40.0)
    moved = {system: outcome(system, config_of("image"), task_moving.load) for system in MOVING}
    assert "auto-tuned" in as_csv(moving.table([task_moving], [moved]))
    moving.summary([moved])


def test_misses_are_compared_on_what_a_cost_can_reach() -> None:
    points = [Point(1.0, 0.3), Point(2.0, 0.1), Point(3.0, 0.2), Point(4.0, 0.0)]
    assert missed_at(points, 1.5) == pytest.approx(0.2)
    assert missed_at(points, 3.0) == pytest.approx(0.05)
    assert missed_at(points, 9.0) == 0.0
    task = equal.Task("image", "w", gamma(10, 1, 10), 0, 10.0)
    curve = dict.fromkeys(equal.SYSTEMS, points)
    assert "w" in as_csv(equal.table([task], [curve]))


def test_the_exact_plan_is_never_dearer_on_random_pipelines() -> None:
    found = [better.compared(task) for task in better.tasks(4)]
    for each in found:
        assert each.exact is None or each.greedy is None or each.exact <= each.greedy + 1e-6
    assert "all" in as_csv(better.table(found))


def test_the_same_seed_is_the_same_pipeline() -> None:
    assert better.pipeline(7) == better.pipeline(7)
    for seed in range(40):
        pipeline, rate_rps = better.pipeline(seed)
        assert len(price(pipeline, rate_rps).stages) in (2, 3, 4)


def test_one_study_writes_its_own_tables_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new"
    words = ["--study", "better", "--pipelines", "2", "--workers", "1", "--out", str(out)]
    assert paper_inferline.main(words) == 0
    assert "Exact against greedy" in capsys.readouterr().out
    assert {each.name for each in out.iterdir()} == {"better.csv", "savings.png", "evaluation.md"}


def test_bad_words_are_refused() -> None:
    with pytest.raises(SystemExit):
        paper_inferline.main(["--seconds", "0"])
