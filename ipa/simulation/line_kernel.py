"""One stage of a straight line, compiled by numba: who arrives goes in, who goes on to the next stage comes out.

In a straight line no stage can disturb one before it, so each is run by itself over a stretch of time, and what leaves
it is the next one's arrivals. That is twice as fast as going from stage to stage event by event (graph_kernel), and the
same to the last bit: completions, then arrivals by request, then timers.
"""

from __future__ import annotations

import numpy as np

from ipa.simulation.compiled import (
    DRAWS,
    FULL,
    LATE,
    NO_REPLICA,
    Floats,
    Ints,
    Records,
    compiled,
    entered,
    fields,
    uniform,
)

# A request at a stage; `gone`: it was dropped there, and only its entry is left.
VISIT = fields("number gone", "at_s received_s accuracy")
LOST = fields("number outcome", "at_s accuracy")
# Of a stage. `head`: the first visit that waits, `next`: the first that has not arrived; the rest as in records.STAGE.
LINE_STAGE = fields(
    "batch live readies busy_head busies head next waiting changed present working",
    "wait_s remaining_s wake_s present_s working_s",
)
LINE_SLOT = fields("kind retired first end", "")
LINE_BUSY = fields("slot", "done_s")


@entered
def enter(arrivals_s: Floats, first: int, visits: Records) -> None:
    """The arrivals, numbered from `first` on, as visits to the first stage."""
    for at in range(len(arrivals_s)):
        visit = visits[at]
        visit.at_s, visit.received_s, visit.accuracy = arrivals_s[at], arrivals_s[at], 1.0
        visit.number, visit.gone = first + at, 0


@compiled
def _smallest(visits: Records, first: int, end: int) -> int:
    """The smallest request number of a batch."""
    found = -1
    for at in range(first, end):
        visit = visits[at]
        if not visit.gone and (found < 0 or visit.number < found):
            found = visit.number
    return found


@compiled
def _lose(lost: Records, count: int, visit: Records, now_s: float, outcome: int) -> int:
    entry = lost[count]
    entry.at_s, entry.accuracy, entry.number, entry.outcome = now_s, visit.accuracy, visit.number, outcome
    visit.gone = 1
    return count + 1


@compiled
def _fill(
    stage: Records, visits: Records, lost: Records, losses: int, drop_after_s: float, now_s: float
) -> tuple[int, int, int]:
    """A batch from the queue's head: (how many, where it ends, losses); none if all were dropped or may wait for more.

    A request met on the way is dropped if age + remaining_s > drop_after_s.
    """
    size, leaves_s, at = 0, np.inf, stage.head
    while at < stage.next and size < stage.batch:
        visit = visits[at]
        at += 1
        if visit.gone:
            continue
        if now_s - visit.received_s + stage.remaining_s > drop_after_s:
            losses = _lose(lost, losses, visit, now_s, LATE)
            stage.waiting -= 1
            stage.present -= 1
            stage.present_s += now_s
            continue
        if stage.wait_s > 0:
            spare_s = drop_after_s - stage.remaining_s - (visit.at_s - visit.received_s)
            leaves_s = min(leaves_s, visit.at_s + min(stage.wait_s, max(0.0, spare_s / 2)))
        size += 1
    if stage.wait_s > 0 and 0 < size < stage.batch and leaves_s > now_s:
        stage.wake_s = leaves_s
        return 0, at, losses
    return size, at, losses


@compiled
def _service_s(service_s: Floats, kind: int, size: int, visits: Records, slot: Records, seed: int, at: int) -> float:
    levels = service_s.shape[1]
    if levels == 1:
        return service_s[kind, 0, size - 1]  # type: ignore[no-any-return]
    drawn = uniform(seed, DRAWS + at, _smallest(visits, slot.first, slot.end)) * (levels - 1)
    level = int(drawn)
    low_s = service_s[kind, level, size - 1]
    return low_s + (drawn - level) * (service_s[kind, level + 1, size - 1] - low_s)  # type: ignore[no-any-return]


@compiled
def _insert(stage: Records, busy: Records, slots: Records, visits: Records, slot_at: int, done_s: float) -> None:
    """Into the ring of those at work, sorted by when they are done and then by their smallest request."""
    last, slot = len(busy) - 1, slots[slot_at]
    i = stage.busy_head + stage.busies
    while i > stage.busy_head:
        before, after = busy[(i - 1) & last], busy[i & last]
        if before.done_s < done_s:
            break
        other = slots[before.slot]
        if before.done_s == done_s and (
            _smallest(visits, other.first, other.end) < _smallest(visits, slot.first, slot.end)
        ):
            break
        after.done_s, after.slot = before.done_s, before.slot
        i -= 1
    busy[i & last].done_s, busy[i & last].slot = done_s, slot_at
    stage.busies += 1


@compiled
def _go_on(visits: Records, slot: Records, accuracy: float, now_s: float, out: Records, count: int) -> int:
    """The batch of a replica leaves the stage, in the order of request numbers."""
    for at in range(slot.first, slot.end):
        visit = visits[at]
        if visit.gone:
            continue
        i = count
        while i > 0 and out[i - 1].at_s == now_s and out[i - 1].number > visit.number:
            out[i].received_s, out[i].accuracy, out[i].number = (
                out[i - 1].received_s,
                out[i - 1].accuracy,
                out[i - 1].number,
            )
            out[i].at_s = now_s
            i -= 1
        entry = out[i]
        entry.at_s, entry.received_s, entry.number = now_s, visit.received_s, visit.number
        entry.accuracy = visit.accuracy * accuracy
        out[count].gone = 0
        count += 1
    return count


@compiled
def _arrive(stage: Records, visit: Records, lost: Records, losses: int, queue_limit: int) -> int:
    """The next visit joins the queue, or is lost."""
    stage.next += 1
    if stage.live == 0 or stage.waiting >= queue_limit:
        return _lose(lost, losses, visit, visit.at_s, NO_REPLICA if stage.live == 0 else FULL)
    stage.waiting += 1
    return losses


@compiled
def _make_ready(stage: Records, ready: Ints, slot_at: int) -> None:
    i = stage.readies
    while i > 0 and ready[i - 1] < slot_at:
        ready[i] = ready[i - 1]
        i -= 1
    ready[i] = slot_at
    stage.readies += 1


@compiled
def _hand_out(
    stage: Records, slots: Records, ready: Ints, busy: Records, at: int, service_s: Floats, visits: Records,
    lost: Records, losses: int, drop_after_s: float, seed: int, now_s: float,
) -> tuple[int, int]:  # fmt: skip
    """Batches while a replica is ready and something may go to it: (how many, losses). With no replica all are lost."""
    handed = 0
    stage.wake_s = np.inf
    while stage.waiting > 0 and stage.readies > 0:
        first = stage.head
        size, end, losses = _fill(stage, visits, lost, losses, drop_after_s, now_s)
        if size == 0:
            break
        stage.readies -= 1
        slot_at = ready[stage.readies]
        slot = slots[slot_at]
        slot.first, slot.end = first, end
        stage.head = end
        stage.waiting -= size
        handed += 1
        done_s = now_s + _service_s(service_s, slot.kind, size, visits, slot, seed, at)
        _insert(stage, busy, slots, visits, slot_at, done_s)
    while stage.live == 0 and stage.waiting > 0:
        visit = visits[stage.head]
        stage.head += 1
        if not visit.gone:
            losses = _lose(lost, losses, visit, now_s, NO_REPLICA)
            stage.waiting -= 1
            stage.present -= 1
            stage.present_s += now_s
    return handed, losses


@entered
def serve(
    stages: Records, slots: Records, ready: Ints, busy: Records, at: int, service_s: Floats, accuracies: Floats,
    visits: Records, out: Records, lost: Records, rules: tuple[float, int, int], now_s: float, until_s: float,
) -> tuple[int, int]:  # fmt: skip
    """All at one stage before `until_s`, and the completions at it: how many went on (in `out`), how many were lost.

    `slots`, `ready` and `busy` are the stage's; `rules`: drop_after_s, queue_limit, seed. If the stage has changed it
    hands out batches at `now_s`, before anything else happens.
    """
    drop_after_s, queue_limit, seed = rules
    stage = stages[at]
    count, losses, last = 0, 0, len(busy) - 1
    present, present_s, working_s = 0, 0.0, 0.0  # what is added to the stage's at the end: its memory is slower
    touched = stage.changed != 0
    stage.changed = 0
    while True:
        if touched:
            handed, losses = _hand_out(
                stage, slots, ready, busy, at, service_s, visits, lost, losses, drop_after_s, seed, now_s
            )
            working_s -= handed * now_s
        done_s = busy[stage.busy_head & last].done_s if stage.busies > 0 else np.inf
        arrived_s = visits[stage.next].at_s if stage.next < len(visits) else np.inf
        if done_s < np.inf and done_s <= arrived_s and done_s <= stage.wake_s:
            if done_s > until_s:
                break
            now_s = done_s
            slot_at = busy[stage.busy_head & last].slot
            slot = slots[slot_at]
            stage.busy_head += 1
            stage.busies -= 1
            working_s += now_s
            before = count
            count = _go_on(visits, slot, accuracies[slot.kind], now_s, out, count)
            present -= count - before
            present_s += (count - before) * now_s
            if not slot.retired:
                _make_ready(stage, ready, slot_at)
            touched = stage.waiting > 0
        elif min(arrived_s, stage.wake_s) >= until_s:
            break
        elif arrived_s <= stage.wake_s:
            ends_s = min(done_s, until_s)  # all that come before it find no replica ready: one after the other joins
            while True:
                now_s, before = arrived_s, stage.waiting
                losses = _arrive(stage, visits[stage.next], lost, losses, queue_limit)
                joined = stage.waiting - before
                present += joined
                present_s -= joined * now_s
                touched = stage.readies > 0 and joined > 0
                if stage.readies > 0 or stage.next == len(visits) or visits[stage.next].at_s >= ends_s:
                    break
                arrived_s = visits[stage.next].at_s
        else:
            now_s, touched = stage.wake_s, True
    stage.working = stage.busies
    stage.working_s += working_s
    stage.present += present
    stage.present_s += present_s
    return count, losses
