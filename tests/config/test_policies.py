"""`policies` in a config: the three ways to fix something, and every way to fix what is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ipa.adapters.files import load_config, load_config_unmeasured
from ipa.domain import Fixed
from tests.config.test_config import MEASUREMENTS, problems, write


def test_a_variant_a_number_of_replicas_or_any_of_all(tmp_path: Path) -> None:
    whole = {"variant": "small", "hardware": "cpu", "cores": 1, "batch": 4, "replicas": 2}
    policies = {"fa2-low": {"detect": "small"}, "rim": {"detect": 3, "classify": 1}, "static": {"detect": whole}}
    assert load_config(write(tmp_path, {"policies": policies})).pipeline.policies == {
        "fa2-low": {"detect": Fixed(variant="small")},
        "rim": {"detect": Fixed(replicas=3), "classify": Fixed(replicas=1)},
        "static": {"detect": Fixed("small", "cpu", 1, 4, 2)},
    }


def told(path: Path) -> dict[str, str]:
    """The rules without the profile's file at their end."""
    return {where: rule.partition(f" ({path.parent}/profile/")[0] for where, rule in problems(path).items()}


SHAPE = "should be a variant, a number of replicas, or a mapping with any of variant, hardware, cores, batch, replicas"


@pytest.mark.parametrize(
    ("policies", "where", "rule"),
    [
        ({"rim": {"detect": 0}}, "policies.rim.detect.replicas", "0 should be greater than or equal to 1"),
        (
            {"rim": {"detect": 10**30}},
            "policies.rim.detect.replicas",
            f"{10**30} should be less than or equal to 1000000",
        ),
        ({"rim": {"detect": 2.5}}, "policies.rim.detect", f"2.5 {SHAPE}"),
        ({"rim": {"detect": True}}, "policies.rim.detect", f"True {SHAPE}"),
        ({"rim": {"detect": {}}}, "policies.rim.detect", f"{{}} {SHAPE}"),
        ({"rim": {"detect": {"core": 2}}}, "policies.rim.detect.core", "unknown key"),
        (
            {"fa3": {"detect": 3}},
            "policies.fa3",
            "'fa3' fixes nothing: only fa2-low, fa2-high, rim, static, inferline can",
        ),
        (
            {"auto": {"detect": 3}},
            "policies.auto",
            "'auto' fixes nothing: only fa2-low, fa2-high, rim, static, inferline can",
        ),
        ({"rim": {"segment": 3}}, "policies.rim.segment", "'segment' is not a stage: one of detect, classify"),
        (
            {"fa2-low": {"detect": "tiny"}},
            "policies.fa2-low.detect",
            "'tiny' is not a variant that stage 'detect' can use: one of small, large",
        ),
        (
            {"static": {"detect": {"hardware": "gpu"}}},
            "policies.static.detect",
            "hardware gpu is not profiled for detect: one of cpu",
        ),
        (
            {"static": {"detect": {"cores": 4}}},
            "policies.static.detect",
            "cores 4 is not profiled for detect: one of 1, 2",
        ),
        (
            {"inferline": {"detect": {"replicas": 2}}},
            "policies.inferline.detect",
            "replicas 2: the replicas are for the planner to choose",
        ),
        (
            {"static": {"detect": {"variant": "large", "cores": 1}}},
            "policies.static.detect",
            "cores 1 is not profiled for detect/large: one of 2",
        ),
        (
            {"static": {"detect": {"variant": "large", "cores": 2, "batch": 4}}},
            "policies.static.detect",
            "batch 4 is not profiled for detect/large, cores 2: one of 1",
        ),
    ],
)
def test_each_rule(tmp_path: Path, policies: dict[str, Any], where: str, rule: str) -> None:
    assert told(write(tmp_path, {"policies": policies})) == {where: rule}


def test_all_of_them_at_once_and_with_the_others(tmp_path: Path) -> None:
    policies = {"fa3": {}, "rim": {"segment": 3}, "static": {"detect": "tiny", "classify": {"batch": 64}}}
    found = problems(write(tmp_path, {"policies": policies, "forecast": {"predictor": "tea"}}))
    assert set(found) == {
        "forecast.predictor",
        "policies.fa3",
        "policies.rim.segment",
        "policies.static.detect",
        "policies.static.classify",
    }


def test_a_fitted_model_prices_the_listed_batches(tmp_path: Path) -> None:
    more = (
        MEASUREMENTS + "detect,large,cpu,2,4,0.2,0.2,0.2,0.2,,100,test\nclassify,light,cpu,1,4,0.2,0.2,0.2,0.2,,9,t\n"
    )
    changes = {"latency": {"model": "linear"}, "batches": [1, 16], "policies": {"static": {"detect": {"batch": 16}}}}
    load_config(write(tmp_path, changes, measurements=more))
    changes["policies"] = {"static": {"detect": {"batch": 4}}}
    found = told(write(tmp_path, changes, measurements=more))
    assert found == {"policies.static.detect": "batch 4 is not profiled for detect: one of 1, 16"}


def test_what_is_not_listed_cannot_be_fixed(tmp_path: Path) -> None:
    stages = [{"name": "detect", "variants": ["large"]}, {"name": "classify"}]
    found = told(write(tmp_path, {"stages": stages, "policies": {"fa2-low": {"detect": "small"}}}))
    assert found == {"policies.fa2-low.detect": "'small' is not a variant that stage 'detect' can use: one of large"}


def test_a_broken_profile_is_said_once(tmp_path: Path) -> None:
    rows = MEASUREMENTS.replace("detect,small,cpu,1,4,0.03", "detect,small,cpu,1,4,-1")
    found = problems(write(tmp_path, {"policies": {"static": {"detect": {"batch": 4}}}}, measurements=rows))
    assert list(found) == ["profile/measurements.csv line 3, latency_mean_s"]


def test_before_anything_is_profiled_only_names_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path, {"policies": {"static": {"detect": {"variant": "small", "cores": 64}}}})
    assert load_config_unmeasured(path).pipeline.policies["static"]["detect"].cores == 64
