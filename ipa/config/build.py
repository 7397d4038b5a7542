"""A checked config and its profile → domain, with every cross-reference verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path

from ipa.config.allocation import at_base_cores, base_cores_problems
from ipa.config.policies import policy_problems
from ipa.config.profile import MeasurementRow, VariantRow
from ipa.config.schema import RUNTIMES, PipelineSpec, StageSpec
from ipa.config.world import cluster_settings, monitor_settings, world_problems
from ipa.domain import (
    Config,
    ControlSettings,
    Fixed,
    ForecastSettings,
    Hardware,
    LatencySettings,
    Limits,
    Measurement,
    Objective,
    Pipeline,
    RouterSettings,
    ServingSettings,
    Slo,
    Stage,
    Variant,
    When,
)
from ipa.errors import Violation
from ipa.forecast import PREDICTORS
from ipa.latency import MODELS


def build(
    spec: PipelineSpec,
    variants: Sequence[VariantRow],
    measurements: Sequence[MeasurementRow] | None,
    folder: Path,
) -> tuple[Config, list[Violation]]:
    """The config in the domain's terms, and all that is wrong with it (then the config must not be used).

    `measurements` None skips what only a measured profile can satisfy, for `ipa profile`. `folder` is where the
    config's relative paths start.
    """
    profiles = folder / spec.profiles
    used = [_used(stage, spec, variants, measurements) for stage in spec.stages]
    problems = [
        *_registry_problems(spec),
        *world_problems(spec),
        *_forecast_problems(spec),
        *_graph_problems(spec),
        *_variant_problems(spec, variants, profiles),
        *(_measurement_problems(spec, variants, used, profiles) if measurements is not None else ()),
    ]
    pipeline = _pipeline(spec, variants, used)
    warnings: tuple[str, ...] = ()
    if spec.allocation.mode == "base" and measurements is not None:
        problems += base_cores_problems(pipeline, profiles)
        if not problems:  # the rule reads prices, which only a right profile has
            profile = [_measurement(row) for row in measurements]
            pipeline, warnings, more = at_base_cores(pipeline, profile, spec.allocation.threshold, profiles)
            problems += more
    problems += policy_problems(pipeline, profiles)
    return _config(spec, pipeline, profiles, folder, warnings), problems


def _pipeline(spec: PipelineSpec, variants: Sequence[VariantRow], used: Sequence[Sequence[MeasurementRow]]) -> Pipeline:
    return Pipeline(
        name=spec.name,
        stages=tuple(_stage(spec, i, variants, used[i]) for i in range(len(spec.stages))),
        slo=Slo(spec.slo.latency, spec.slo.drop_after or 2 * spec.slo.latency, spec.slo.percentile),
        objective=Objective(
            spec.objective.accuracy,
            spec.objective.cost,
            spec.objective.batch,
            spec.objective.score,
            spec.objective.unit,
        ),
        limits=Limits(**spec.limits.model_dump()),
        latency=LatencySettings(
            spec.latency.model,
            str(spec.latency.percentile),
            spec.latency.margin,
            spec.latency.throughput_margin,
        ),
        hardware={name: Hardware(name, **h.model_dump()) for name, h in spec.hardware.items()},
        measurements=tuple(_measurement(row) for rows in used for row in rows),
        batches=tuple(sorted(set(spec.batches or ()))),
        policies={name: {s: Fixed(**f.model_dump()) for s, f in by.items()} for name, by in spec.policies.items()},
    )


def _config(spec: PipelineSpec, pipeline: Pipeline, profiles: Path, folder: Path, warnings: tuple[str, ...]) -> Config:
    return Config(
        pipeline=pipeline,
        profiles=profiles,
        serving=ServingSettings(spec.serving.runtime, folder / spec.serving.models if spec.serving.models else None),
        router=RouterSettings(
            spec.router.batching, spec.router.batch_wait, spec.router.queue_limit, spec.router.in_flight
        ),
        forecast=ForecastSettings(
            spec.forecast.predictor,
            spec.forecast.window,
            spec.forecast.horizon,
            spec.forecast.margin,
            spec.forecast.quantile,
        ),
        control=ControlSettings(
            spec.control.interval,
            spec.control.hold,
            spec.control.min_gain,
            spec.control.surge_cores,
            spec.control.certify,
            spec.control.tuner,
            spec.control.tuner_interval,
        ),
        monitor=monitor_settings(spec.monitor, folder),
        cluster=cluster_settings(spec.cluster, folder),
        payload=folder / spec.load.payload if spec.load.payload else None,
        warnings=warnings,
    )


def _stage(spec: PipelineSpec, index: int, variants: Sequence[VariantRow], used: Sequence[MeasurementRow]) -> Stage:
    stage = spec.stages[index]
    rows = {row.variant: row for row in variants if row.stage == stage.name}
    names = stage.variants or list(rows)
    return Stage(
        name=stage.name,
        variants=tuple(_variant(rows[name]) for name in names if name in rows),
        hardware=tuple(stage.hardware or dict.fromkeys(row.hardware for row in used)),
        after=_after(spec, index),
        visits=stage.visits,
        when=When(stage.when.output, stage.when.equals) if stage.when is not None else None,
    )


def _after(spec: PipelineSpec, index: int) -> tuple[str, ...]:
    """The stages it waits for: by default the one before."""
    after = spec.stages[index].after
    return tuple(after) if after is not None else tuple(stage.name for stage in spec.stages[max(0, index - 1) : index])


def _variant(row: VariantRow) -> Variant:
    return Variant(row.variant, row.accuracy, row.metric, row.memory_mb, row.load_s, row.source, row.base_cores)


def _measurement(row: MeasurementRow) -> Measurement:
    return Measurement(**{**row.model_dump(), "requests": None if row.requests is None else int(row.requests)})


def _used(
    stage: StageSpec,
    spec: PipelineSpec,
    variants: Sequence[VariantRow],
    measurements: Sequence[MeasurementRow] | None,
) -> list[MeasurementRow]:
    """The rows a stage may use: its variants, its hardware and, under the table model, the listed batches."""
    known = {row.variant for row in variants if row.stage == stage.name}
    names = set(stage.variants or known)
    batches = spec.batches if spec.latency.model == "table" else None
    return [
        row
        for row in measurements or ()
        if row.stage == stage.name
        and row.variant in names
        and (stage.hardware is None or row.hardware in stage.hardware)
        and (batches is None or row.batch in batches)
    ]


def _registry_problems(spec: PipelineSpec) -> Iterator[Violation]:
    for where, name, registry in (
        ("latency.model", spec.latency.model, MODELS),
        ("forecast.predictor", spec.forecast.predictor, PREDICTORS),
        ("serving.runtime", spec.serving.runtime, RUNTIMES),
    ):
        if name not in registry:
            yield Violation(where, f"{name!r} is not known: one of {', '.join(registry)}")


def _forecast_problems(spec: PipelineSpec) -> Iterator[Violation]:
    name, entry = spec.forecast.predictor, PREDICTORS.get(spec.forecast.predictor)
    if entry is None:
        return
    if spec.forecast.window < entry.history_s:
        rule = f"{name} needs at least {entry.history_s} s, this is {spec.forecast.window:g} s"
        yield Violation("forecast.window", rule)
    if spec.forecast.model is not None and entry.model is None:
        yield Violation("forecast.model", f"{name} is not trained: leave it out")


def _graph_problems(spec: PipelineSpec) -> Iterator[Violation]:
    names = [stage.name for stage in spec.stages]
    seen: set[str] = set()
    for i, stage in enumerate(spec.stages):
        if stage.name in seen:
            yield Violation(f"stages[{i}].name", f"{stage.name!r} is the name of an earlier stage too")
        yield from _branch_problems(spec, i)
        for name in stage.after or ():
            if name not in names:
                yield Violation(f"stages[{i}].after", f"{name!r} is not a stage: one of {', '.join(names)}")
            elif name not in seen:
                rule = "a stage may only come after stages listed before it, so that there is no cycle"
                yield Violation(f"stages[{i}].after", f"{name!r} is not listed before {stage.name!r}: {rule}")
            elif (stage.after or ()).count(name) > 1:
                yield Violation(f"stages[{i}].after", f"{name!r} is listed twice")
        seen.add(stage.name)


def _branch_problems(spec: PipelineSpec, i: int) -> Iterator[Violation]:
    stage = spec.stages[i]
    if stage.when is None:
        return
    before = _after(spec, i)
    if not before:
        yield Violation(f"stages[{i}].when", f"{stage.name!r} comes after no stage whose output could be tested")
    equals = stage.when.equals
    if not isinstance(equals, bool | int | float) or (isinstance(equals, float) and not isfinite(equals)):
        yield Violation(f"stages[{i}].when.equals", f"{equals!r} must be a number, true or false")
    visits = [other.visits for other in spec.stages if other.name in before]
    if visits and stage.visits > max(visits):
        rule = "a branch is taken with probability visits / visits of the stage before it"
        yield Violation(f"stages[{i}].visits", f"{stage.visits:g} is more than {max(visits):g}: {rule}")


def _variant_problems(spec: PipelineSpec, variants: Sequence[VariantRow], profiles: Path) -> Iterator[Violation]:
    file = profiles / "variants.csv"
    for i, stage in enumerate(spec.stages):
        known = [row.variant for row in variants if row.stage == stage.name]
        if not known:
            yield Violation(f"stages[{i}]", f"{file} has no variant of stage {stage.name!r}")
            continue
        for j, name in enumerate(stage.variants or ()):
            if name not in known:
                rule = f"{name!r} is not a variant of stage {stage.name!r} in {file}: one of {', '.join(known)}"
                yield Violation(f"stages[{i}].variants[{j}]", rule)
            elif name in (stage.variants or ())[:j]:
                yield Violation(f"stages[{i}].variants[{j}]", f"{name!r} is listed twice")


def _measurement_problems(
    spec: PipelineSpec,
    variants: Sequence[VariantRow],
    used: Sequence[Sequence[MeasurementRow]],
    profiles: Path,
) -> Iterator[Violation]:
    file = profiles / "measurements.csv"
    column = {"mean": "latency_mean_s"}.get(str(spec.latency.percentile), f"latency_p{spec.latency.percentile}_s")
    for i, (stage, rows) in enumerate(zip(spec.stages, used, strict=True)):
        measured = {row.variant for row in rows}
        hardware = f" on {', '.join(stage.hardware)}" if stage.hardware else ""
        batches = f" at a batch of {spec.batches}" if spec.batches and spec.latency.model == "table" else ""
        known = [row.variant for row in variants if row.stage == stage.name]
        for name in stage.variants or known:
            if name in known and name not in measured:
                rule = f"nobody measured {stage.name}/{name}{hardware}{batches} in {file}: run `ipa profile`"
                yield Violation(f"stages[{i}].variants", f"{rule}, or leave the variant out")
        for row in rows:
            if getattr(row, column) is None:
                cell = f"{row.stage}/{row.variant} on {row.hardware}, {row.cores} cores, batch {row.batch}"
                yield Violation(str(file), f"{column} of {cell} is empty and latency.percentile needs it")
