"""The claims are compared with what was found: checked on outcomes made by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from paper_evaluation import claims
from paper_evaluation.claims import Place
from paper_evaluation.runs import Course, Outcome
from paper_evaluation.tables import Column, Table, as_csv, as_markdown

from ipa.simulation.backtest import Row

ROW = Row("auto", 0, 100, 100, 0, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 0.0, 0, 0.0, 10.0)
NOTHING = Course(np.empty(0), np.empty(0), np.empty(0))


def found(accuracy: float, cores: float, missed: float = 0.0, dropped: float = 0.0) -> Outcome:
    return Outcome(ROW, missed, dropped, cores, accuracy, accuracy, NOTHING)


def place(name: str, **changed: Outcome) -> Place:
    outcomes = {field.name: found(0.5, 10) for field in fields(Place) if field.name != "name"}
    return Place(name, **(outcomes | changed))


def here(number: int, *places: Place) -> str:
    return claims.CLAIMS[number](places)[2]


def test_the_gain_is_the_largest_relative_one_with_its_own_cost() -> None:
    better = place("video bursty", auto=found(0.6, 11), low=found(0.5, 10))
    dearer = place("nlp bursty", auto=found(0.55, 30), low=found(0.5, 10))
    free = place("sum-qa bursty", auto=found(0.51, 10.05), low=found(0.5, 10))
    assert here(0, dearer, better, free) == (
        "up to +20.0% over FA2-low at +10.0% cost (video bursty); in 1 of 3 places more than 1 % better at equal cost"
    )


def test_cost_and_accuracy_between_the_two_fa2_are_counted_place_by_place() -> None:
    between = place("a", auto=found(0.5, 15), low=found(0.4, 10), high=found(0.6, 20))
    above = place("b", auto=found(0.7, 25), low=found(0.4, 10), high=found(0.6, 20))
    assert here(1, between, above) == "holds in 1 of 2 places; within 1% of FA2-low's in 0"
    assert here(2, between, above) == "holds in 1 of 2 places"


def test_rim_is_dearest_only_where_nobody_costs_more() -> None:
    dearest = place("a", rim=found(0.5, 30), high=found(0.5, 20))
    middle = place("b", rim=found(0.5, 15), high=found(0.5, 20))
    assert here(3, dearest, middle) == "costs more than IPA in 2 of 2 places, most of all in 1"


def test_both_rules_for_a_violation_stand_side_by_side() -> None:
    calm, busy = place("a"), place("b", auto=found(0.5, 10, missed=0.1, dropped=0.02))
    assert here(4, calm, busy) == (
        "1.00% by the reference's rule (drops), 5.00% with late answers counted; worst b: 2.00% and 10.00%"
    )


def test_predictors_are_compared_by_both_rules_and_with_what_the_paper_printed() -> None:
    outcomes = {"reactive": [found(0.5, 10, 0.2, 0.1)], "predicting": [found(0.5, 12, 0.1)], "knowing": [found(0.5, 9)]}
    claim, _, said, _ = claims.predictor(outcomes, "bursty")
    # 3,300, 1,311 and 666 of 5 × 14,437 requests
    assert "reactive 4.6%, LSTM 1.8%, baseline 0.9%" in claim
    assert said == (
        "bursty, dropped (late or dropped): last 10.00% (20.00%), ewma 0.00% (10.00%), oracle 0.00% (0.00%); "
        "ewma at 1.20 × the cores of last"
    )


def test_preferences_hold_where_each_step_is_less_accurate_and_cheaper() -> None:
    steps = [found(0.6, 30), found(0.5, 20), found(0.4, 10)]
    flat = [found(0.6, 30), found(0.4, 10), found(0.4, 10)]
    _, _, said, why = claims.preferences([steps, flat, flat], [steps, steps[::-1], steps])
    assert said.startswith("with its weights so in 1 of 3 pipelines;")
    assert why.endswith("it is so in 2")


def test_a_table_is_markdown_for_people_and_every_digit_for_programs() -> None:
    table = Table("t", "Title", (Column("system"), Column("missed", ".1%")), [("auto", 0.12345)], "A note.")
    assert as_csv(table) == "system,missed\nauto,0.12345\n"
    assert as_markdown(table) == "### Title\n\n| system | missed |\n| --- | ---: |\n| auto | 12.3% |\n\nA note.\n"
