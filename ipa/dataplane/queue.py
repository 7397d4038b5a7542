"""The central queue of one stage: first in, first out; who is too old is dropped when a batch is taken. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """One request's place in a queue. Equal by identity: two requests are never the same place."""

    content: T
    rows: int
    kind: Hashable  # only requests of one kind share a batch; None shares with nobody
    received_s: float  # when the pipeline received it: its age counts from here, in every stage
    queued_s: float  # when it joined this queue


@dataclass(frozen=True, slots=True)
class Rule:
    """How a batch is taken: up to `batch` rows, after `wait_s` at the latest; a wait of 0 is the greedy rule.

    `remaining_s` is the work that a request has still before it, here and later.
    """

    batch: int
    wait_s: float
    remaining_s: float
    drop_after_s: float

    def is_too_late(self, waiting: Waiting[T], now_s: float) -> bool:
        return now_s - waiting.received_s + self.remaining_s > self.drop_after_s

    def leaves_s(self, waiting: Waiting[T]) -> float:
        """Until when it may wait for others. At most half the time it has to spare: waiting must not drop it."""
        spare_s = self.drop_after_s - self.remaining_s - (waiting.queued_s - waiting.received_s)
        return waiting.queued_s + min(self.wait_s, max(0.0, spare_s / 2))


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """What left the queue: `batch` goes to a replica, `dropped` can no longer be answered in time.

    `wait_until_s`: nothing was taken because a batch may still fill up until then.
    """

    batch: tuple[Waiting[T], ...]
    dropped: tuple[Waiting[T], ...]
    wait_until_s: float | None = None


def nobody(_: object) -> bool:
    return False


class StageQueue(Generic[T]):
    def __init__(self, limit: int) -> None:
        self._limit = limit
        # An ordered set: a client that leaves frees its place in O(1), wherever it stands.
        self._places: OrderedDict[Waiting[T], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def put(self, waiting: Waiting[T]) -> bool:
        """Join at the end; False if `limit` requests wait already."""
        if len(self._places) >= self._limit:
            return False
        self._places[waiting] = None
        return True

    def put_back(self, batch: Sequence[Waiting[T]]) -> None:
        """Return a batch to the head in its order, whatever the limit: it had been let in before."""
        for waiting in reversed(batch):
            self._places[waiting] = None
            self._places.move_to_end(waiting, last=False)

    def discard(self, waiting: Waiting[T]) -> None:
        """Free the place of a request that no longer waits; nothing if it has left."""
        self._places.pop(waiting, None)

    def clear(self) -> tuple[Waiting[T], ...]:
        """Take everyone out, oldest place first."""
        everyone = tuple(self._places)
        self._places.clear()
        return everyone

    def take(self, now_s: float, rule: Rule, barred: Callable[[T], bool] = nobody) -> Taken[T]:
        """The next batch: whole requests of one kind while Σ rows ≤ the batch; a larger request goes alone.

        A request met on the way is dropped if age + remaining_s > drop_after_s, before it costs any work. Who is
        `barred` (it may not go to the replica that asks) keeps its place.
        """
        batch: list[Waiting[T]] = []
        dropped: list[Waiting[T]] = []
        rows, is_full = 0, False
        for place in self._places:
            if barred(place.content):
                continue
            if rule.is_too_late(place, now_s):
                dropped.append(place)
                continue
            if batch and (place.kind != batch[0].kind or rows + place.rows > rule.batch):
                is_full = True  # first in, first out: nobody behind it may join either, so waiting is of no use
                break
            batch.append(place)
            rows += place.rows
            if place.kind is None or rows >= rule.batch:
                is_full = True
                break
        wait_until_s = None
        if rule.wait_s > 0 and batch and not is_full and (leaves_s := min(map(rule.leaves_s, batch))) > now_s:
            wait_until_s = leaves_s
            batch.clear()
        for place in (*dropped, *batch):
            del self._places[place]
        return Taken(tuple(batch), tuple(dropped), wait_until_s)
