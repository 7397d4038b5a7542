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
                name = f"{stage.name}/{variant.name}"
                rule = (
                    f"base_cores {variant.base_cores} of {name} was never profiled in {profiles / 'measurements.csv'}"
                )
                known = ", ".join(map(str, profiled))
                yield Violation(str(profiles / "variants.csv"), f"{rule}: profiled are {known} core(s)")


def at_base_cores(
    pipeline: Pipeline, profile: Sequence[Measurement], threshold_rps: float
) -> tuple[Pipeline, tuple[str, ...], list[Violation]]:
    """The pipeline under the base allocation, a warning for each variant left out, and stages without any left."""
    try:
        based, left_out = with_base_allocation(pipeline, profile, threshold_rps)
    except UsageError as error:
        return pipeline, (), [Violation("latency.model", str(error))]
    problems = []
    for i, stage in enumerate(based.stages):
        if not stage.variants:
            why = "; ".join(f"{o.variant} on {o.hardware}: {o.reason}" for o in left_out if o.stage == stage.name)
            rule = f"the base allocation (threshold {threshold_rps:g}) leaves no variant of stage {stage.name!r}: {why}"
            problems.append(Violation(f"stages[{i}]", rule))
    return based, tuple(map(str, left_out)), problems
