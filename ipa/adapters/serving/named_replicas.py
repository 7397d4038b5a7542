"""Servers that somebody else runs, as named on the command line → what the router is told of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ipa.adapters.serving.routing import p99_s
from ipa.dataplane.plan import PlanError, ReplicaSpec, RoutePlan, parse_plan
from ipa.diff import Step
from ipa.domain import Allocation, Pipeline, Stage
from ipa.errors import UsageError
from ipa.remaining import remaining_s


def named_plan(pipeline: Pipeline, replicas: Sequence[str], batches: Sequence[str]) -> RoutePlan:
    """`replicas`: STAGE=HOST:PORT[/MODEL], MODEL being STAGE by default; `batches`: STAGE=ROWS, 1 by default.

    Raises UsageError naming the argument and its rule.
    """
    specs = _specs(pipeline, replicas)
    batch_of = _batches(pipeline, batches)
    targets = {stage: _target(pipeline, stage, batch_of.get(stage, 1), of_stage) for stage, of_stage in specs.items()}
    left_s = remaining_s(pipeline, {stage: target.servers for stage, target in targets.items()})
    rows = [
        {
            "stage": stage,
            "batch": target.batch,
            "remaining_s": left_s[stage],
            "p99_s": p99_s(pipeline.measurements, target),
            "replicas": [asdict(spec) for spec in specs[stage]],
        }
        for stage, target in targets.items()
    ]
    try:
        return parse_plan(json.dumps({"stages": rows}).encode(), list(specs))
    except PlanError as error:
        raise UsageError(f"--replica: {error}") from error


def _specs(pipeline: Pipeline, replicas: Sequence[str]) -> dict[str, list[ReplicaSpec]]:
    found: dict[str, list[ReplicaSpec]] = {stage.name: [] for stage in pipeline.stages}
    for text in replicas:
        stage, server = _split("--replica", text, "STAGE=HOST:PORT[/MODEL]", pipeline)
        address, slash, model = server.partition("/")
        if slash and not model:
            raise UsageError(f"--replica {text}: the name of the model is missing behind the /")
        number = len(found[stage]) + 1
        model = model or stage
        found[stage].append(ReplicaSpec(f"{stage}-{number}", address, model, _variant(pipeline.stage(stage), model)))
    if lacking := [stage for stage, specs in found.items() if not specs]:
        raise UsageError(f"--replica {lacking[0]}=HOST:PORT is missing: every stage needs a server")
    return found


def _variant(stage: Stage, model: str) -> str:
    """What metrics call the replica: the variant of the model's name, else the only one there is, else the model."""
    names = [variant.name for variant in stage.variants]
    return names[0] if model not in names and len(names) == 1 else model


def _batches(pipeline: Pipeline, batches: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in batches:
        stage, rows = _split("--batch", text, "STAGE=ROWS", pipeline)
        if not (rows.isascii() and rows.isdecimal() and int(rows[:9]) > 0 and len(rows) <= 9):
            raise UsageError(f"--batch {text}: {rows!r} must be a whole number of rows, at least 1")
        if stage in found:
            raise UsageError(f"--batch {text}: {stage} has a batch already, {found[stage]}")
        found[stage] = int(rows)
    return found


def _split(option: str, text: str, form: str, pipeline: Pipeline) -> tuple[str, str]:
    stage, equals, value = text.partition("=")
    if not equals or not value:
        raise UsageError(f"{option} {text}: must be {form}")
    names = [each.name for each in pipeline.stages]
    if stage not in names:
        raise UsageError(f"{option} {text}: {stage!r} is not a stage: one of {', '.join(names)}")
    return stage, value


def _target(pipeline: Pipeline, stage: str, batch: int, specs: Sequence[ReplicaSpec]) -> Step:
    """The stage as if each of its variants ran on all the cores that it was measured on: an address does not tell.

    So the fastest of them says whether a request can still make it, the slowest when a replica hangs.
    """
    variants = dict.fromkeys(spec.variant for spec in specs)
    servers = [server for variant in variants for server in _measured(pipeline, stage, variant)]
    return Step(stage, batch, tuple(servers))


def _measured(pipeline: Pipeline, stage: str, variant: str) -> Sequence[Allocation]:
    rows = [row for row in pipeline.measurements if (row.stage, row.variant) == (stage, variant)]
    kinds: Mapping[tuple[str, int], None] = dict.fromkeys((row.hardware, row.cores) for row in rows)
    unknown = Allocation(stage, variant, "", 0, 1, 1)  # nobody measured it: 0 s remain, and it hangs as any other call
    return [Allocation(stage, variant, hardware, cores, 1, 1) for hardware, cores in kinds] or [unknown]
