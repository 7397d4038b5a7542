"""`policies`: what each baseline fixes must exist in the pipeline and its profile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ipa.domain import Fixed, Pipeline, Stage
from ipa.errors import Violation
from ipa.policy.fixed import FIXING


def policy_problems(pipeline: Pipeline, profiles: Path) -> Iterator[Violation]:
    """Unknown names, and anything fixed that nobody profiled (unless there are no measurements at all).

    What is about the profile names its file: the loader drops that where the file itself has broken rows.
    """
    stages = {stage.name: stage for stage in pipeline.stages}
    for policy, by_stage in pipeline.policies.items():
        if policy not in FIXING:
            yield Violation(f"policies.{policy}", f"{policy!r} fixes nothing: only {', '.join(FIXING)} can")
            continue
        for name, fixed in by_stage.items():
            where = f"policies.{policy}.{name}"
            if name in stages:
                yield from _fixed_problems(where, fixed, stages[name], pipeline, profiles)
            else:
                yield Violation(where, f"{name!r} is not a stage: one of {', '.join(stages)}")


def _fixed_problems(where: str, fixed: Fixed, stage: Stage, pipeline: Pipeline, profiles: Path) -> Iterator[Violation]:
    if fixed.replicas is not None and where.startswith("policies.inferline."):
        yield Violation(where, f"replicas {fixed.replicas}: the replicas are for the planner to choose")
    names = [variant.name for variant in stage.variants]
    if fixed.variant is not None and fixed.variant not in names:
        rule = f"{fixed.variant!r} is not a variant that stage {stage.name!r} can use: one of {', '.join(names)}"
        yield Violation(where, f"{rule} ({profiles / 'variants.csv'})")
    rows = [m for m in pipeline.measurements if m.stage == stage.name and fixed.variant in (None, m.variant)]
    priced = pipeline.batches if pipeline.latency.model != "table" else ()
    of = [f"{stage.name}/{fixed.variant}" if fixed.variant else stage.name]
    for key, value in (("hardware", fixed.hardware), ("cores", fixed.cores), ("batch", fixed.batch)):
        known = list(priced) if key == "batch" and priced else sorted({getattr(m, key) for m in rows})
        if value is None or not known:
            continue
        if value in known:
            rows = [m for m in rows if getattr(m, key) == value]
            of.append(f"{key} {value}")
        else:
            rule = f"{key} {value} is not profiled for {', '.join(of)}: one of {', '.join(map(str, known))}"
            yield Violation(where, f"{rule} ({profiles / 'measurements.csv'})")
