"""The event loop, compiled by numba: arrivals, completions and timers of all stages in the order of their time.

What happens at one moment happens in this order: completions (by the smallest request of the batch), arrivals (by
request), timers. A request that goes on to the next stage arrives there after all completions of that moment. Changes
come between completions and arrivals: `advance` stops there.

A request under way has a place in the arrays `Requests`; the place is used again once nothing refers to it, so memory
depends on how many are under way, never on how many there were. Arrays that run full are not grown here: `advance`
returns what ran out, before the event that needs it, and is called again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Records = Any  # a structured array: numba reads and writes its fields in place
F = TypeVar("F", bound=Callable[..., Any])

# Nothing is allocated here, so references need no counting (_nrt): with it a run takes 20 times as long.
OPTIONS: Any = {"cache": True, "_nrt": False, "error_model": "numpy"}

DONE, MORE_REQUESTS, MORE_QUEUE, MORE_PENDING = range(4)
ANSWERED, LATE, FULL, NO_REPLICA = range(4)
DRAWS = 1000  # the stream of a stage's service times; below it are the streams of the coins


def fields(integers: str, floats: str) -> np.dtype[Any]:
    return np.dtype(
        [*((name, np.int64) for name in integers.split()), *((name, np.float64) for name in floats.split())]
    )


# Of the run: the rules that hold throughout, and how full the arrays are. `waits`: whether any stage fills batches.
# `forks`: whether any two stages wait for the same one. Pending are those from `due` up to `pending`, at `pending_s`.
RUN = fields("queue_limit in_flight seed waits forks free due pending ended received", "drop_after_s pending_s")
# Of a stage. `parents`: a bit for each stage it waits for. `coin`, `coin_from`, `probability`: see stations.Network.
# `live`: replicas that take batches. `present`, `working`: requests in the stage, replicas at work; with _s = Σ ends −
# Σ starts, `_s + count × now` is the integral over time.
STAGE = fields(
    "parents coin batch live readies busy_head busies head tail waiting present working changed",
    "probability coin_from wait_s remaining_s wake_s present_s working_s",
)
# A slot of a stage is a replica; slots are in the order of preference. `turn`: which of its places is filled next.
SLOT = fields("kind load turn retired", "free_s")
# A batch in service; those of a stage are a ring, sorted. `place` = slot × in_flight + turn is where it is held.
BUSY = fields("slot place", "done_s")
WAITING = fields("request", "queued_s")
# A request under way; bit s of a mask is stage s. `over`: answered there, or skipped.
REQUEST = fields("number begun over ran queued references gone", "received_s accuracy")
PENDING = fields("request stage", "")
ENDED = np.dtype([("number", np.int64), ("at_s", float), ("accuracy", float), ("outcome", np.int8), ("stage", np.int8)])


class State(NamedTuple):
    run: Records  # (1,)
    stages: Records  # (stage,)
    slots: Records  # (stage, slot)
    ready: Ints  # (stage, ·): load · 2³² + slot of who may take a batch, descending: the first choice is last
    busy: Records  # (stage, ring)
    done_s: Floats  # (stage,): when its next batch is done; inf if none is in service
    held: Ints  # (stage, place, ·): how many requests, then which
    queue: Records  # (stage, ring)
    service_s: Floats  # (kind, level, batch − 1)
    accuracy: Floats  # (kind,)
    requests: Records  # (place,)
    free: Ints  # a stack of free places
    pending: Records  # in the order of their arrival
    ended: Records


def compiled(function: F) -> F:
    """All become one function: a call that hands on the state would cost more than most of what is done with it."""
    return cast(F, numba.njit(forceinline=True, **OPTIONS)(function))


@compiled
def uniform(seed: int, stream: int, number: int) -> float:
    """splitmix64 of (seed, stream, number) as a uniform number in [0, 1): no order of events can change it."""
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(stream + 1) * np.uint64(0xBF58476D1CE4E5B9)
    z += np.uint64(number + 1) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return float(z >> np.uint64(11)) * 2.0**-53


@compiled
def _smallest(state: State, stage: int, place: int) -> int:
    """The smallest request number in a batch."""
    first = state.requests[state.held[stage, place, 1]].number
    for member in range(2, state.held[stage, place, 0] + 1):
        first = min(first, state.requests[state.held[stage, place, member]].number)
    return first  # type: ignore[no-any-return]


@compiled
def _service_s(state: State, kind: int, stage: int, place: int) -> float:
    """How long a batch takes."""
    levels, size = state.service_s.shape[1], state.held[stage, place, 0]
    if levels == 1:
        return state.service_s[kind, 0, size - 1]  # type: ignore[no-any-return]
    at = uniform(state.run[0].seed, DRAWS + stage, _smallest(state, stage, place)) * (levels - 1)
    level = int(at)
    low_s = state.service_s[kind, level, size - 1]
    return low_s + (at - level) * (state.service_s[kind, level + 1, size - 1] - low_s)  # type: ignore[no-any-return]


# --- a request's way -------------------------------------------------------------------------------------------


@compiled
def _release(state: State, place: int) -> None:
    """One reference less; without any, the place is free for another request."""
    run, request = state.run[0], state.requests[place]
    request.references -= 1
    if request.references == 0:
        state.free[run.free] = place
        run.free += 1


@compiled
def _end(state: State, place: int, now_s: float, outcome: int, stage: int) -> None:
    run, request = state.run[0], state.requests[place]
    ended = state.ended[run.ended]
    ended.number, ended.outcome, ended.stage = request.number, outcome, stage
    ended.at_s, ended.accuracy = now_s, request.accuracy
    run.ended += 1


@compiled
def _leave_queue(state: State, place: int, stage: int, now_s: float) -> None:
    """Of those that wait there one less, and one less in the stage."""
    state.requests[place].queued &= ~(1 << stage)
    state.stages[stage].waiting -= 1
    state.stages[stage].present -= 1
    state.stages[stage].present_s += now_s


@compiled
def _refuse(state: State, place: int, now_s: float, outcome: int, stage: int) -> None:
    """It ends here and now, and its places in other queues are freed."""
    _end(state, place, now_s, outcome, stage)
    request = state.requests[place]
    request.gone = 1
    if state.run[0].forks:
        for other in range(len(state.stages)):
            if request.queued >> other & 1:
                _leave_queue(state, place, other, now_s)
    _release(state, place)


@compiled
def _is_taken(state: State, place: int, stage: int) -> bool:
    this, request = state.stages[stage], state.requests[place]
    if this.parents != 0 and this.parents & request.ran == 0:
        return False
    if this.probability >= 1.0:
        return True
    coin = uniform(state.run[0].seed, this.coin, request.number)
    return this.coin_from <= coin < this.coin_from + this.probability  # type: ignore[no-any-return]


@compiled
def _go_on(state: State, place: int, first: int, now_s: float) -> None:
    """Note the arrivals at all stages, from `first` on, that may start now; answered once every stage is over."""
    request = state.requests[place]
    for stage in range(first, len(state.stages)):
        if request.begun >> stage & 1 or state.stages[stage].parents & ~request.over:
            continue
        request.begun |= 1 << stage
        if _is_taken(state, place, stage):
            _note(state, place, stage)
        else:
            request.over |= 1 << stage
    if request.over == (1 << len(state.stages)) - 1:
        _end(state, place, now_s, ANSWERED, -1)


@compiled
def _note(state: State, place: int, stage: int) -> None:
    """One more pending arrival, behind those of smaller requests."""
    run, number = state.run[0], state.requests[place].number
    at = run.pending
    while at > run.due and state.requests[state.pending[at - 1].request].number > number:
        state.pending[at].request, state.pending[at].stage = state.pending[at - 1].request, state.pending[at - 1].stage
        at -= 1
    state.pending[at].request, state.pending[at].stage = place, stage
    state.requests[place].references += 1
    run.pending += 1


@compiled
def _receive(state: State, now_s: float) -> None:
    run = state.run[0]
    run.free -= 1
    place = state.free[run.free]
    request = state.requests[place]
    request.number = run.received
    request.received_s, request.accuracy = now_s, 1.0
    request.begun, request.over, request.ran, request.queued, request.gone = 0, 0, 0, 0, 0
    request.references = 1
    run.received += 1
    run.pending_s = now_s
    _go_on(state, place, 0, now_s)
    _release(state, place)


# --- one stage -------------------------------------------------------------------------------------------------


@compiled
def _arrive(state: State, now_s: float) -> int:
    """The first of those pending joins its queue: the stage, −1 if it does not."""
    run = state.run[0]
    place, at = state.pending[run.due].request, state.pending[run.due].stage
    run.due += 1
    if run.due == run.pending:
        run.due, run.pending = 0, 0
    request, stage = state.requests[place], state.stages[at]
    if request.gone:
        _release(state, place)
        return -1
    if stage.live == 0 or stage.waiting >= run.queue_limit:
        _refuse(state, place, now_s, NO_REPLICA if stage.live == 0 else FULL, at)
        return -1
    waiting = state.queue[at, stage.tail & (state.queue.shape[1] - 1)]
    waiting.request, waiting.queued_s = place, now_s
    stage.tail += 1
    stage.waiting += 1
    stage.present += 1
    stage.present_s -= now_s
    if run.forks:
        request.queued |= 1 << at
    return at  # type: ignore[no-any-return]


@compiled
def _fill(state: State, at: int, held: int, now_s: float) -> int:
    """Fill `held` from the queue's head: how many; 0 if all were dropped or may wait for more (then wake_s is set).

    A request met on the way is dropped if age + remaining_s > drop_after_s.
    """
    run, stage, last = state.run[0], state.stages[at], state.queue.shape[1] - 1
    size, leaves_s, head = 0, np.inf, stage.head
    while head < stage.tail and size < stage.batch:
        place, queued_s = state.queue[at, head & last].request, state.queue[at, head & last].queued_s
        request = state.requests[place]
        head += 1
        if request.gone:
            _release(state, place)
            continue
        if now_s - request.received_s + stage.remaining_s > run.drop_after_s:
            _leave_queue(state, place, at, now_s)
            _refuse(state, place, now_s, LATE, at)
            continue
        if stage.wait_s > 0:
            spare_s = run.drop_after_s - stage.remaining_s - (queued_s - request.received_s)
            leaves_s = min(leaves_s, queued_s + min(stage.wait_s, max(0.0, spare_s / 2)))
            # Should it have to wait: its place, moved up behind those kept before it.
            kept = state.queue[at, (stage.head + size) & last]
            kept.request, kept.queued_s = place, queued_s
        size += 1
        state.held[at, held, size] = place
    if stage.wait_s > 0 and 0 < size < stage.batch and leaves_s > now_s:
        stage.tail = stage.head + size
        stage.wake_s = leaves_s
        return 0
    stage.head = head
    stage.waiting -= size
    if run.forks:
        for member in range(1, size + 1):
            state.requests[state.held[at, held, member]].queued &= ~(1 << at)
    state.held[at, held, 0] = size
    return size


@compiled
def _make_ready(state: State, at: int, slot: int) -> None:
    stage, key = state.stages[at], state.slots[at, slot].load << 32 | slot
    i = stage.readies
    while i > 0 and state.ready[at, i - 1] < key:
        state.ready[at, i] = state.ready[at, i - 1]
        i -= 1
    state.ready[at, i] = key
    stage.readies += 1


@compiled
def _not_ready(state: State, at: int, slot: int) -> None:
    stage, key = state.stages[at], state.slots[at, slot].load << 32 | slot
    i = 0
    while state.ready[at, i] != key:
        i += 1
    stage.readies -= 1
    for later in range(i, stage.readies):
        state.ready[at, later] = state.ready[at, later + 1]


@compiled
def _serve(state: State, at: int, slot_at: int, place: int, now_s: float) -> None:
    """The batch held in `place` goes to its replica, which does one after the other."""
    stage, slot, last = state.stages[at], state.slots[at, slot_at], state.busy.shape[1] - 1
    begins_s = max(now_s, slot.free_s)
    done_s = begins_s + _service_s(state, slot.kind, at, place)
    slot.free_s = done_s
    if slot.load == 1:  # it holds this one alone: until it holds none it works without a pause
        stage.working += 1
        stage.working_s -= now_s
    i = stage.busy_head + stage.busies
    while i > stage.busy_head:
        before, after = state.busy[at, (i - 1) & last], state.busy[at, i & last]
        if before.done_s < done_s:
            break
        if before.done_s == done_s and _smallest(state, at, before.place) < _smallest(state, at, place):
            break
        after.done_s, after.slot, after.place = before.done_s, before.slot, before.place
        i -= 1
    busy = state.busy[at, i & last]
    busy.done_s, busy.slot, busy.place = done_s, slot_at, place
    stage.busies += 1
    state.done_s[at] = min(state.done_s[at], done_s)


@compiled
def _dispatch(state: State, at: int, now_s: float) -> None:
    """Hand out batches while a replica may take one and something may go to it; without any replica refuse all."""
    stage, in_flight = state.stages[at], state.run[0].in_flight
    stage.wake_s = np.inf
    while stage.waiting > 0 and stage.readies > 0:
        slot_at = state.ready[at, stage.readies - 1] & 0xFFFFFFFF
        slot = state.slots[at, slot_at]
        place = slot_at * in_flight + slot.turn
        if _fill(state, at, place, now_s) == 0:
            break
        stage.readies -= 1
        slot.load += 1
        slot.turn = 0 if slot.turn + 1 == in_flight else slot.turn + 1
        if slot.load < in_flight:
            _make_ready(state, at, slot_at)
        _serve(state, at, slot_at, place, now_s)
    if stage.live == 0:
        _clear(state, at, now_s)


@compiled
def _clear(state: State, at: int, now_s: float) -> None:
    stage = state.stages[at]
    while stage.head < stage.tail:
        place = state.queue[at, stage.head & (state.queue.shape[1] - 1)].request
        stage.head += 1
        if state.requests[place].gone:
            _release(state, place)
        else:
            _leave_queue(state, place, at, now_s)
            _refuse(state, place, now_s, NO_REPLICA, at)


@compiled
def _complete(state: State, at: int) -> None:
    """The first batch to be done at a stage."""
    stage, in_flight, last = state.stages[at], state.run[0].in_flight, state.busy.shape[1] - 1
    busy = state.busy[at, stage.busy_head & last]
    now_s, slot_at, held = busy.done_s, busy.slot, busy.place
    stage.busy_head += 1
    stage.busies -= 1
    state.done_s[at] = state.busy[at, stage.busy_head & last].done_s if stage.busies > 0 else np.inf
    slot = state.slots[at, slot_at]
    if not slot.retired and slot.load < in_flight:
        _not_ready(state, at, slot_at)
    slot.load -= 1
    if slot.load == 0:
        stage.working -= 1
        stage.working_s += now_s
    if not slot.retired:
        _make_ready(state, at, slot_at)
    size, accuracy = state.held[at, held, 0], state.accuracy[slot.kind]
    stage.present -= size
    stage.present_s += size * now_s
    for member in range(1, size + 1):
        place = state.held[at, held, member]
        request = state.requests[place]
        if not request.gone:
            request.accuracy *= accuracy
            request.over |= 1 << at
            request.ran |= 1 << at
            _go_on(state, place, at + 1, now_s)
        _release(state, place)
    state.run[0].pending_s = now_s


# --- the loop --------------------------------------------------------------------------------------------------


@compiled
def _lacks(state: State) -> int:
    """Which array might run full in the next event, DONE if none."""
    run = state.run[0]
    if run.free == 0:
        return MORE_REQUESTS
    if run.pending + len(state.stages) * state.held.shape[2] > len(state.pending):
        return MORE_PENDING
    if run.pending > 0:
        stage = state.stages[state.pending[run.due].stage]
        if stage.tail - stage.head == state.queue.shape[1]:
            return MORE_QUEUE
    return DONE


@compiled
def _soonest_s(state: State) -> float:
    """When the next batch is done. The comparisons here and below choose values, not ways: no way can be foreseen."""
    soonest_s = state.done_s[0]
    for at in range(1, len(state.done_s)):
        soonest_s = state.done_s[at] if state.done_s[at] < soonest_s else soonest_s
    return soonest_s  # type: ignore[no-any-return]


@compiled
def _first_done(state: State, soonest_s: float) -> int:
    """The stage whose batch is done then, of several that of the smallest request."""
    found, several = 0, 0
    for at in range(len(state.done_s)):
        found = at if state.done_s[at] == soonest_s else found
        several += state.done_s[at] == soonest_s
    if several > 1:
        last, first = state.busy.shape[1] - 1, -1
        for at in range(len(state.done_s)):
            if state.done_s[at] == soonest_s:
                number = _smallest(state, at, state.busy[at, state.stages[at].busy_head & last].place)
                found = at if first < 0 or number < first else found
                first = number if first < 0 or number < first else first
    return found


@compiled
def _first_woken(state: State) -> int:
    found = 0
    for at in range(1, len(state.stages)):
        if state.stages[at].wake_s < state.stages[found].wake_s:
            found = at
    return found


@compiled
def _first_changed(state: State) -> int:
    for at in range(len(state.stages)):
        if state.stages[at].changed:
            state.stages[at].changed = 0
            return at
    return -1


@compiled
def _may_arrive(state: State, now_s: float, until_s: float) -> bool:
    """Whether the first of those pending comes before anything else: no completion is due at the same moment."""
    run = state.run[0]
    if run.pending == 0 or run.pending_s != now_s or now_s >= until_s:
        return False
    return _soonest_s(state) > now_s and _lacks(state) == DONE


@numba.njit(**OPTIONS)  # type: ignore[untyped-decorator]
def advance(state: State, arrivals_s: Floats, first: int, now_s: float, until_s: float) -> tuple[int, int]:
    """All events before `until_s` and the completions at it: (what ran out, next of `arrivals_s`).

    Stages that changed hand out their batches at `now_s`, before anything else happens.
    """
    run = state.run[0]
    touched = _first_changed(state)
    changing = touched >= 0
    while True:
        while True:  # what follows at once: batches to hand out, arrivals at the next stages
            if touched >= 0:
                _dispatch(state, touched, now_s)
            if changing or not _may_arrive(state, now_s, until_s):
                break
            touched = _arrive(state, now_s)
        if changing:
            touched = _first_changed(state)
            changing = touched >= 0
            continue
        lacking = _lacks(state)
        if lacking != DONE:
            return lacking, first
        woken = _first_woken(state) if run.waits else 0
        done_s, woken_s = _soonest_s(state), state.stages[woken].wake_s
        received_s = arrivals_s[first] if first < len(arrivals_s) else np.inf
        arrived_s = run.pending_s if run.pending > 0 else received_s
        if done_s < np.inf and done_s <= min(arrived_s, woken_s):
            if done_s > until_s:
                return DONE, first
            touched, now_s = _first_done(state, done_s), done_s
            _complete(state, touched)
        elif min(arrived_s, woken_s) >= until_s:
            return DONE, first
        elif arrived_s > woken_s:
            touched, now_s = woken, woken_s
        elif run.pending > 0:
            touched, now_s = -1, arrived_s
        else:
            touched, now_s = -1, received_s
            first += 1
            _receive(state, received_s)
