"""What the evaluation runs is the config as the paper ran it, and the same for every system."""

from __future__ import annotations

from dataclasses import replace

import pytest
from paper_evaluation import ablation, comparison, preference
from paper_evaluation.cases import PIPELINES, PREDICTORS, SYSTEMS, Case, configured, read_config
from paper_evaluation.workloads import WORKLOADS

from ipa.domain import Config, Fixed
from ipa.forecast import PREDICTORS as KNOWN

# Copied by hand: α and β, then α at steady loads.
WEIGHTS = {"video": (2, 1, 2), "audio-qa": (20, 0.5, 10), "audio-sent": (30, 0.5, 30)}
WEIGHTS |= {"sum-qa": (10, 0.5, 10), "nlp": (100, 0.5, 40)}
FIXED = {
    "video": (["yolov5n", "resnet18"], ["yolov5s", "resnet101"], [3, 3]),
    "audio-qa": (["s2t-small", "xlm-roberta-base"], ["s2t-medium", "roberta-base"], [27, 6]),
    "audio-sent": (["s2t-small", "SentimentAnalysisDistillBERT"], ["s2t-medium", "distilbert-sst2"], [27, 5]),
    "sum-qa": (["xsum-1-1", "xlm-roberta-base"], ["xsum-12-6", "roberta-base"], [12, 8]),
    "nlp": (["li", "fr-en", "xsum-1-1"], ["li", "tc-big-fr-en", "xsum-12-6"], [6, 22, 12]),
}


def setting(case: Case) -> Config:
    return configured(read_config(case.pipeline), case)


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_system_has_the_papers_weights_and_the_same_config(pipeline: str, workload: str) -> None:
    alpha, beta, steady = WEIGHTS[pipeline]
    case = Case(pipeline, workload)
    weights = setting(case).pipeline.objective
    expected = steady if workload.startswith("steady") else alpha
    assert (weights.accuracy_weight, weights.cost_weight, weights.score) == (expected, beta, "product")
    assert len({repr(setting(replace(case, system=system))) for system in SYSTEMS}) == 1


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_baselines_fix_what_they_fixed_in_the_paper(pipeline: str) -> None:
    config = setting(Case(pipeline, "bursty")).pipeline
    stages = [stage.name for stage in config.stages]
    low, high, replicas = FIXED[pipeline]
    assert config.policies["fa2-low"] == {s: Fixed(variant=v) for s, v in zip(stages, low, strict=True)}
    assert config.policies["fa2-high"] == {s: Fixed(variant=v) for s, v in zip(stages, high, strict=True)}
    assert config.policies["rim"] == {s: Fixed(replicas=n) for s, n in zip(stages, replicas, strict=True)}


@pytest.mark.parametrize(("pipeline", "second"), [("audio-qa", "qa"), ("audio-sent", "sentiment")])
def test_rim_keeps_fewer_audio_replicas_at_a_steady_low_load(pipeline: str, second: str) -> None:
    rim = setting(Case(pipeline, "steady-low")).pipeline.policies["rim"]
    assert rim == {"audio": Fixed(replicas=20), second: Fixed(replicas=5)}
    assert setting(Case(pipeline, "steady-high")).pipeline.policies["rim"]["audio"] == Fixed(replicas=27)


def test_an_assumed_start_time_replaces_none_that_was_measured() -> None:
    config = read_config("video")
    first, *others = config.pipeline.stages
    measured = replace(first, variants=(replace(first.variants[0], load_s=3.0), *first.variants[1:]))
    known = replace(config, pipeline=replace(config.pipeline, stages=(measured, *others)))
    starts = {
        v.load_s for s in configured(known, Case("video", "bursty", start_s=10)).pipeline.stages for v in s.variants
    }
    assert starts == {3.0, 10.0}


def test_a_case_varies_predictor_score_and_weights() -> None:
    case = Case("video", "bursty", predictor="last", score="rank-product", accuracy_factor=4, cost_factor=0.5)
    found = setting(case)
    weights = found.pipeline.objective
    assert (found.forecast.predictor, weights.score) == ("last", "rank-product")
    assert (weights.accuracy_weight, weights.cost_weight) == (8, 0.5)


def test_the_papers_preferences_are_weights_of_their_own() -> None:
    found = [setting(case).pipeline.objective for case in preference.papers("nlp", "steady-low", 10)]
    assert [(each.accuracy_weight, each.cost_weight) for each in found] == [(100, 0), (20, 0.5), (0.125, 10)]


def test_the_ablation_has_every_predictor_there_is_and_the_oracle() -> None:
    assert set(PREDICTORS) == set(KNOWN)
    assert Case("video", "bursty", predictor="oracle").rival == "oracle"
    assert {case.predictor for case in ablation.cases(["video"], ["bursty"])} == set(PREDICTORS)


def test_the_comparison_is_every_system_on_every_pipeline_and_workload() -> None:
    cases = comparison.cases(PIPELINES, list(WORKLOADS), 10)
    assert len(set(cases)) == len(cases) == 5 * 4 * 4
