"""The estimated profile of InferLine's pipelines is what its script writes, and every config of it can be planned."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ipa.adapters.files import load_config
from ipa.options import price
from ipa.policy import policy_of

ROOT = Path(__file__).parent.parent
SHAPES = ("image", "video", "social", "cascade")


def test_the_script_writes_the_files_that_are_there(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("inferline_profiles", ROOT / "scripts" / "inferline_profiles.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.write(tmp_path)
    for name in ("variants.csv", "measurements.csv"):
        assert (tmp_path / name).read_text() == (ROOT / "profiles" / "inferline" / name).read_text()


def test_every_row_says_that_it_is_estimated() -> None:
    for name in ("variants.csv", "measurements.csv"):
        rows = (ROOT / "profiles" / "inferline" / name).read_text().splitlines()[1:]
        assert all("estimated:" in row for row in rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gets_a_plan_on_hardware_of_several_prices(shape: str) -> None:
    config = load_config(ROOT / "configs" / f"inferline-{shape}.yaml")
    assert set(config.pipeline.hardware) == {"cpu", "k80", "v100"}
    best = policy_of("inferline", config)(price(config.pipeline, 50.0)).evaluation
    assert best is not None and best.cost_per_hour > 0
