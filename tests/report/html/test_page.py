"""The text of the page: complete, self-contained, small, and safe whatever the names in it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.report_files import find, read_run
from ipa.domain import Allocation, Change, Plan
from ipa.ports import Outcome
from ipa.report.html.page import render
from ipa.report.html.story import Decision, Objective, PolicyRun, Run, Second, Summary
from tests.report.html.recordings import save_load, save_simulation

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7*7 }}"
VOID = {"meta", "input", "br", "img"}


class Page(HTMLParser):
    """Elements opened and closed in order, their attributes and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(path: Path) -> Run:
    return read_run(find(str(path)), None)


def turn(at_s: float, name: str = "m", **more: object) -> Decision:
    a = Allocation(name, name, name, 1, 1, 1)
    b = Allocation(name, name, name, 1, 2, 1)
    changed = Decision(
        at_s, name, 1.0, 2.0, Plan((a,)), Plan((b,)), 1.0, 0.5, 0.1, 2.0, Plan((b,)), (Change(name, a, b),)
    )
    return replace(changed, outcome=Outcome(True, 1.0, name), **more)  # type: ignore[arg-type]


def summary(sent: int) -> Summary:
    share = 1.0 if sent else None
    return Summary(sent, sent, 0, 0, share, None, None, None, None, None, None, reasons=((HOSTILE, 1),))


def hostile(name: str) -> Run:
    policies = tuple(
        PolicyRun(f"{name}{i}", 0, summary(1), (Second(0, 1, 1, 0, 0, 0),), (turn(0, name),)) for i in range(2)
    )
    return Run("simulation", name, name, Objective(1.0), policies, trace=name, duration_s=10.0, notes=(name,))


def test_names_are_text_and_never_markup() -> None:
    page = Page(render(hostile(HOSTILE)))
    harmless = Page(render(hostile("harmless")))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert page.count("script") == 2
    assert page.count("img") == 0
    assert HOSTILE in page.text
    assert "49" not in page.text.replace("4.9", "")


@settings(deadline=None, max_examples=15)
@given(st.text(max_size=30))
def test_any_name_leaves_the_page_whole(name: str) -> None:
    page = Page(render(hostile(name)))
    assert page.count("script") == 2
    assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render(read(save_simulation(tmp_path_factory.mktemp("sim"), ("auto", "fa2-low"), 120)))


def test_the_page_names_no_address_and_embeds_all_it_needs(simulation: str) -> None:
    assert "://" not in simulation
    assert "url(" not in simulation
    assert "@import" not in simulation
    page = Page(simulation)
    assert not any({"src", "href"} & set(attributes) for tag, attributes in page.tags if tag != "a")
    assert {attributes["href"] for tag, attributes in page.tags if tag == "a"} <= {"#decisions"}


def test_a_simulation_answers_the_questions_in_order(simulation: str) -> None:
    text = Page(simulation).text
    asked = [
        "auto missed the objective",
        "core-h",
        "Policies",
        "What changed, and why",
        "Load, requests/s",
        "Decisions",
    ]
    assert sorted(asked, key=text.index) == asked


def test_the_points_under_the_cursor_are_those_of_the_recording(tmp_path: Path) -> None:
    run = read(save_simulation(tmp_path / "sim", ("auto",), 60))
    text = render(run)
    found = re.search(r'<script type="application/json" id="points">(.*?)</script>', text)
    assert found is not None
    charts = json.loads(found[1])["charts"]
    arrivals = charts["load"]["curves"][0]
    assert arrivals["y"] == [float(second.sent) for second in run.policies[0].seconds]
    assert charts["latency"]["curves"][1]["y"] == pytest.approx(
        [second.p99_s for second in run.policies[0].seconds], rel=1e-3
    )


def test_a_journal_of_ten_thousand_turns_stays_small_and_says_what_it_hides() -> None:
    many = tuple(turn(10.0 * i) if i % 3 else Decision(10.0 * i, "the live plan is the best") for i in range(10_000))
    policies = (PolicyRun("adapt", 0, None, (), many),)
    text = render(Run("adapt journal", "digits", "j.jsonl", Objective(1.0), policies, duration_s=1e5))
    page = Page(text)
    assert len(text) < 300_000
    assert re.search(r"9,\d{3} turns of 10,000 not shown", page.text)
    assert page.count("tr") < 250


def test_a_policy_of_twenty_minutes_takes_little_space() -> None:
    seconds = tuple(
        Second(i, 20, 20, 0, 0, i % 7, 0.1234567, 0.3456789 + i / 1e4, 0.87654321, 12.0) for i in range(1200)
    )
    decisions = tuple(turn(10.0 * i) for i in range(120))
    policies = tuple(PolicyRun(f"policy-{i}", 0, summary(24_000), seconds, decisions) for i in range(6))
    text = render(Run("simulation", "video", "run", Objective(6.89), policies, duration_s=1200.0))
    assert len(text) < 1_000_000


@pytest.mark.parametrize("kind", ["simulation", "load test", "adapt journal"])
def test_a_run_of_which_nothing_is_known_is_still_a_page(kind: str) -> None:
    for totals in (summary(0), None):
        for decisions in ((), (Decision(0.0, "held: no answer"),)):
            policies = (PolicyRun("p", 0, totals, (), decisions),)
            Page(render(Run(kind, "n", "s", Objective(None), policies)))  # type: ignore[arg-type]


def test_a_load_without_an_objective_draws_no_line_for_it(tmp_path: Path) -> None:
    save_load(tmp_path)
    assert 'class="limit"' not in render(read(tmp_path))
    assert 'class="limit"' in render(replace(read(tmp_path), objective=Objective(0.25)))
