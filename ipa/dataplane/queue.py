"""The central queue of one stage: first in, first out; who is too old is dropped when a batch is taken. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[T]):
    """One request's place in a queue. Equal by identity: two requests are never the same place."""

    content: T
    rows: int
    kind: Hashable  # only requests of one kind share a batch
    received_s: float  # when the pipeline received it: its age counts from here, in every stage
    queued_s: float  # when it joined this queue


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """What left the queue: `batch` goes to a replica, `dropped` can no longer be answered in time."""

    batch: tuple[Waiting[T], ...]
    dropped: tuple[Waiting[T], ...]


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

    def take(self, now_s: float, batch: int, remaining_s: float, drop_after_s: float) -> Taken[T]:
        """The next batch: whole requests of one kind while Σ rows ≤ `batch`, always at least one if any is left.

        A request met on the way is dropped if age + remaining_s > drop_after_s, before it costs any work.
        """
        taken: list[Waiting[T]] = []
        dropped: list[Waiting[T]] = []
        rows = 0
        while self._places:
            head = next(iter(self._places))
            if now_s - head.received_s + remaining_s > drop_after_s:
                dropped.append(head)
            elif not taken or (head.kind == taken[0].kind and rows + head.rows <= batch):
                taken.append(head)
                rows += head.rows
            else:
                break
            del self._places[head]
        return Taken(tuple(taken), tuple(dropped))
