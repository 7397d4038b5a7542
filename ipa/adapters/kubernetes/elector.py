"""Holds a pipeline's Lease: a thread that renews it, and the guard that every write asks."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid4

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import Connection, Refused, Request
from ipa.adapters.kubernetes.lease import (
    JITTER,
    Election,
    Lease,
    Timing,
    lease_document,
    lease_from,
    observed,
    released,
    wanted,
    written,
)
from ipa.errors import IpaError, Unavailable

_log = logging.getLogger(__name__)

GROUP = "coordination.k8s.io/v1"


class NotLeading(Unavailable):
    """Somebody else controls the pipeline, or nobody knows: nothing may be written."""


def own_identity() -> str:
    """As client-go's controllers: the host's (in a cluster the pod's) name and what no other process has."""
    return f"{socket.gethostname()}_{os.getpid()}_{uuid4().hex[:8]}"


def steady_s() -> float:
    """A clock that only runs forward, and runs while the machine is suspended, when others take over."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True)
class Elector:
    """Candidate for one pipeline's Lease. `start` and `stop` the thread, or take and give it by hand with `attempt`."""

    connection: Connection
    pipeline: str
    identity: str = field(default_factory=own_identity)
    timing: Timing = field(default_factory=Timing)
    now_s: Callable[[], float] = steady_s
    wall_s: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    problem: str = ""
    _election: Election = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _ending: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)
    _final: Refused | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._election = Election(self.identity, self.timing)

    @property
    def holder(self) -> str:
        """Who held it when it was last seen; "" for nobody."""
        seen = self._election.seen
        return seen.holder if seen else ""

    @property
    def running(self) -> bool:
        """Whether the thread does."""
        return self._thread is not None

    def leads(self) -> bool:
        return self._election.may_act(self.now_s())

    def guard(self) -> None:
        """Raises NotLeading unless this process leads."""
        if self.leads():
            return
        if self.problem:
            raise NotLeading(f"not leading: {self.problem}")
        if self.holder and self.holder != self.identity:
            raise NotLeading(f"{self.holder} controls the pipeline")
        raise NotLeading(f"not leading: Lease {self._name} is not renewed")

    # --- one attempt --------------------------------------------------------------------------------------------

    def attempt(self) -> bool:
        """Renews or acquires the lease if it may; whether this process holds it. Raises Unavailable or Refused."""
        with self._lock:
            if self.leads() and self._taken():  # as client-go: a leader renews what it wrote, without reading it first
                return True
            self._election = observed(self._election, self._read(), self.now_s())
            return self._taken()

    def _taken(self) -> bool:
        lease = wanted(self._election, self.now_s(), self.wall_s())
        if lease is None:
            return False
        sent_s = self.now_s()
        accepted = self._write(lease)
        if accepted is None:
            return False
        self._election = written(self._election, accepted, sent_s)
        self.problem = ""
        return True

    def acquire(self, pause: Callable[[float], bool]) -> bool:
        """Tries for as long as a lease of somebody who has died may count; whether this process holds it then.

        Gives up at once where the holder is seen to renew it. Raises Unavailable or Refused.
        """
        until_s = self.now_s() + self.timing.duration_s + 2 * self.timing.retry_s
        first = None
        while not self.attempt():
            seen = self._election.seen
            alive = first is not None and seen is not None and not seen.same_as(first) and seen.holder == first.holder
            first = seen if first is None else first
            if alive or self.now_s() > until_s or not pause(self.timing.retry_s):
                return False
        return True

    def release(self) -> None:
        """Lets the next one lead at once; if the server does not answer, it has to wait for the lease to end."""
        with self._lock:
            lease = released(self._election, self.wall_s())
            self._election = replace(self._election, held_from_s=float("-inf"))
            if lease is None:
                return
            try:
                self._write(lease)
            except IpaError as error:
                _log.warning("%s: the lease is not released: %s", self.pipeline, error)

    # --- the thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Makes a first attempt, then goes on in the background. Raises Refused if it is not allowed to."""
        self._try()
        if self._final is not None:
            raise self._final
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name=f"lease {self.pipeline}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, then gives the lease back."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.release()

    def _run(self) -> None:
        while not self._ending.wait(self._delay_s()):
            self._try()

    def _delay_s(self) -> float:
        """A leader renews at every retry period; the others are spread, so that they do not all come at once."""
        retry_s = self.timing.retry_s
        return retry_s if self.leads() else retry_s * (1 + JITTER * self.jitter())

    def _try(self) -> None:
        try:
            self.attempt()
        except Refused as error:
            self.problem, self._final = str(error), error
            _log.warning("%s: %s", self.pipeline, error)
        except Unavailable as error:
            self.problem = str(error)
            _log.warning("%s: %s", self.pipeline, error)

    # --- the object -------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return names.controller(self.pipeline)

    def _read(self) -> Lease | None:
        path = self.connection.path(GROUP, "leases", self._name)
        try:
            return lease_from(self.connection.once(Request("GET", path, {})))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _write(self, lease: Lease) -> Lease | None:
        """None if somebody else wrote first, or deleted it: a PUT of a Lease that is gone would create it, which the
        server refuses with 400 as it carries a version."""
        body = lease_document(self._name, names.labels(self.pipeline, names.CONTROLLER), lease)
        there = bool(lease.version)
        path = self.connection.path(GROUP, "leases", self._name if there else "")
        query = {"fieldManager": names.CONTROLLER_MANAGER}
        try:
            return lease_from(self.connection.once(Request("PUT" if there else "POST", path, query, body)))
        except Refused as error:
            if error.status == 409 or (there and error.status in (400, 404)):
                return None
            raise
