from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ipa.adapters.serving.servable import check_servable
from ipa.domain import ClusterSettings, Config, RouterSettings, ServingSettings, When
from ipa.errors import ConfigError
from tests.adapters.serving import tiny


def _second_stage(config: Config, **changed: object) -> Config:
    first, second = config.pipeline.stages
    stages = (first, replace(second, **changed))  # type: ignore[arg-type]
    return replace(config, pipeline=replace(config.pipeline, stages=stages))


def test_the_tiny_pipeline_can_be_served(tmp_path: Path) -> None:
    check_servable(tiny.config(tmp_path), "tiny.yaml")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(
            lambda c: replace(c, serving=replace(c.serving, runtime="triton")),
            "serving.runtime: 'triton'",
            id="another runtime",
        ),
        pytest.param(
            lambda c: replace(c, serving=ServingSettings()),
            "serving.models: is missing",
            id="no models folder",
        ),
        pytest.param(
            lambda c: replace(c, cluster=ClusterSettings("kubernetes")), "cluster.kind: 'kubernetes'", id="cluster"
        ),
        pytest.param(lambda c: _second_stage(c, visits=0.5), "stages[1].visits: 0.5: every request", id="no branch"),
        pytest.param(
            lambda c: _second_stage(c, visits=2.0, when=When("y", 1)), "stages[1].visits: 2: a request", id="fan-out"
        ),
    ],
)
def test_what_is_not_built_is_refused_by_name(tmp_path: Path, change: Callable[[Config], Config], named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_servable(change(tiny.config(tmp_path)), "tiny.yaml")
    assert named in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: replace(c, router=RouterSettings(batching="full")), id="full batches"),
        pytest.param(lambda c: _second_stage(c, after=()), id="two sources"),
        pytest.param(lambda c: _second_stage(c, visits=0.5, when=When("y", 1)), id="a branch"),
    ],
)
def test_what_is_served(tmp_path: Path, change: Callable[[Config], Config]) -> None:
    check_servable(change(tiny.config(tmp_path)), "tiny.yaml")


def test_every_missing_model_file_is_named(tmp_path: Path) -> None:
    config = tiny.config(tmp_path)
    gone = [tmp_path / "models/scale/by3.onnx", tmp_path / "models/shift/plus1.onnx"]
    for path in gone:
        path.unlink()
    with pytest.raises(ConfigError) as refused:
        check_servable(config, "tiny.yaml")
    assert all(str(path) in str(refused.value) for path in gone)
