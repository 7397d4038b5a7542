"""Configs on disk: what is right is understood, what is wrong is named, all at once, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ipa.adapters.files import load_config, load_config_unmeasured, read_plan
from ipa.domain import Allocation, Plan, When
from ipa.errors import ConfigError, UsageError

VARIANTS = """\
stage,variant,accuracy,metric,memory_mb,load_s,source,note
detect,small,0.7,top-1,10,1.5,test,
detect,large,0.9,top-1,,,test,unknown columns are ignored
classify,light,0.8,top-1,10,1,test,
"""
MEASUREMENTS = """\
stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,throughput_rps,requests,source
detect,small,cpu,1,1,0.01,0.01,0.011,0.012,,100,test
detect,small,cpu,1,4,0.03,0.03,0.031,0.032,120,400,test
detect,large,cpu,2,1,0.05,0.05,0.051,0.052,20,100,test
classify,light,cpu,1,1,0.005,0.005,0.006,0.007,190,100,test
"""


DETECT = {"name": "detect"}


def write(folder: Path, changes: dict[str, Any], *, variants: str = VARIANTS, measurements: str = MEASUREMENTS) -> Path:
    """A pipeline that is right but for `changes`; a change to None removes the key."""
    document: dict[str, Any] = {
        "name": "toy",
        "slo": {"latency": "500ms"},
        "profiles": "profile",
        "stages": [{"name": "detect"}, {"name": "classify"}],
        **changes,
    }
    (folder / "profile").mkdir(exist_ok=True)
    (folder / "profile" / "variants.csv").write_text(variants)
    (folder / "profile" / "measurements.csv").write_text(measurements)
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}))
    return path


def problems(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return {v.where.replace(str(path.parent) + "/", ""): v.rule for v in caught.value.violations}


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {}))
    pipeline = config.pipeline
    assert (pipeline.slo.latency_s, pipeline.slo.drop_after_s, pipeline.slo.percentile) == (0.5, 1.0, 99.0)
    objective = pipeline.objective
    assert (objective.accuracy_weight, objective.cost_weight, objective.batch_weight) == (1.0, 1.0, 1e-6)
    assert (objective.score, objective.unit) == ("product", "cores")
    assert pipeline.limits.utilisation == 1.0
    assert [s.after for s in pipeline.stages] == [(), ("detect",)]
    assert [v.name for v in pipeline.stages[0].variants] == ["small", "large"]
    assert pipeline.stages[0].variant("large").load_s is None
    assert (config.control.interval_s, config.control.hold_s, config.forecast.predictor) == (10.0, 30.0, "ewma")
    assert (config.router.batching, config.router.queue_limit) == ("greedy", 10_000)


def test_a_branch_and_a_join_and_full_batches(tmp_path: Path) -> None:
    stages = [
        {"name": "detect"},
        {"name": "classify", "visits": 0.3, "when": {"output": "unsure", "equals": True}},
    ]
    config = load_config(write(tmp_path, {"stages": stages, "router": {"batching": "full", "batch_wait": "50ms"}}))
    assert (config.pipeline.stages[0].when, config.pipeline.stages[1].when) == (None, When("unsure", True))
    assert (config.router.batching, config.router.batch_wait_s) == ("full", 0.05)


def test_listed_variants_batches_and_hardware_choose_the_rows(tmp_path: Path) -> None:
    stages = [{"name": "detect", "variants": ["small"], "hardware": ["cpu"], "visits": 0.5}, {"name": "classify"}]
    config = load_config(write(tmp_path, {"stages": stages, "batches": [1]}))
    assert [(m.variant, m.batch) for m in config.pipeline.measurements] == [("small", 1), ("light", 1)]
    assert config.pipeline.stages[0].visits == 0.5


def test_all_problems_of_a_config_at_once(tmp_path: Path) -> None:
    changes = {
        "slo": {"latency": 500, "percentle": 99},
        "objective": {"score": "best", "accuracy": -1},
        "limits": {"utilisation": 1.5, "accuracy": 95, "cores": "four"},
        "stages": [{"name": "a/b"}, {"variants": []}],
        "colour": "red",
    }
    assert problems(write(tmp_path, changes)) == {
        "slo.latency": "500 is not a duration: write a number and a unit, as in 600ms, 6.89s or 2m",
        "slo.percentle": "unknown key",
        "objective.score": "'best' should be 'product', 'sum', 'mean', 'rank-sum' or 'rank-product'",
        "objective.accuracy": "-1 should be greater than or equal to 0",
        "limits.utilisation": "1.5 should be less than or equal to 1",
        "limits.accuracy": "95 should be less than or equal to 1",
        "limits.cores": "'four' should be a number",
        "stages[0].name": "'a/b' should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'",
        "stages[1].name": "is required and missing",
        "stages[1].variants": "must not be empty",
        "colour": "unknown key",
    }


@pytest.mark.parametrize(
    ("changes", "where", "rule"),
    [
        ({"forecast": {"quantile": 1}}, "forecast.quantile", "1 should be less than 1"),
        ({"control": {"tuner": "fast"}}, "control.tuner", "'fast' should be 'off', 'ratio' or 'literal'"),
        ({"control": {"tuner_interval": "0s"}}, "control.tuner_interval", "'0s' should be greater than 0"),
        (
            {"forecast": {"predictor": "tea"}},
            "forecast.predictor",
            "'tea' is not known: one of ewma, last, max, mean, ar, lightgbm, lstm, oracle",
        ),
        ({"latency": {"model": "cubic"}}, "latency.model", "'cubic' is not known: one of table, linear, quadratic"),
        ({"stages": []}, "stages", "must not be empty"),
        ({"slo": None}, "slo", "is required and missing"),
    ],
)
def test_each_rule(tmp_path: Path, changes: dict[str, Any], where: str, rule: str) -> None:
    assert problems(write(tmp_path, changes)) == {where: rule}


@pytest.mark.parametrize(
    ("stages", "where", "rule"),
    [
        (
            [{"name": "detect", "variants": ["tiny"]}],
            "stages[0].variants[0]",
            "'tiny' is not a variant of stage 'detect'",
        ),
        ([{"name": "detect", "variants": ["small", "small"]}], "stages[0].variants[1]", "'small' is listed twice"),
        ([{"name": "segment"}], "stages[0]", "has no variant of stage 'segment'"),
        ([{"name": "detect"}, {"name": "detect"}], "stages[1].name", "is the name of an earlier stage too"),
        ([{"name": "detect", "after": ["classify"]}, {"name": "classify"}], "stages[0].after", "no cycle"),
        ([{"name": "detect", "after": ["x"]}], "stages[0].after", "'x' is not a stage: one of detect"),
        ([{"name": "detect", "hardware": ["gpu"]}], "stages[0].variants", "nobody measured detect/large on gpu"),
        ([{"name": "detect", "when": {"output": "y", "equals": 1}}], "stages[0].when", "comes after no stage"),
        ([DETECT, {"name": "classify", "when": {"output": "y"}}], "stages[1].when.equals", "is required"),
        (
            [DETECT, {"name": "classify", "when": {"output": "y", "equals": "cat"}}],
            "stages[1].when.equals",
            "'cat' must be a number, true or false",
        ),
        (
            [DETECT, {"name": "classify", "visits": 1.5, "when": {"output": "y", "equals": 1}}],
            "stages[1].visits",
            "1.5 is more than 1: a branch is taken with probability visits / visits",
        ),
        ([DETECT, {"name": "classify", "after": ["detect", "detect"]}], "stages[1].after", "listed twice"),
    ],
)
def test_references_between_keys(tmp_path: Path, stages: list[dict[str, Any]], where: str, rule: str) -> None:
    assert rule in problems(write(tmp_path, {"stages": stages}))[where]


@pytest.mark.parametrize(
    ("old", "new", "where", "rule"),
    [
        (",0.7,", ",-0.7,", "profile/variants.csv line 2, accuracy", "'-0.7' should be greater than or equal to 0"),
        (",0.7,", ",70,", "profile/variants.csv line 2, accuracy", "'70' should be less than or equal to 1"),
        (",0.7,", ",,", "profile/variants.csv line 2, accuracy", "'' should be a number"),
        ("accuracy,", "acc,", "profile/variants.csv", "missing column(s) accuracy"),
        ("detect,large", "detect,small", "profile/variants.csv line 3", "repeats detect / small of line 2"),
    ],
)
def test_cells_of_variants(tmp_path: Path, old: str, new: str, where: str, rule: str) -> None:
    found = problems(write(tmp_path, {}, variants=VARIANTS.replace(old, new, 1)))
    assert rule in found[where]


@pytest.mark.parametrize(
    ("old", "new", "where", "rule"),
    [
        ("small,cpu,1,1,0.01,", "small,cpu,1,1,0,", "measurements.csv line 2, latency_mean_s", "greater than 0"),
        ("small,cpu,1,1,0.01,", "small,cpu,1,1,nan,", "measurements.csv line 2, latency_mean_s", "finite number"),
        ("small,cpu,1,1,", "small,cpu,1,1.5,", "measurements.csv line 2, batch", "integer"),
        (
            "small,cpu,1,4,",
            "small,cpu,1,1,",
            "measurements.csv line 3",
            "repeats detect / small / cpu / 1 / 1 of line 2",
        ),
        (",0.012,", ",,", "measurements.csv", "latency_p99_s of detect/small on cpu, 1 cores, batch 1 is empty"),
    ],
)
def test_cells_of_measurements(tmp_path: Path, old: str, new: str, where: str, rule: str) -> None:
    found = problems(write(tmp_path, {}, measurements=MEASUREMENTS.replace(old, new, 1)))
    assert rule in found[f"profile/{where}"]


def test_a_variant_nobody_measured(tmp_path: Path) -> None:
    rows = "\n".join(line for line in MEASUREMENTS.splitlines() if ",large," not in line)
    found = problems(write(tmp_path, {}, measurements=rows))
    assert "nobody measured detect/large" in found["stages[0].variants"]
    assert "run `ipa profile`" in found["stages[0].variants"]


def test_a_missing_profile(tmp_path: Path) -> None:
    path = write(tmp_path, {"profiles": "nowhere"})
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [v.rule for v in caught.value.violations] == [
        f"{tmp_path}/nowhere/variants.csv is missing",
        f"{tmp_path}/nowhere/measurements.csv is missing",
    ]


def test_profiling_starts_without_measurements(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    (tmp_path / "profile" / "measurements.csv").unlink()
    assert load_config_unmeasured(path).pipeline.measurements == ()


def test_a_config_that_is_no_mapping_or_no_file(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1")
    assert "document" in problems(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


class TestPlanFiles:
    ROWS = (
        "[{stage: classify, variant: light, hardware: cpu, cores: 1, batch: 1, replicas: 2, accuracy: 0.8},"
        " {stage: detect, variant: small, hardware: cpu, cores: 1, batch: 4, replicas: 1}]"
    )

    @pytest.mark.parametrize("wrap", ["{}", "plan: {}", '{{"plan": {}}}'])
    def test_a_bare_list_or_an_object_in_any_order(self, tmp_path: Path, wrap: str) -> None:
        pipeline = load_config(write(tmp_path, {})).pipeline
        path = tmp_path / "plan"
        path.write_text(wrap.format(self.ROWS))
        assert read_plan(path, pipeline) == Plan(
            (Allocation("detect", "small", "cpu", 1, 4, 1), Allocation("classify", "light", "cpu", 1, 1, 2))
        )

    @pytest.mark.parametrize(
        ("old", "new", "rule"),
        [
            ("variant: light", "variant: dark", "plan[0].variant: 'dark' is not a variant of classify: one of light"),
            (
                "light, hardware: cpu",
                "light, hardware: gpu",
                "plan[0].hardware: 'gpu' is not hardware of classify: one of cpu",
            ),
            ("replicas: 2", "replicas: 0", "plan[0].replicas: 0 is not a whole number of at least 1"),
            ("stage: detect", "stage: classify", "plan[1].variant: 'small' is not a variant of classify"),
            ("stage: detect", "stage: x", "plan[1].stage: 'x' is not a stage: one of detect, classify"),
            ("batch: 4, ", "", "plan[1].batch: None is not a whole number"),
        ],
    )
    def test_broken_rows(self, tmp_path: Path, old: str, new: str, rule: str) -> None:
        pipeline = load_config(write(tmp_path, {})).pipeline
        path = tmp_path / "plan"
        path.write_text(self.ROWS.replace(old, new))
        with pytest.raises(ConfigError) as caught:
            read_plan(path, pipeline)
        assert rule in str(caught.value)

    def test_every_stage_once(self, tmp_path: Path) -> None:
        pipeline = load_config(write(tmp_path, {})).pipeline
        path = tmp_path / "plan"
        path.write_text("[]")
        with pytest.raises(ConfigError, match=r"no row for stage\(s\) detect, classify"):
            read_plan(path, pipeline)
