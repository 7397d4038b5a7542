"""The engine driven through a world in steps, and what came out, by request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np

from ipa.simulation.engine import Engine, Finished
from ipa.simulation.stations import Network, Station
from tests.simulation.reference import ANSWERED, Ending, History


def endings(steps: Sequence[Finished]) -> tuple[Ending, ...]:
    """By request. Checks that each ended once, and that the order is that of the ends."""
    rows = [
        (int(request), Ending(int(outcome), float(at_s), float(accuracy), int(stage), bool(full)))
        for step in steps
        for request, at_s, outcome, accuracy, stage, full in zip(
            step.request, step.at_s, step.outcome, step.accuracy, step.stage, step.full, strict=True
        )
    ]
    ends_s = [ending.at_s for _, ending in rows]
    assert ends_s == sorted(ends_s)
    assert sorted(request for request, _ in rows) == list(range(len(rows))), "each request ends exactly once"
    return tuple(ending for _, ending in sorted(rows, key=lambda row: row[0]))


def in_steps(
    network: Network,
    stations: Sequence[Station],
    arrivals_s: Sequence[float],
    changes: Sequence[tuple[float, Mapping[int, Station]]],
    cuts_s: Sequence[float],
    seed: int = 0,
) -> History:
    """Advances to each of `cuts_s`, changes what is to be changed there, and drains."""
    engine = Engine(network, stations, seed)
    due = dict(changes)
    assert set(due) <= set(cuts_s)
    arrivals = np.array(arrivals_s, dtype=np.float64)
    steps, left_idle_s = [], []
    for cut_s in cuts_s:
        steps.append(engine.advance(arrivals[(arrivals >= engine.now_s) & (arrivals < cut_s)], cut_s))
        assert engine.now_s == cut_s
        if cut_s in due:
            left_idle_s.append(engine.change(due[cut_s]))
    steps.append(engine.advance(arrivals[arrivals >= engine.now_s], inf))
    return History(endings(steps), (), tuple(left_idle_s))


def outcomes(history: History) -> list[tuple[int, float, float, int, bool]]:
    """What two runs must agree on, bit for bit: the accuracy of answers, the stage of drops."""
    return [
        (each.outcome, each.at_s, each.accuracy if each.outcome == ANSWERED else 0.0, each.stage, each.full)
        for each in history.endings
    ]
