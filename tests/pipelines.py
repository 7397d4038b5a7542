"""Pipelines for tests: a small one written out, and hypothesis strategies for random ones."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from ipa.domain import (
    Fixed,
    Hardware,
    LatencySettings,
    Limits,
    Measurement,
    Objective,
    Pipeline,
    Slo,
    Stage,
    Variant,
)


def measurement(
    stage: str,
    variant: str,
    batch: int,
    latency_s: float,
    *,
    cores: int = 1,
    hardware: str = "cpu",
    throughput_rps: float | None = None,
) -> Measurement:
    return Measurement(
        stage, variant, hardware, cores, batch, latency_s, latency_s, latency_s, latency_s, throughput_rps, 100, "test"
    )


def two_stages(limits: Limits = Limits(), slo_s: float = 0.5, objective: Objective = Objective(10.0)) -> Pipeline:  # noqa: B008
    """detect (small, large) → classify (light, heavy); batches 1 and 4; the heavy ones are slow and accurate."""
    latencies = {
        ("detect", "small"): {1: 0.010, 4: 0.032},
        ("detect", "large"): {1: 0.050, 4: 0.190},
        ("classify", "light"): {1: 0.005, 4: 0.008},
        ("classify", "heavy"): {1: 0.020, 4: 0.030},
    }
    rows = tuple(
        measurement(s, v, b, latency) for (s, v), by_batch in latencies.items() for b, latency in by_batch.items()
    )
    stages = (
        Stage("detect", (Variant("small", 0.70), Variant("large", 0.90)), ("cpu",)),
        Stage("classify", (Variant("light", 0.80), Variant("heavy", 0.95)), ("cpu",), after=("detect",)),
    )
    return Pipeline("toy", stages, Slo(slo_s, 2 * slo_s), objective, limits, LatencySettings(), {}, rows)


_ACCURACIES = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.floats(0.05, 1.0))
_LATENCIES = st.one_of(st.sampled_from([0.01, 0.1]), st.floats(0.002, 0.5))


@st.composite
def pipelines(draw: st.DrawFn, stages: int = 3) -> Pipeline:
    """Up to `stages` stages with up to 3 variants, on one or two kinds of hardware, in a random graph."""
    count = draw(st.integers(1, stages))
    batches = draw(st.sampled_from([(1,), (1, 2), (1, 2, 8), (4, 8)]))
    kinds = draw(st.sampled_from([("cpu",), ("cpu", "gpu")]))
    found, rows = [], []
    for i in range(count):
        variants = tuple(Variant(f"m{v}", draw(_ACCURACIES)) for v in range(draw(st.integers(1, 3))))
        for variant in variants:
            for kind in kinds:
                cores = draw(st.integers(1, 4))
                base, slope = draw(_LATENCIES), draw(st.floats(0.0, 1.0))
                rows += [
                    measurement(f"s{i}", variant.name, b, base * (1 + slope * (b - 1)), cores=cores, hardware=kind)
                    for b in batches
                ]
        earlier = [f"s{j}" for j in range(i)]
        after = tuple(draw(st.lists(st.sampled_from(earlier), unique=True))) if earlier else ()
        found.append(Stage(f"s{i}", variants, kinds, after, draw(st.sampled_from([1.0, 0.5, 2.0]))))
    score = draw(st.sampled_from(["product", "sum", "mean", "rank-sum", "rank-product"]))
    objective = Objective(
        draw(st.floats(0, 50)), draw(st.floats(0, 2)), 1e-6, score, draw(st.sampled_from(["cores", "money"]))
    )
    slo_s = draw(st.floats(0.01, 2.0))
    hardware = {
        "cpu": Hardware("cpu", price_per_core_hour=0.04, capacity=draw(st.none() | st.floats(1, 40))),
        "gpu": Hardware("gpu", price_per_hour=2.5, capacity=draw(st.none() | st.integers(1, 6))),
    }
    latency = LatencySettings(
        margin=draw(st.sampled_from([0.0, 0.3])), throughput_margin=draw(st.sampled_from([0.0, -0.5]))
    )
    return Pipeline(
        "random", tuple(found), Slo(slo_s, 2 * slo_s), objective, draw(limits()), latency, hardware, tuple(rows)
    )


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    return Limits(
        cores=draw(st.none() | st.integers(1, 60)),
        cost_per_hour=draw(st.none() | st.floats(0.1, 20)),
        accuracy=draw(st.none() | st.floats(0.0, 1.0)),
        score=draw(st.none() | st.floats(0.0, 2.0)),
        replicas=draw(st.none() | st.integers(1, 20)),
        utilisation=draw(st.sampled_from([1.0, 0.7])),
    )


@st.composite
def with_policy(draw: st.DrawFn, name: str) -> Pipeline:
    """As `pipelines`, with what the config fixes for one baseline: values of a measured row, a number of replicas."""
    pipeline = draw(pipelines())
    fixed = {}
    for stage in pipeline.stages:
        row = draw(st.sampled_from([m for m in pipeline.measurements if m.stage == stage.name]))
        mask = 0 if name == "rim" else draw(st.integers(0, 15))
        fixed[stage.name] = Fixed(
            variant=row.variant if mask & 1 else None,
            hardware=row.hardware if mask & 2 else None,
            cores=row.cores if mask & 4 else None,
            batch=row.batch if mask & 8 else None,
            replicas=draw(st.none() | st.integers(1, 20)),
        )
    return replace(pipeline, policies={name: fixed})


rates = st.one_of(st.sampled_from([0.0, 1.0, 10.0, 100.0]), st.floats(0.01, 300.0))


def random_chain(
    seed: int,
    stages: int,
    variants: int,
    *,
    score: str = "product",
    tightness: float = 1.0,
    limits: Limits = Limits(),  # noqa: B008
) -> Pipeline:
    """A larger chain, 7 batches a variant: the slower a variant the more accurate; `tightness` divides the SLO."""
    random = Random(seed)
    names = [f"s{i}" for i in range(stages)]
    found, rows, typical_s = [], [], 0.0
    for i, name in enumerate(names):
        base_s = [0.01 * 1.5**v * random.uniform(0.8, 1.25) for v in range(variants)]
        accuracies = sorted(random.uniform(0.5, 0.99) for _ in range(variants))
        found.append(
            Stage(
                name,
                tuple(Variant(f"m{v}", a) for v, a in enumerate(accuracies)),
                ("cpu",),
                after=tuple(names[max(0, i - 1) : i]),
            )
        )
        for v, latency_s in enumerate(base_s):
            fixed, cores = random.uniform(0.1, 0.9), random.choice((1, 2, 4))
            rows += [
                measurement(name, f"m{v}", b, latency_s * (fixed + (1 - fixed) * b), cores=cores)
                for b in (1, 2, 4, 8, 16, 32, 64)
            ]
        typical_s += base_s[variants // 2] * 4
    slo_s = typical_s / tightness
    objective = Objective(random.choice((20.0, 100.0, 400.0)), random.choice((0.2, 0.5, 1.0)), 1e-6, score)
    return Pipeline("chain", tuple(found), Slo(slo_s, 2 * slo_s), objective, limits, LatencySettings(), {}, tuple(rows))
