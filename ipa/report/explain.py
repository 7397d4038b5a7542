"""`ipa solve --explain`: what binds and what the next unit is worth, as a part of the document and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ipa.policy.explain import MORE_RATE, Alternative, Explanation, Worth
from ipa.report.amounts import amount, as_set, bound, difference, rate
from ipa.report.words import allocation_of, words

if TYPE_CHECKING:
    from rich.console import Console

NUMBERS = ("objective", "accuracy", "cost_cores", "cost_per_hour", "latency_s")


def document(explanation: Explanation) -> dict[str, Any]:
    """The value of `explain` in the document of `ipa solve`."""
    more = _alternative(explanation.rate)
    return {
        "objective": explanation.best.objective,
        "binding": [worth.limit.key for worth in explanation.limits if worth.binds],
        "limits": [_worth(worth) for worth in explanation.limits],
        "rate": {"rate_rps": more.pop("to"), **more},
        "largest_rate_rps": explanation.largest_rate_rps,
        "stopped_by": [limit.key for limit in explanation.stopped_by],
    }


def _worth(worth: Worth) -> dict[str, Any]:
    key = worth.limit.key
    numbers = {"value": worth.value, "bound": worth.limit.bound, "slack": worth.slack}
    return {
        "limit": key,
        **{name: as_set(key, number) for name, number in numbers.items()},
        "binds": worth.binds,
        "next": _moved(key, worth.next) if worth.next else None,
        "first_gain": _moved(key, worth.first) if worth.first else None,
    }


def _moved(key: str, found: Alternative) -> dict[str, Any]:
    return {**_alternative(found), "to": as_set(key, found.to)}


def _alternative(found: Alternative) -> dict[str, Any]:
    best = found.evaluation
    return {
        "to": found.to,
        "gain": found.gain,
        **{name: getattr(best, name) if best else None for name in NUMBERS},
        "plan": [asdict(allocation) for allocation in best.plan.allocations] if best else [],
    }


def table(solved: dict[str, Any], console: Console) -> None:
    """A row a limit, then sentences; `solved` is the document of a feasible `ipa solve` with its `explain`."""
    from rich.table import Table

    grid = Table(title="what the limits are worth", title_justify="left")
    for name in ("limit", "now", "bound", "binds", "next unit", "worth"):
        grid.add_column(name, justify="left" if name == "limit" else "right")
    grid.add_column("what would change")
    for row in solved["explain"]["limits"]:
        key, more = row["limit"], row["next"]
        grid.add_row(
            key,
            amount(key, row["value"]),
            bound(key, row["bound"]),
            "yes" if row["binds"] else "no",
            difference(key, more["to"] - row["bound"]) if more else "–",
            _gain(more["gain"]) if more else "–",
            _changes(solved, more) if more and more["gain"] else "–",
        )
    console.print(grid)
    for sentence in sentences(solved):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def sentences(solved: dict[str, Any]) -> list[str]:
    explained = solved["explain"]
    return [*_other_plan(solved), _binding(explained), *_first_gains(solved), *_load(solved), _largest(explained)]


def _other_plan(solved: dict[str, Any]) -> list[str]:
    """What is explained is the best plan, whatever the policy chose."""
    lost = solved["explain"]["objective"] - solved["objective"]
    if lost <= 1e-6 * max(1.0, abs(solved["objective"])):
        return []
    return [f"what is explained is the best plan: the one above has an objective {lost:.4g} lower"]


def _binding(explained: dict[str, Any]) -> str:
    if not explained["binding"]:
        return "no limit binds: without any one of them the best plan would be no better"
    return f"{_listed(explained['binding'])} bind{'s' * (len(explained['binding']) == 1)}"


def _first_gains(solved: dict[str, Any]) -> list[str]:
    """Where a limit binds though its next unit gains nothing."""
    found = []
    for row in solved["explain"]["limits"]:
        key, first, more = row["limit"], row["first_gain"], row["next"]
        if first is None or more is None or more["gain"]:
            continue
        step = difference(key, more["to"] - row["bound"])
        at = f"the first gain is at {amount(key, first['to'])}: {_gain(first['gain'])}"
        found.append(f"{key}: {step} gains nothing, {at} ({_changes(solved, first)})")
    return found


def _load(solved: dict[str, Any]) -> list[str]:
    more = solved["explain"]["rate"]
    if more["rate_rps"] == solved["rate_rps"]:
        return []
    load = f"{100 * (MORE_RATE - 1):.3g} % more load ({more['rate_rps']:.6g} requests/s)"
    if more["gain"] is None:
        return [f"{load} has no feasible plan within the limits"]
    if not more["gain"]:
        return [f"{load} costs nothing"]
    verb, size = ("costs", -more["gain"]) if more["gain"] < 0 else ("gains", more["gain"])
    return [f"{load} {verb} {size:.4g} of the objective ({_changes(solved, more)})"]


def _largest(explained: dict[str, Any]) -> str:
    largest = explained["largest_rate_rps"]
    if largest == float("inf"):
        return "no limit bounds the rate that can be served"
    said = f"the largest rate within the limits is {rate(largest)}"
    stopped = explained["stopped_by"]
    if not stopped:
        return f"{said}; no limit relaxed alone lets more through"
    return f"{said}; {'' if len(stopped) == 1 else 'each of '}{_listed(stopped)} alone would let more through"


def _gain(gain: float) -> str:
    return f"{gain:+.4g}" if gain else "nothing"


def _changes(solved: dict[str, Any], other: dict[str, Any]) -> str:
    """The stages that differ from the plan above, and the totals that move."""
    before = [allocation_of(row) for row in solved["plan"]]
    changed = [f"{a.stage}: {words(a)}" for a in map(allocation_of, other["plan"]) if a not in before]
    totals = [
        f"{name} {was} → {now}"
        for name, was, now in (
            ("accuracy", f"{solved['accuracy']:.4f}", f"{other['accuracy']:.4f}"),
            ("cores", f"{solved['cost_cores']:g}", f"{other['cost_cores']:g}"),
        )
        if was != now
    ]
    return "; ".join([*changed, *totals]) or "nothing"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
