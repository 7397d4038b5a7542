"""The base allocation: each step of the rule on tables worked out by hand, and all of it against a restatement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.allocation import StageAllocation, base_allocation, with_base_allocation
from ipa.domain import LatencySettings, Measurement, Pipeline, Slo, Stage, Variant
from ipa.errors import UsageError
from ipa.options import price
from tests.pipelines import measurement

Curves = dict[tuple[str, int], dict[int, float]]
"""(variant, cores) → batch → latency in s, on cpu."""

# light needs 1 core. heavy carries 4/s at batch 1 from 2 cores on; its batch of 8 takes 1.6 s there and 0.7 s on 4.
TWO: Curves = {
    ("light", 1): {1: 0.1, 8: 0.4},
    ("light", 2): {1: 0.06, 8: 0.2},
    ("heavy", 1): {1: 0.4, 8: 3.2},
    ("heavy", 2): {1: 0.2, 8: 1.6},
    ("heavy", 4): {1: 0.1, 8: 0.7},
}


def rows(curves: Curves, hardware: str = "cpu") -> list[Measurement]:
    return [
        measurement("s", variant, batch, latency_s, cores=cores, hardware=hardware)
        for (variant, cores), by_batch in curves.items()
        for batch, latency_s in by_batch.items()
    ]


def stage_of(measurements: list[Measurement], **base_cores: int) -> Stage:
    names = dict.fromkeys(m.variant for m in measurements)
    variants = tuple(Variant(name, 0.5, base_cores=base_cores.get(name)) for name in names)
    return Stage("s", variants, tuple(dict.fromkeys(m.hardware for m in measurements)))


def allocated(
    measurements: list[Measurement],
    *,
    batches: tuple[int, ...] = (),
    threshold_rps: float = 4.0,
    latency: LatencySettings = LatencySettings(),  # noqa: B008
    **base_cores: int,
) -> StageAllocation:
    return base_allocation(stage_of(measurements, **base_cores), measurements, batches, latency, threshold_rps)


def on_cpu(found: StageAllocation) -> dict[str, int]:
    return {variant: cores for (variant, hardware), cores in found.cores.items() if hardware == "cpu"}


def reasons(found: StageAllocation) -> dict[str, str]:
    return {out.variant: out.reason for out in found.left_out}


def test_the_fewest_cores_that_carry_the_threshold_at_batch_one() -> None:
    curves = {("m", 1): {1: 0.5}, ("m", 2): {1: 0.25}, ("m", 4): {1: 0.125}}  # 2, 4 and 8 requests/s
    assert on_cpu(allocated(rows(curves), threshold_rps=4)) == {"m": 2}
    assert on_cpu(allocated(rows(curves), threshold_rps=4.01)) == {"m": 4}


def test_cores_are_raised_until_the_largest_batch_fits_the_stage() -> None:
    """SLA_stage = 5 × (0.1 + 0.2) / 2 = 0.75 s: heavy's batch of 8 takes 1.6 s on 2 cores, 0.7 s on 4."""
    assert on_cpu(allocated(rows(TWO))) == {"light": 1, "heavy": 4}


def test_a_variant_that_never_fits_is_left_out_but_counts_in_the_mean() -> None:
    """Without heavy's 0.2 s the stage could take 0.5 s only, and light's batch of 8 takes 0.6 s here."""
    curves = {key: curve for key, curve in TWO.items() if key != ("heavy", 4)} | {("light", 1): {1: 0.1, 8: 0.6}}
    found = allocated(rows(curves))
    assert on_cpu(found) == {"light": 1}
    assert reasons(found) == {
        "heavy": "a batch of 8 takes at least 1.6 s (2 core(s)), "
        "the stage may take 0.75 s (5 × its variants' mean latency at batch 1)"
    }


def test_a_variant_below_the_threshold_is_left_out_and_not_in_the_mean() -> None:
    """Its 1 s would allow light 5 × 0.55 s; alone light may take 5 × 0.1 s, so its batch of 8 has to fit 0.5 s."""
    curves = {("light", 1): {1: 0.1, 8: 0.6}, ("light", 2): {1: 0.06, 8: 0.4}, ("weak", 1): {1: 1.0}}
    found = allocated(rows(curves))
    assert on_cpu(found) == {"light": 2}
    assert reasons(found) == {
        "weak": "at batch 1 it carries at most 1 requests/s (1 core(s)), the threshold is 4",
    }


def test_listed_cores_stand_whatever_the_rule_says_and_count_in_the_mean() -> None:
    """heavy at 1 core carries 2.5/s; its 0.4 s makes the stage's SLA 5 × 0.25 = 1.25 s."""
    curves = {**TWO, ("light", 1): {1: 0.1, 8: 1.25}}
    assert on_cpu(allocated(rows(curves), heavy=1)) == {"light": 1, "heavy": 1}
    assert on_cpu(allocated(rows(TWO), heavy=2, light=2)) == {"light": 2, "heavy": 2}


def test_each_hardware_stands_on_its_own() -> None:
    """The fast GPU does not tighten what the CPU may take; listed cores nobody profiled there leave it to the rule."""
    gpu: Curves = {("light", 1): {1: 0.01, 8: 0.02}, ("heavy", 1): {1: 0.01, 8: 0.2}}
    both = rows(TWO) + rows(gpu, "gpu")
    found = allocated(both)
    assert found.cores == {("light", "cpu"): 1, ("heavy", "cpu"): 4, ("light", "gpu"): 1}
    assert [(out.variant, out.hardware) for out in found.left_out] == [("heavy", "gpu")]
    assert allocated(both, heavy=2).cores == {("light", "cpu"): 1, ("heavy", "cpu"): 2, ("light", "gpu"): 1}


def test_more_cores_that_carry_less_than_the_threshold_are_no_base() -> None:
    curves = {("m", 1): {1: 0.2, 8: 2.0}, ("m", 2): {1: 0.3, 8: 0.9}, ("m", 4): {1: 0.2, 8: 1.0}}
    assert on_cpu(allocated(rows(curves))) == {"m": 4}


def test_what_is_just_met_holds() -> None:
    curves = {("m", 1): {1: 0.25 + 1e-12, 8: 1.25 + 1e-11}}
    assert on_cpu(allocated(rows(curves), threshold_rps=4)) == {"m": 1}


def test_the_throughput_margin_moves_what_reaches_the_threshold() -> None:
    """At half of h heavy needs 4 cores, so the stage may take 5 × 0.1 s: less than heavy's 0.7 s for a batch of 8."""
    found = allocated(rows(TWO), latency=LatencySettings(throughput_margin=-0.5))
    assert on_cpu(found) == {"light": 1}
    assert "takes at least 0.7 s (4 core(s)), the stage may take 0.5 s" in reasons(found)["heavy"]


@pytest.mark.parametrize(("percentile", "factor", "heavy"), [("99", 2.0, 4), ("99", 2.2, 2), ("mean", 2.2, 4)])
def test_latencies_are_those_at_the_percentile(percentile: str, factor: float, heavy: int) -> None:
    """Only batch 1 has a p99 of `factor` × its mean: the SLA is 1.5 s at 2.0, 1.65 s at 2.2; heavy takes 1.6 s."""
    measured = [replace(m, latency_p99_s=factor * m.latency_mean_s) if m.batch == 1 else m for m in rows(TWO)]
    found = allocated(measured, latency=LatencySettings(percentile=percentile))
    assert on_cpu(found) == {"light": 1, "heavy": heavy}


def test_a_measured_throughput_decides_over_the_latency() -> None:
    slow = [measurement("s", "m", 1, 0.01, throughput_rps=3.0), measurement("s", "m", 1, 0.01, cores=2)]
    assert on_cpu(allocated(slow)) == {"m": 2}


def test_batch_one_is_judged_even_where_it_is_not_to_choose() -> None:
    curves = {**TWO, ("light", 1): {1: 0.1, 4: 0.2, 8: 9.0}, ("heavy", 2): {1: 0.2, 4: 0.75, 8: 1.6}}
    measured = rows(curves)
    assert on_cpu(allocated(measured, batches=(4,))) == {"light": 1, "heavy": 2}  # 8 is not to choose


def test_cores_without_a_batch_of_one_are_passed_over() -> None:
    curves = {("m", 1): {8: 0.1}, ("m", 2): {1: 0.1, 8: 0.4}, ("n", 1): {8: 0.1}}
    found = allocated(rows(curves))
    assert on_cpu(found) == {"m": 2}
    assert reasons(found) == {"n": "its profile has no batch of 1, which the threshold is about"}


def test_a_fitted_model_judges_batches_nobody_measured() -> None:
    """l(b) = 0.05·b + 0.05 on 1 core takes 0.85 s for 16, l(b) = 0.025·b + 0.025 on 2 takes 0.425 s; SLA 0.5 s."""
    curves = {("m", 1): {1: 0.1, 4: 0.25}, ("m", 2): {1: 0.05, 4: 0.125}}
    linear = LatencySettings(model="linear")
    assert on_cpu(allocated(rows(curves), latency=linear)) == {"m": 1}
    assert on_cpu(allocated(rows(curves), latency=linear, batches=(1, 16))) == {"m": 2}


def test_a_model_that_does_not_fit_is_an_error_that_says_where() -> None:
    with pytest.raises(UsageError, match=r"s/light on cpu with 1 core.*'quadratic' does not fit"):
        allocated(rows(TWO), latency=LatencySettings(model="quadratic"))


def pipeline_of(measurements: list[Measurement], **settings: object) -> Pipeline:
    return replace(
        Pipeline("p", (stage_of(measurements),), Slo(9.0, 18.0), measurements=tuple(measurements)),
        **settings,  # type: ignore[arg-type]
    )


def test_only_the_base_cores_are_options_and_a_variant_left_out_is_gone() -> None:
    measurements = rows({**TWO, ("weak", 1): {1: 1.0}})
    based, left_out = with_base_allocation(pipeline_of(measurements), measurements, 4.0)
    (stage,) = price(based, 10.0).stages
    assert stage.variants == ("light", "heavy")
    assert {(stage.allocation(k).variant, int(stage.cores[k])) for k in range(len(stage))} == {
        ("light", 1),
        ("heavy", 4),
    }
    assert [str(out) for out in left_out] == [
        "stage s: weak on cpu gets no base allocation: "
        "at batch 1 it carries at most 1 requests/s (1 core(s)), the threshold is 4"
    ]


def test_a_fit_at_the_base_cores_prices_every_batch() -> None:
    measurements = rows({("m", 1): {1: 0.1, 4: 0.25}, ("m", 2): {1: 0.05, 4: 0.125}})
    pipeline = pipeline_of(measurements, latency=LatencySettings(model="linear"), batches=(1, 2, 16))
    (stage,) = price(with_base_allocation(pipeline, measurements, 4.0)[0], 1.0).stages
    assert stage.cores.tolist() == [2, 2, 2]
    assert stage.batch.tolist() == [1, 2, 16]
    assert stage.latency_s == pytest.approx([0.05, 0.075, 0.425])


def restated(measurements: list[Measurement], threshold_rps: float) -> dict[tuple[str, str], int]:
    """The contract's four lines, word by word, for a table without margins or listed cores."""
    found = {}
    for hardware in {m.hardware for m in measurements}:
        here = {(m.variant, m.cores, m.batch): m.latency_mean_s for m in measurements if m.hardware == hardware}
        able = {(v, c) for v, c, b in here if b == 1 and 1 / here[v, c, 1] >= threshold_rps}
        fewest = {v: min(c for w, c in able if w == v) for v, _ in able}
        for variant in fewest:
            sla_s = 5 * sum(here[v, c, 1] for v, c in fewest.items()) / len(fewest)
            for cores in sorted(c for v, c in able if v == variant):
                if here[variant, cores, max(b for v, c, b in here if (v, c) == (variant, cores))] <= sla_s:
                    found[variant, hardware] = cores
                    break
    return found


@settings(max_examples=100, deadline=None)
@given(
    latencies=st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["cpu", "gpu"]), st.sampled_from([1, 2, 4, 8])),
        st.tuples(st.floats(0.01, 1.0), st.floats(1.0, 12.0)),
        min_size=1,
    ),
    threshold_rps=st.floats(0.5, 20.0),
)
def test_agrees_with_the_rule_restated(
    latencies: dict[tuple[str, str, int], tuple[float, float]], threshold_rps: float
) -> None:
    measurements = [
        measurement("s", variant, batch, one_s if batch == 1 else one_s * growth, cores=cores, hardware=hardware)
        for (variant, hardware, cores), (one_s, growth) in latencies.items()
        for batch in (1, 8)
    ]
    found = allocated(measurements, threshold_rps=threshold_rps)
    assert dict(found.cores) == restated(measurements, threshold_rps)
    every = {(m.variant, m.hardware) for m in measurements}
    assert {(out.variant, out.hardware) for out in found.left_out} == every - set(found.cores)
