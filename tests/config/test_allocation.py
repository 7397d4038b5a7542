"""`allocation: {mode: base}` in a config: what is left, what is warned of, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipa.adapters.files import load_config, load_config_unmeasured
from tests.config.test_config import problems, write

BASE = {"allocation": {"mode": "base", "threshold": 4}}
VARIANTS = """\
stage,variant,accuracy,metric,memory_mb,load_s,source,base_cores
detect,small,0.7,top-1,10,1.5,test,
detect,large,0.9,top-1,,,test,
classify,light,0.8,top-1,10,1,test,2
"""
# large carries 2.5/s on 1 core, 5/s on 2, so the stage may take 5 × (0.1 + 0.2) / 2 = 0.75 s; light has its listed 2.
MEASUREMENTS = """\
stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,throughput_rps,requests,source
detect,small,cpu,1,1,0.1,0.1,0.1,0.1,,100,test
detect,small,cpu,2,1,0.06,0.06,0.06,0.06,,100,test
detect,large,cpu,1,1,0.4,0.4,0.4,0.4,,100,test
detect,large,cpu,2,1,0.2,0.2,0.2,0.2,,100,test
detect,large,cpu,2,4,0.6,0.6,0.6,0.6,,100,test
classify,light,cpu,1,1,0.05,0.05,0.05,0.05,,100,test
classify,light,cpu,2,1,0.03,0.03,0.03,0.03,,100,test
"""


def test_only_the_base_cores_are_left(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, BASE, variants=VARIANTS, measurements=MEASUREMENTS))
    assert [(m.variant, m.cores, m.batch) for m in config.pipeline.measurements] == [
        ("small", 1, 1),
        ("large", 2, 1),
        ("large", 2, 4),
        ("light", 2, 1),
    ]
    assert config.warnings == ()


def test_profiled_is_the_default_and_leaves_all(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {}, variants=VARIANTS, measurements=MEASUREMENTS))
    assert len(config.pipeline.measurements) == 7


def test_a_variant_left_out_is_a_warning(tmp_path: Path) -> None:
    rows = MEASUREMENTS.replace("large,cpu,2,4,0.6,0.6,0.6,0.6", "large,cpu,2,4,0.8,0.8,0.8,0.8")
    config = load_config(write(tmp_path, BASE, variants=VARIANTS, measurements=rows))
    assert [v.name for v in config.pipeline.stages[0].variants] == ["small"]
    assert config.warnings == (
        "stage detect: large on cpu gets no base allocation: a batch of 4 takes at least 0.8 s (2 core(s)), "
        "the stage may take 0.75 s (5 × its variants' mean latency at batch 1)",
    )


def test_a_stage_without_any_variant_left_is_refused(tmp_path: Path) -> None:
    high = {"allocation": {"mode": "base", "threshold": 20}}
    found = problems(write(tmp_path, high, variants=VARIANTS, measurements=MEASUREMENTS))
    assert found == {
        "stages[0]": "the base allocation (threshold 20) leaves no variant of stage 'detect': "
        "small on cpu: at batch 1 it carries at most 16.67 requests/s (2 core(s)), the threshold is 20; "
        "large on cpu: at batch 1 it carries at most 5 requests/s (2 core(s)), the threshold is 20 "
        f"({tmp_path}/profile/measurements.csv)"
    }


def test_base_cores_nobody_profiled_are_refused(tmp_path: Path) -> None:
    variants = VARIANTS.replace("test,2", "test,8").replace("0.7,top-1,10,1.5,test,", "0.7,top-1,10,1.5,test,3")
    with pytest.raises(Exception, match="2 problem") as caught:
        load_config(write(tmp_path, BASE, variants=variants, measurements=MEASUREMENTS))
    for name, cores in (("detect/small", 3), ("classify/light", 8)):
        rule = f"base_cores {cores} of {name} was never profiled: profiled are 1, 2 core(s) in "
        assert f"{tmp_path}/profile/variants.csv: {rule}{tmp_path}/profile/measurements.csv" in str(caught.value)


def test_base_cores_mean_nothing_under_profiled(tmp_path: Path) -> None:
    load_config(write(tmp_path, {}, variants=VARIANTS.replace("test,2", "test,8"), measurements=MEASUREMENTS))


def test_a_baseline_can_only_fix_what_is_left(tmp_path: Path) -> None:
    changes = {**BASE, "policies": {"static": {"detect": {"variant": "small", "cores": 2}}}}
    found = problems(write(tmp_path, changes, variants=VARIANTS, measurements=MEASUREMENTS))
    assert found["policies.static.detect"].startswith("cores 2 is not profiled for detect/small: one of 1 (")


def test_a_latency_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    changes = {**BASE, "latency": {"model": "linear"}}
    found = problems(write(tmp_path, changes, variants=VARIANTS, measurements=MEASUREMENTS))
    assert found["latency.model"].startswith("detect/small on cpu with 1 core(s): latency.model 'linear' does not fit")


def test_wrong_thresholds_and_modes(tmp_path: Path) -> None:
    changes = {"allocation": {"mode": "least", "threshold": 0}}
    assert problems(write(tmp_path, changes)) == {
        "allocation.mode": "'least' should be 'profiled' or 'base'",
        "allocation.threshold": "0 should be greater than 0",
    }


def test_profiling_starts_without_an_allocation(tmp_path: Path) -> None:
    assert load_config_unmeasured(write(tmp_path, BASE)).pipeline.measurements == ()


def test_a_broken_profile_is_said_once(tmp_path: Path) -> None:
    rows = MEASUREMENTS.replace("detect,small,cpu,1,1,0.1,", "detect,small,cpu,1,1,-1,")
    high = {"allocation": {"mode": "base", "threshold": 10}}
    found = problems(write(tmp_path, high, variants=VARIANTS, measurements=rows))
    assert list(found) == ["profile/measurements.csv line 2, latency_mean_s"]
