"""The records that the event loop over all stages works on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ipa.simulation.compiled import Floats, Ints, Records, fields

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
