"""The kernel's arrays: empty, larger, and with the replicas of a stage laid out anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipa.simulation.kernel import BUSY, ENDED, PENDING, REQUEST, RUN, SLOT, STAGE, WAITING, Ints, State
from ipa.simulation.stations import Network

FIRST_REQUESTS = 1024
FIRST_QUEUE = 256  # a power of two, as of every ring


def empty(network: Network, seed: int) -> State:
    """The stages of `network` without a replica, nobody under way."""
    count = len(network.after)
    run = np.zeros(1, RUN)
    run["drop_after_s"], run["queue_limit"], run["in_flight"] = (
        network.drop_after_s,
        network.queue_limit,
        network.in_flight,
    )
    run["seed"], run["free"] = seed, FIRST_REQUESTS
    before = [stage for after in network.after for stage in after]
    run["forks"] = len(before) > len(set(before)) or sum(not after for after in network.after) > 1
    stages = np.zeros(count, STAGE)
    stages["parents"] = [sum(1 << before for before in after) for after in network.after]
    stages["probability"] = network.probability
    coins = network.coins or tuple((at, 0.0) for at in range(count))
    stages["coin"], stages["coin_from"] = zip(*coins, strict=True)
    stages["wake_s"] = np.inf
    return State(
        run=run,
        stages=stages,
        slots=np.zeros((count, 0), SLOT),
        ready=np.zeros((count, 0), np.int64),
        busy=np.zeros((count, 1), BUSY),
        done_s=np.full(count, np.inf),
        held=np.zeros((count, 0, 1), np.int64),
        queue=np.zeros((count, FIRST_QUEUE), WAITING),
        service_s=np.zeros((0, 0, 0)),
        accuracy=np.zeros(0),
        requests=np.zeros(FIRST_REQUESTS, REQUEST),
        free=np.arange(FIRST_REQUESTS - 1, -1, -1),
        pending=np.zeros(count, PENDING),
        ended=np.empty(0, ENDED),
    )


# --- larger ----------------------------------------------------------------------------------------------------


def more_requests(state: State) -> State:
    """Twice the places."""
    places, had = len(state.requests), int(state.run[0]["free"])
    free = _padded(state.free, (2 * places,))
    free[had : had + places] = np.arange(2 * places - 1, places - 1, -1)
    state.run["free"] += places
    return state._replace(requests=_padded(state.requests, (2 * places,)), free=free)


def more_pending(state: State) -> State:
    at_once = len(state.stages) * state.held.shape[2]
    return state._replace(pending=_padded(state.pending, (2 * len(state.pending) + at_once,)))


def more_queue(state: State) -> State:
    """Twice the places in each queue."""
    stages = state.stages
    lengths = stages["tail"] - stages["head"]
    queue = _unrolled(state.queue, stages["head"], lengths, 2 * state.queue.shape[1])
    stages["head"], stages["tail"] = 0, lengths
    return state._replace(queue=queue)


def room_to_end(state: State, arrivals: int) -> State:
    """A new array for all that are under way or will arrive."""
    under_way = len(state.requests) - int(state.run[0]["free"])
    state.run["ended"] = 0
    return state._replace(ended=np.empty(under_way + arrivals, ENDED))


def widened(state: State, slots: int, batch: int) -> State:
    """Room for `slots` replicas a stage and for batches of `batch`; as it is if there is."""
    count, had = state.slots.shape
    slots, members = max(slots, had), max(batch + 1, state.held.shape[2])
    if slots == had and members == state.held.shape[2]:
        return state
    places = slots * int(state.run[0]["in_flight"])
    ring = 1 << max(0, places - 1).bit_length()
    state = state._replace(
        slots=_padded(state.slots, (count, slots)),
        ready=np.zeros((count, slots), np.int64),
        busy=_unrolled(state.busy, state.stages["busy_head"], state.stages["busies"], ring),
        held=_padded(state.held, (count, places, members)),
    )
    state.stages["busy_head"] = 0
    for stage in range(count):
        _rank(state, stage)
    return state


def _padded(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    wide = np.zeros(shape, dtype=array.dtype)
    wide[tuple(slice(0, size) for size in array.shape)] = array
    return wide


def _unrolled(ring: NDArray[Any], heads: Ints, lengths: Ints, size: int) -> NDArray[Any]:
    """Each row's ring, at least as large, beginning at 0."""
    wide = np.zeros((len(ring), max(size, ring.shape[1])), dtype=ring.dtype)
    for row, (head, length) in enumerate(zip(heads.tolist(), lengths.tolist(), strict=True)):
        wide[row, :length] = ring[row, np.arange(head, head + length) % ring.shape[1]]
    return wide


# --- one stage -------------------------------------------------------------------------------------------------


def lay_out(state: State, stage: int, wanted: Sequence[tuple[int, int | None]], retired: Sequence[int]) -> None:
    """The slots of `stage`: `wanted` are (kind, slot before, None if new); behind them those that only finish."""
    before = [*(slot for _, slot in wanted), *retired]
    slots = np.zeros(state.slots.shape[1], SLOT)
    for new, slot in enumerate(before):
        if slot is not None:
            slots[new] = state.slots[stage, slot]
    slots["kind"][: len(wanted)] = [kind for kind, _ in wanted]
    slots["retired"][len(wanted) :] = 1
    state.slots[stage] = slots
    state.stages[stage]["live"] = len(wanted)
    _move_places(state, stage, before)
    _rank(state, stage)


def _move_places(state: State, stage: int, before: Sequence[int | None]) -> None:
    """The batches held move with their replicas."""
    in_flight = int(state.run[0]["in_flight"])
    place = {
        slot * in_flight + turn: new * in_flight + turn
        for new, slot in enumerate(before)
        if slot is not None
        for turn in range(in_flight)
    }
    state.held[stage, list(place.values())] = state.held[stage, list(place)]
    head, busies = int(state.stages[stage]["busy_head"]), int(state.stages[stage]["busies"])
    for at in (np.arange(head, head + busies) % state.busy.shape[1]).tolist():
        busy = state.busy[stage, at]
        busy["place"] = place[int(busy["place"])]
        busy["slot"] = busy["place"] // in_flight


def _rank(state: State, stage: int) -> None:
    """Who may take a batch, the first choice last: by batches held, then by slot."""
    most = int(state.run[0]["in_flight"])
    loads = state.slots[stage]["load"][: int(state.stages[stage]["live"])].tolist()
    keys = sorted((load << 32 | slot for slot, load in enumerate(loads) if load < most), reverse=True)
    state.ready[stage, : len(keys)] = keys
    state.stages[stage]["readies"] = len(keys)
