"""Configs, profiles and plan files from disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from ipa.config import MeasurementRow, PipelineSpec, VariantRow, build, parse_rows, parse_yaml, validate
from ipa.domain import Allocation, Config, Pipeline, Plan
from ipa.errors import ConfigError, UsageError, Violation
from ipa.forecast import PREDICTORS

_VARIANT_KEY = ("stage", "variant")
_MEASUREMENT_KEY = ("stage", "variant", "hardware", "cores", "batch")


def read_text(path: Path) -> str:
    """The text of a file. Raises UsageError naming the file if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text") from error


def load_config(path: Path) -> Config:
    """A config with its whole profile. Raises ConfigError with all that is wrong, UsageError if it is no file."""
    return _load(path, lambda _: True)


def load_config_unmeasured(path: Path) -> Config:
    """A config whose measurements may be missing: enough for `ipa profile` and `ipa load`."""
    return _load(path, lambda _: False)


def load_config_as_measured(path: Path) -> Config:
    """A config with its measurements if there is a file of them: enough for `ipa router`."""
    return _load(path, Path.exists)


def _load(path: Path, is_measured: Callable[[Path], bool]) -> Config:
    """`is_measured` says of the file of measurements whether it is to be read."""
    spec = validate(parse_yaml(read_text(path), str(path)), str(path))
    profiles = path.parent / spec.profiles
    variants, problems = _rows(profiles / "variants.csv", VariantRow, _VARIANT_KEY)
    measurements: list[MeasurementRow] | None = None
    measured = profiles / "measurements.csv"
    if is_measured(measured):
        measurements, more = _rows(measured, MeasurementRow, _MEASUREMENT_KEY)
        problems += more
    # Rows with broken cells are left out: what then looks missing would only repeat their message.
    config, found = build(spec, variants, measurements, path.parent)
    config = replace(config, forecast=replace(config.forecast, model=_predictor_model(spec, path.parent, found)))
    about_rows = [v for v in found if str(profiles) in v.rule or str(profiles) in v.where]
    problems = [v for v in found if v not in about_rows] + (problems or about_rows)
    if problems:
        raise ConfigError(str(path), problems)
    return config


def _predictor_model(spec: PipelineSpec, folder: Path, problems: list[Violation]) -> bytes | None:
    """What a trained predictor was trained to: the config's file, else the one that comes with ipa."""
    entry = PREDICTORS.get(spec.forecast.predictor)
    if entry is None or entry.model is None:
        return None
    if spec.forecast.model is None:
        return (resources.files("ipa.forecast") / "models" / entry.model).read_bytes()
    path = folder / spec.forecast.model
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(Violation("forecast.model", f"{path} cannot be read: {error.strerror}"))
        return None


def _rows(path: Path, row_type: Any, key: tuple[str, ...]) -> tuple[list[Any], list[Violation]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], [Violation("profiles", f"{path} is missing")]
    except (OSError, UnicodeDecodeError) as error:
        return [], [Violation("profiles", f"{path} cannot be read: {error}")]
    return parse_rows(text, row_type, key, str(path))


def read_plan(path: Path, pipeline: Pipeline) -> Plan:
    """A plan file: an object with `plan`, or a bare list of rows. Raises ConfigError with every broken row."""
    document = parse_yaml(read_text(path), str(path))
    rows = document.get("plan") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ConfigError(str(path), [Violation("document", "a plan is a list of rows, or an object with `plan`")])
    return plan_of_rows(rows, pipeline, str(path))


def plan_of_rows(rows: list[Any], pipeline: Pipeline, source: str) -> Plan:
    """Plan rows as printed by `ipa solve`, checked against the pipeline: every stage once, known variants."""
    problems: list[Violation] = []
    allocations: dict[str, Allocation] = {}
    for i, row in enumerate(rows):
        allocation = _allocation(row, f"plan[{i}]", pipeline, problems)
        if allocation is None:
            continue
        if allocation.stage in allocations:
            problems.append(Violation(f"plan[{i}].stage", f"{allocation.stage!r} has a row already"))
        allocations[allocation.stage] = allocation
    missing = [stage.name for stage in pipeline.stages if stage.name not in allocations]
    if missing and not problems:
        problems.append(Violation("plan", f"no row for stage(s) {', '.join(missing)}"))
    if problems:
        raise ConfigError(source, problems)
    return Plan(tuple(allocations[stage.name] for stage in pipeline.stages))


def _allocation(row: Any, where: str, pipeline: Pipeline, problems: list[Violation]) -> Allocation | None:
    before = len(problems)
    if not isinstance(row, Mapping):
        problems.append(Violation(where, f"{row!r} is not an object"))
        return None
    for key in ("stage", "variant", "hardware"):
        if not isinstance(row.get(key), str):
            problems.append(Violation(f"{where}.{key}", f"{row.get(key)!r} is not a name"))
    for key in ("cores", "batch", "replicas"):
        value = row.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            problems.append(Violation(f"{where}.{key}", f"{value!r} is not a whole number of at least 1"))
    if len(problems) > before:
        return None
    stages = {stage.name: stage for stage in pipeline.stages}
    if row["stage"] not in stages:
        problems.append(Violation(f"{where}.stage", f"{row['stage']!r} is not a stage: one of {', '.join(stages)}"))
        return None
    stage = stages[row["stage"]]
    names = [variant.name for variant in stage.variants]
    if row["variant"] not in names:
        rule = f"{row['variant']!r} is not a variant of {stage.name}: one of {', '.join(names)}"
        problems.append(Violation(f"{where}.variant", rule))
    if row["hardware"] not in stage.hardware:
        rule = f"{row['hardware']!r} is not hardware of {stage.name}: one of {', '.join(stage.hardware)}"
        problems.append(Violation(f"{where}.hardware", rule))
    if len(problems) > before:
        return None
    return Allocation(*(row[k] for k in ("stage", "variant", "hardware", "cores", "batch", "replicas")))
