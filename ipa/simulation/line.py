"""A straight line, stage by stage: what leaves one stage within a stretch of time is what arrives at the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipa.simulation.compiled import FULL
from ipa.simulation.finished import Finished, Occupancy, no_ends, occupancy, part_of, put_in_order
from ipa.simulation.kinds import Kinds, staying
from ipa.simulation.line_kernel import LINE_BUSY, LINE_SLOT, LINE_STAGE, LOST, VISIT, enter, serve
from ipa.simulation.stations import Network, Station
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED

STRETCH = 1 << 15  # arrivals taken through all stages at a time: what they need stays in the processor's cache

Records = NDArray[Any]


class Line:
    """See engine.Engine."""

    def __init__(self, stations: Sequence[Station], network: Network, seed: int) -> None:
        count = len(stations)
        self.now_s = 0.0
        self._rules = (network.drop_after_s, network.queue_limit, seed)
        self._received = 0
        self._measured_s = 0.0
        self._kinds = Kinds()
        self._stages: Records = np.zeros(count, LINE_STAGE)
        self._stages["wake_s"] = np.inf
        self._slots: list[Records] = [np.zeros(0, LINE_SLOT)] * count
        self._ready: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * count
        self._busy: list[Records] = [np.zeros(1, LINE_BUSY)] * count
        # What each stage has to do still, in its inbox; the last one takes what leaves the line.
        self._inboxes: list[Records] = [np.zeros(0, VISIT)] * (count + 1)
        self._filled = [0] * (count + 1)
        self.change(dict(enumerate(stations)))

    def advance(self, arrivals_s: FloatArray, until_s: float) -> Finished:
        arrivals_s = np.ascontiguousarray(arrivals_s, dtype=np.float64)
        ended, count = no_ends(sum(self._filled) + len(arrivals_s)), 0
        for first, end, stretch_s in _stretches(arrivals_s, until_s):
            count = self._through(arrivals_s[first:end], stretch_s, ended, count)
            latest_s = [self.now_s, *arrivals_s[first:end][-1:].tolist(), *ended.at_s[:count][-1:].tolist()]
            self.now_s = stretch_s if isfinite(stretch_s) else max(latest_s)
        return part_of(ended, 0, count)

    def change(self, stations: Mapping[int, Station]) -> float:
        idle_s = [self._install(at, station) for at, station in stations.items()]
        return max(idle_s, default=self.now_s)

    def occupancy(self) -> tuple[Occupancy, ...]:
        means = occupancy(self._stages, self.now_s, self._measured_s)
        self._measured_s = self.now_s
        return means

    # --- running ------------------------------------------------------------------------------------------------

    def _through(self, arrivals_s: FloatArray, until_s: float, ended: Finished, first: int) -> int:
        """All stages, one after the other, up to `until_s`: each writes behind what the next one has to do still.

        What ends is put into `ended` from `first` on, in order; returns where it ends.
        """
        coming, count = len(arrivals_s), first
        enter(arrivals_s, self._received, self._room(0, coming))
        self._received += coming
        for at in range(len(self._stages)):
            visits = self._inboxes[at][: self._filled[at] + coming]
            out, lost = self._room(at + 1, len(visits)), np.empty(len(visits), LOST)
            coming, losses = serve(
                self._stages, self._slots[at], self._ready[at], self._busy[at], at,
                self._kinds.service_s, self._kinds.accuracy, visits, out, lost, self._rules, self.now_s, until_s,
            )  # fmt: skip
            self._keep(at, visits)
            _put(ended, count, lost[:losses], DROPPED, at, lost["outcome"][:losses] == FULL)
            count += losses
        is_dropped = count > first
        _put(ended, count, self._inboxes[-1][:coming], ANSWERED, -1, np.False_)
        count += coming
        if is_dropped:
            put_in_order(part_of(ended, first, count))
        return count

    def _room(self, at: int, more: int) -> Records:
        """Room for `more` visits in an inbox, grown if need be: new memory costs more than what is done with it."""
        filled, inbox = self._filled[at], self._inboxes[at]
        if len(inbox) < filled + more:
            self._inboxes[at] = np.empty(2 * (filled + more), VISIT)
            self._inboxes[at][:filled] = inbox[:filled]
        return self._inboxes[at][filled : filled + more]

    def _keep(self, at: int, visits: Records) -> None:
        """Only the visits that wait, have yet to arrive, or are in service."""
        stage, slots = self._stages[at], self._slots[at]
        first = min(int(stage["head"]), *(int(slots[slot]["first"]) for slot in self._at_work(at)), len(visits))
        self._filled[at] = len(visits) - first
        visits[: self._filled[at]] = visits[first:]
        stage["head"] -= first
        stage["next"] -= first
        slots["first"] -= first
        slots["end"] -= first

    def _at_work(self, at: int) -> list[int]:
        """The slots of the ring, the first to be done first."""
        head, busies = int(self._stages[at]["busy_head"]), int(self._stages[at]["busies"])
        ring = self._busy[at]
        return ring["slot"][np.arange(head, head + busies) % len(ring)].tolist()  # type: ignore[no-any-return]

    # --- changing -----------------------------------------------------------------------------------------------

    def _install(self, at: int, station: Station) -> float:
        """Lay out the slots of a stage anew; returns when the replicas that leave now are idle."""
        wanted = self._kinds.of(station)
        stage, old, ring = self._stages[at], self._slots[at], self._busy[at]
        live, head, at_work = int(stage["live"]), int(stage["busy_head"]), self._at_work(at)
        kept, _ = staying(old["kind"][:live].tolist(), wanted)
        before = [*kept, *(slot for slot in at_work if slot not in kept)]
        slots = np.zeros(len(before), LINE_SLOT)
        for new, earlier in enumerate(before):
            if earlier is not None:
                slots[new] = old[earlier]
        slots["kind"][: len(wanted)] = wanted
        slots["retired"][len(wanted) :] = 1
        now_at = {slot: new for new, slot in enumerate(before) if slot is not None}
        busy = np.zeros(1 << max(0, len(before) - 1).bit_length(), LINE_BUSY)
        idle_s = self.now_s
        for i, working in enumerate(at_work):
            done_s = float(ring[(head + i) % len(ring)]["done_s"])
            busy[i] = (now_at[working], done_s)
            if working < live and working not in kept:
                idle_s = max(idle_s, done_s)
        ready = [new for new in reversed(range(len(wanted))) if kept[new] is None or kept[new] not in at_work]
        self._slots[at], self._busy[at] = slots, busy
        self._ready[at] = np.zeros(len(before), np.int64)
        self._ready[at][: len(ready)] = ready
        stage["busy_head"], stage["live"], stage["readies"], stage["changed"] = 0, len(wanted), len(ready), 1
        stage["batch"], stage["wait_s"], stage["remaining_s"] = station.batch, station.wait_s, station.remaining_s
        return idle_s


def _stretches(arrivals_s: FloatArray, until_s: float) -> Iterator[tuple[int, int, float]]:
    """(first, end, until when): arrivals at one moment stay together."""
    first = 0
    while len(arrivals_s) - first > STRETCH:
        at_s = arrivals_s[first + STRETCH]
        end = int(np.searchsorted(arrivals_s, at_s, side="left"))
        if end == first:  # more than a stretch at one moment
            end = int(np.searchsorted(arrivals_s, at_s, side="right"))
        if end == len(arrivals_s):
            break
        yield first, end, float(arrivals_s[end])
        first = end
    yield first, len(arrivals_s), until_s


def _put(
    ended: Finished, first: int, records: Records, outcome: int, stage: int, full: NDArray[np.bool_] | np.bool_
) -> None:
    part = part_of(ended, first, first + len(records))
    part.request[:], part.at_s[:], part.accuracy[:] = records["number"], records["at_s"], records["accuracy"]
    part.outcome[:], part.stage[:], part.full[:] = outcome, stage, full
