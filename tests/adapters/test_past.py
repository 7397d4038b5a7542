from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.past import entries, plan_before, plans_that_ran
from ipa.domain import Allocation, Plan
from ipa.errors import UsageError
from ipa.ports import Outcome
from ipa.report.html.story import Decision


def plan(name: str) -> Plan:
    return Plan((Allocation("s", name, "cpu", 1, 1, 1),))


A, B, C = map(plan, "abc")


def applied(live: Plan | None, to: Plan, *, done: bool = True) -> Decision:
    return Decision(0.0, "why", live=live, apply=to, outcome=Outcome(done, 1.0))


def kept(live: Plan) -> Decision:
    return Decision(0.0, "kept", live=live)


@pytest.mark.parametrize(
    ("decisions", "live", "ran"),
    [
        pytest.param([], None, (), id="nothing"),
        pytest.param([], A, (A,), id="nothing recorded, and something runs"),
        pytest.param([applied(A, B), kept(B), applied(B, C)], C, (A, B, C), id="one after the other"),
        pytest.param([applied(None, A), applied(A, B)], B, (A, B), id="from nothing"),
        pytest.param([applied(A, B), applied(B, C, done=False), kept(B)], B, (A, B), id="one in vain"),
        pytest.param([applied(A, B)], C, (A, B, C), id="what somebody else applied since"),
        pytest.param([applied(A, B), applied(C, A)], A, (A, B, C, A), id="what somebody else applied between"),
    ],
)
def test_the_plans_that_ran(decisions: list[Decision], live: Plan | None, ran: tuple[Plan, ...]) -> None:
    assert plans_that_ran(decisions, live) == ran


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.data())
@settings(deadline=None, max_examples=80)
def test_the_way_back_undoes_so_many_changes(names: list[str], data: st.DataObject) -> None:
    ran = [plan(name) for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    decisions = [applied(before, after) for before, after in pairwise(ran)]
    back = data.draw(st.integers(0, len(ran) - 1))
    assert plan_before(decisions, ran[-1], back) == ran[-1 - back]
    assert [entry.back for entry in entries(decisions, ran[-1])] == list(range(len(ran) - 2, -1, -1))


@pytest.mark.parametrize(
    ("decisions", "live", "back", "said"),
    [
        ([], A, 1, "rollback 1: none is recorded, see ipa history"),
        ([], None, 1, "rollback 1: none is recorded"),
        ([applied(A, B)], B, 2, "rollback 2: one earlier plan is recorded"),
        ([applied(A, B), applied(B, C)], C, 9, "rollback 9: 2 earlier plans are recorded"),
    ],
)
def test_further_back_than_anybody_recorded(decisions: list[Decision], live: Plan, back: int, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan_before(decisions, live, back)
    assert str(refused.value).startswith(said)
