"""What a run comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.domain import Allocation, Plan
from ipa.ports import Outcome
from ipa.report.html.charts import told
from ipa.report.html.story import Decision, Objective, PolicyRun, Run, Summary
from ipa.report.html.verdict import comparison, tone, verdict

GOOD = Summary(1000, 1000, 0, 0, 0.99, 0.1, 0.1, 0.2, 0.3, 0.8, 1.5, 0.06)
PLAN = Plan((Allocation("detect", "m", "cpu", 1, 1, 1),))
BAD = replace(GOOD, answered=900, dropped=100, slo_share=0.9)


def run(*policies: PolicyRun, kind: str = "simulation") -> Run:
    objective = Objective(0.25)
    return Run(kind, "digits", "run", objective, policies, duration_s=600.0)  # type: ignore[arg-type]


def policy(name: str, summary: Summary | None, seed: int = 0, decisions: tuple[Decision, ...] = ()) -> PolicyRun:
    return PolicyRun(name, seed, summary, (), decisions)


@pytest.mark.parametrize(
    ("summary", "percentile", "expected"),
    [
        (GOOD, 99.0, "held"),  # exactly as many as asked
        (GOOD, 99.1, "missed"),
        (BAD, 99.0, "missed"),
        (BAD, 50.0, "held"),
        (None, 99.0, "unknown"),
        (replace(GOOD, sent=0, slo_share=None), 99.0, "unknown"),
    ],
)
def test_an_objective_is_held_if_its_percentile_of_all_sent_was_in_time(
    summary: Summary | None, percentile: float, expected: str
) -> None:
    assert tone(summary, Objective(0.25, percentile)) == expected


def headline(story: Run) -> str:
    return verdict(story, told(story, 1)[0]).headline


def test_the_headline_says_who_held_what() -> None:
    assert headline(run(policy("auto", GOOD), policy("rim", BAD))) == (
        "auto held the objective: 99 % of 1,000 requests answered within 250 ms, 99 % asked"
    )
    assert headline(run(policy("load", BAD), kind="load test")).startswith("Objective missed: 90 % of 1,000")
    nothing = replace(GOOD, sent=0, answered=0, slo_share=None)
    assert headline(run(policy("load", nothing), kind="load test")) == "No request was sent"


def test_one_bad_seed_is_a_missed_objective() -> None:
    story = run(policy("auto", GOOD), policy("auto", BAD, seed=1))
    found = verdict(story, told(story, 1)[0])
    assert found.tone == "missed"
    assert found.headline.startswith("auto held the objective in 1 of 2 seeds. Seed 0: 99 % of 1,000 requests")
    compared = comparison(story)
    (row,) = compared.rows
    assert (row.tone, row.held) == ("missed", "held in 1 of 2")
    share = row.cells[compared.columns.index("in SLO")]
    assert (share.value, share.range) == ("94.50 %", "90 % – 99 %")


def test_a_journal_claims_nothing_about_latency_but_names_overload_and_failures() -> None:
    turns = (
        Decision(0, "overload: 90 requests/s forecast, at most 60 fit the limits", 80.0, 90.0),
        Decision(10, "better", apply=PLAN, outcome=Outcome(False, 1.0, "no room")),
        Decision(20, "better", apply=PLAN, outcome=Outcome(True, 1.0)),
        Decision(30, "better", apply=PLAN, outcome=Outcome(False, 0.0, "dry run")),
    )
    story = run(policy("adapt", None, decisions=turns), kind="adapt journal")
    found = verdict(story, told(story, 1)[0])
    assert found.headline == (
        "1 plan change in 4 turns over 10 min; 1 proposed only; overload in 1 turn; 1 change not applied"
    )
    assert found.tone == "missed"
    assert "in time" not in str(found.facts)
