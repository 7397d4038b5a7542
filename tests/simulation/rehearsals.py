"""Plans to hold the simulator against, as files: three of replicas that sleep, two of the digits models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.simulation.reality import Case

VARIANTS = "stage,variant,accuracy,metric,memory_mb,load_s,source\n"
MEASUREMENTS = (
    "stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,"
    "throughput_rps,requests,source\n"
)
# stage → seconds of a batch of 1, 2 and 4: long beside what the data plane itself takes, a few milliseconds a stage.
SECONDS: Mapping[str, tuple[float, float, float]] = {"find": (0.10, 0.14, 0.22), "name": (0.08, 0.11, 0.18)}


def rehearsals(folder: Path) -> list[Case]:
    """Batches of one; greedy batches; full batches with drops."""
    _write_profile(folder / "profile")
    greedy, full = "{batching: greedy}", "{batching: full, batch_wait: 100ms}"
    return [
        _case(folder, "single", greedy, "60s", {"find": (1, 4)}),
        _case(folder, "greedy", greedy, "60s", {"find": (4, 2), "name": (4, 2)}),
        # Bursts, and a request that is older than half a second is given up: some are dropped at any load.
        _case(folder, "full", full, "500ms", {"find": (4, 2), "name": (2, 2)}, "gamma:RATE:cv2xSECONDSs"),
    ]


def digits(folder: Path, config: Path) -> list[Case]:
    """Real models in batches of one: a slow detector, and one so fast that the router has most of the work."""
    cases = []
    for detect, classify in (("ens-xl", "lstm-l"), ("cnn-m", "lstm-m")):
        plan = folder / f"{detect}.json"
        plan.write_text(json.dumps([_row("detect", detect, 1, 1), _row("classify", classify, 1, 1)]))
        cases.append(Case(f"digits with {detect} and {classify}", config, plan))
    return cases


def _write_profile(folder: Path) -> None:
    folder.mkdir()
    variants = "".join(f"{stage},rest,0.9,share,,,estimated:test\n" for stage in SECONDS)
    (folder / "variants.csv").write_text(VARIANTS + variants)
    rows = [(stage, b, s) for stage, times in SECONDS.items() for b, s in zip((1, 2, 4), times, strict=True)]
    measurements = "".join(f"{stage},rest,cpu,1,{b},{s},{s},{s},{s},,,estimated:test\n" for stage, b, s in rows)
    (folder / "measurements.csv").write_text(MEASUREMENTS + measurements)


def _case(
    folder: Path,
    name: str,
    router: str,
    drop_after: str,
    plan: Mapping[str, tuple[int, int]],
    arrivals: str = "poisson:RATExSECONDSs",
) -> Case:
    """`plan`: stage → (batch, replicas)."""
    config, plan_file = folder / f"{name}.yaml", folder / f"{name}.json"
    config.write_text(
        f"name: {name}\nslo: {{latency: 60s, drop_after: {drop_after}}}\nprofiles: profile\n"
        f"stages: [{', '.join(f'{{name: {stage}}}' for stage in plan)}]\n"
        f"serving: {{runtime: sleep}}\nrouter: {router}\n"
    )
    rows = [_row(stage, "rest", batch, replicas) for stage, (batch, replicas) in plan.items()]
    plan_file.write_text(json.dumps(rows))
    return Case(name, config, plan_file, arrivals)


def _row(stage: str, variant: str, batch: int, replicas: int) -> dict[str, object]:
    return {"stage": stage, "variant": variant, "hardware": "cpu", "cores": 1, "batch": batch, "replicas": replicas}
