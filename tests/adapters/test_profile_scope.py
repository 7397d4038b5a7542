from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ipa.adapters.profile_scope import (
    Scope,
    check,
    jobs_of,
    machine,
    most_accurate,
    parse_sizes,
    stage_before,
    without,
)
from ipa.domain import Config, Pipeline, ServingSettings, Slo, Stage, Variant
from ipa.errors import UsageError

DETECT = Stage("detect", (Variant("small", 0.4), Variant("large", 0.6)), ())
CLASSIFY = Stage("classify", (Variant("tiny", 0.7),), (), after=("detect",))
VIDEO = Pipeline("video", (DETECT, CLASSIFY), Slo(1.0, 2.0))


def listed(pipeline: Pipeline, scope: Scope) -> list[tuple[str, str, int, tuple[int, ...]]]:
    return [(j.stage.name, j.variant.name, j.cores, j.batches) for j in jobs_of(pipeline, scope)]


def config(tmp_path: Path, *models: str) -> Config:
    for model in models:
        (tmp_path / model).parent.mkdir(exist_ok=True)
        (tmp_path / model).touch()
    return Config(VIDEO, tmp_path, ServingSettings(models=tmp_path))


def test_all_is_every_variant_and_core_count() -> None:
    assert listed(VIDEO, Scope(batches=(1, 2), cores=(1, 2))) == [
        ("detect", "small", 1, (1, 2)),
        ("detect", "small", 2, (1, 2)),
        ("detect", "large", 1, (1, 2)),
        ("detect", "large", 2, (1, 2)),
        ("classify", "tiny", 1, (1, 2)),
        ("classify", "tiny", 2, (1, 2)),
    ]


def test_batches_are_the_configs_else_powers_of_two() -> None:
    assert jobs_of(VIDEO, Scope())[0].batches == (1, 2, 4, 8, 16, 32, 64)
    assert jobs_of(replace(VIDEO, batches=(1, 3)), Scope())[0].batches == (1, 3)
    assert jobs_of(replace(VIDEO, batches=(1, 3)), Scope(batches=(5,)))[0].batches == (5,)


def test_stage_and_variant_narrow() -> None:
    assert listed(VIDEO, Scope(stage="classify", batches=(1,))) == [("classify", "tiny", 1, (1,))]
    assert listed(VIDEO, Scope(variant="large", batches=(1,))) == [("detect", "large", 1, (1,))]


@pytest.mark.parametrize(
    ("scope", "complaint"),
    [
        (Scope(stage="track"), "--stage track: video has no such stage, only detect, classify"),
        (Scope(variant="huge"), "--variant huge: no such variant, only small, large, tiny"),
        (Scope(stage="classify", variant="small"), "--variant small: no such variant, only tiny"),
    ],
)
def test_unknown_names_are_refused(scope: Scope, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        jobs_of(VIDEO, scope)


def test_points_that_are_present_are_left_out() -> None:
    jobs = jobs_of(VIDEO, Scope(stage="detect", batches=(1, 2)))
    present = {
        ("detect", "small", "cpu", 1, 1),
        ("detect", "large", "cpu", 1, 1),
        ("detect", "large", "cpu", 1, 2),
    }
    assert [(j.variant.name, j.batches) for j in without(jobs, present)] == [("small", (2,))]
    elsewhere = {("detect", "small", "gpu", 1, 1), ("detect", "small", "cpu", 2, 1)}
    assert without(jobs, elsewhere) == jobs


def test_a_later_stage_needs_the_most_accurate_model_before(tmp_path: Path) -> None:
    jobs = jobs_of(VIDEO, Scope(stage="classify"))
    check(config(tmp_path, "classify/tiny.onnx", "detect/large.onnx"), jobs)
    (tmp_path / "detect" / "large.onnx").unlink()
    with pytest.raises(UsageError, match=r"missing model file\(s\): .*detect/large\.onnx$"):
        check(config(tmp_path), jobs)


def test_missing_models_are_listed_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"small\.onnx, .*large\.onnx, .*tiny\.onnx"):
        check(config(tmp_path), jobs_of(VIDEO, Scope()))


def test_a_folder_of_models_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"serving\.models is not set"):
        check(Config(VIDEO, tmp_path), ())


def test_only_models_can_be_profiled(tmp_path: Path) -> None:
    rehearsal = replace(config(tmp_path, "detect/large.onnx"), serving=ServingSettings("sleep", tmp_path))
    with pytest.raises(UsageError, match=r"serving\.runtime sleep: only the models of onnx"):
        check(rehearsal, ())


def test_more_cores_than_there_are_cannot_be_measured(tmp_path: Path) -> None:
    jobs = jobs_of(VIDEO, Scope(variant="small", cores=((os.cpu_count() or 1) + 1,)))
    with pytest.raises(UsageError, match="this machine has"):
        check(config(tmp_path, "detect/small.onnx"), jobs)


def test_a_stage_that_runs_elsewhere_is_refused(tmp_path: Path) -> None:
    gpu = replace(VIDEO, stages=(replace(DETECT, hardware=("gpu",)),))
    with pytest.raises(UsageError, match="detect runs on gpu only"):
        check(config(tmp_path), jobs_of(gpu, Scope()))


def test_inputs_come_from_the_stage_before() -> None:
    assert stage_before(VIDEO, DETECT) is None
    assert stage_before(VIDEO, CLASSIFY) == DETECT
    assert most_accurate(DETECT).name == "large"
    with pytest.raises(UsageError, match="joins detect, classify"):
        stage_before(VIDEO, replace(CLASSIFY, after=("detect", "classify")))


def test_sizes_are_sorted_and_unique() -> None:
    assert parse_sizes("--batches", "4, 1,2,4") == (1, 2, 4)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-1", "1.5", "two"])
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--batches .*whole numbers of at least 1"):
        parse_sizes("--batches", text)


def test_the_machine_is_described_not_named() -> None:
    assert machine().startswith(f"{os.cpu_count()}core-")
    assert " " not in machine()
    assert os.uname().nodename not in machine()
