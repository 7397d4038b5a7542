"""`allocation: {mode: base}` applied to a checked pipeline: what it leaves, what it warns of, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ipa.allocation import with_base_allocation
from ipa.domain import Measurement, Pipeline
from ipa.errors import UsageError, Violation


def base_cores_problems(pipeline: Pipeline, profiles: Path) -> Iterator[Violation]:
    """Listed base cores that nobody profiled on any hardware."""
    for stage in pipeline.stages:
        for variant in stage.variants:
            rows = [m for m in pipeline.measurements if (m.stage, m.variant) == (stage.name, variant.name)]
            profiled = sorted({m.cores for m in rows})
            if rows and variant.base_cores is not None and variant.base_cores not in profiled:
                rule = f"base_cores {variant.base_cores} of {stage.name}/{variant.name} was never profiled"
                known = f"{', '.join(map(str, profiled))} core(s) in {profiles / 'measurements.csv'}"
                yield Violation(str(profiles / "variants.csv"), f"{rule}: profiled are {known}")


def at_base_cores(
    pipeline: Pipeline, profile: Sequence[Measurement], threshold_rps: float, profiles: Path
) -> tuple[Pipeline, tuple[str, ...], list[Violation]]:
    """The pipeline under the base allocation, a warning for each variant left out, and stages without any left."""
    try:
        based, left_out = with_base_allocation(pipeline, profile, threshold_rps)
    except UsageError as error:
        return pipeline, (), [Violation("latency.model", f"{error} ({profiles / 'measurements.csv'})")]
    problems = []
    for i, stage in enumerate(based.stages):
        if not stage.variants:
            why = "; ".join(f"{o.variant} on {o.hardware}: {o.reason}" for o in left_out if o.stage == stage.name)
            rule = f"the base allocation (threshold {threshold_rps:g}) leaves no variant of stage {stage.name!r}: {why}"
            problems.append(Violation(f"stages[{i}]", f"{rule} ({profiles / 'measurements.csv'})"))
    return based, tuple(map(str, left_out)), problems
