"""A node that is not there: it schedules pods by cores, starts them, lets them become ready, and ends them.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from tests.kube import quantity
from tests.kube.api import Api, Options
from tests.kube.conditions import is_true, set_condition
from tests.kube.events import emit
from tests.kube.objects import now_text
from tests.kube.resources import Object, named
from tests.kube.store import Change

NODE = "double-node"
_FOREVER_S = 1e6
_NOT_READY = ("ContainersNotReady", "containers with unready status")
_STATUS = Options("kubelet", "status")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a pod's process listens: one port for every port of the pod, or one by name."""

    host: str
    ports: int | Mapping[str, int]

    def port(self, name: str, declared: int) -> int:
        return self.ports if isinstance(self.ports, int) else self.ports.get(name, declared)


class Runner(Protocol):
    """Runs a real process per pod, each call in a thread of its own: `start` returns once it serves."""

    def start(self, pod: Object) -> Address: ...

    def stop(self, pod: Object, grace_s: float) -> None: ...


@dataclass
class NodeSettings:
    """What a test may set while all runs; nudge the store afterwards (Double.set does).

    `exit_after_s` is how long a container takes after SIGTERM, at most its grace; None is the whole grace.
    """

    ready_after_s: float = 0.02
    exit_after_s: float | None = 0.02
    capacity_cores: float | None = None
    never_ready: Callable[[Object], bool] = lambda pod: False
    runner: Runner | None = None


@dataclass
class _Held:
    """What the node knows of one pod."""

    pod: Object
    address: Address | None = None
    ready_s: float | None = None
    ends_s: float | None = None
    trouble: str = ""
    runner: Runner | None = None
    stopping: bool = False


@dataclass
class Node:
    """Schedules and runs every pod. `addresses` is where each pod (by uid) listens."""

    api: Api
    settings: NodeSettings
    _held: dict[str, _Held] = field(default_factory=dict)
    _given: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def close(self) -> None:
        """Stops every process and waits for the threads behind them. The loops must have ended."""
        for held in list(self._held.values()):
            self._stop(held, 0.0)
        for thread in self._threads:
            thread.join()

    def address(self, pod: Object) -> Address | None:
        held = self._held.get(pod["metadata"]["uid"])
        return held.address if held else None

    def hear(self, change: Change) -> None:
        if change.key[0] != "pods":
            return
        if change.new is None:
            if change.old is not None:
                self._forget(change.old)
            return
        uid = change.new["metadata"]["uid"]
        self._held.setdefault(uid, _Held(change.new)).pod = change.new

    def step(self, now_s: float) -> float | None:
        for held in list(self._held.values()):
            with self.api.store.changed:
                meta = held.pod["metadata"]
                live = self.api.store.get(named("pods"), meta["namespace"], meta["name"])
                if live is None or live["metadata"]["uid"] != meta["uid"]:
                    continue
                held.pod = live
                self._advance(held, now_s)
        times = [at for held in self._held.values() for at in (held.ready_s, held.ends_s) if at is not None]
        return min((at for at in times if at > now_s), default=None)

    def _advance(self, held: _Held, now_s: float) -> None:
        meta = held.pod["metadata"]
        if meta.get("deletionTimestamp"):
            self._end(held, now_s)
        elif not held.pod["spec"].get("nodeName"):
            self._schedule(held, now_s)
        elif held.trouble:
            self._wait(held)
        elif held.address is not None:
            self._run(held, now_s)

    def _schedule(self, held: _Held, now_s: float) -> None:
        pod, meta = held.pod, held.pod["metadata"]
        wanted, capacity = quantity.cores(pod), self.settings.capacity_cores
        if capacity is not None and self._taken() + wanted > Fraction(capacity):
            self._unschedulable(pod)
            return
        spec = pod["spec"] | {"nodeName": NODE}
        bound = self.api.update(
            named("pods"), meta["namespace"], meta["name"], pod | {"spec": spec}, Options("kube-scheduler")
        )
        conditions = set_condition(bound["status"].get("conditions") or [], "PodScheduled", "True")
        held.pod = self._status(bound, {"conditions": conditions, "startTime": now_text(), "hostIP": "127.0.0.1"})
        self._start(held, now_s)

    def _taken(self) -> Fraction:
        pods = self.api.store.selection(named("pods"), "")
        return sum((quantity.cores(pod) for pod in pods if pod["spec"].get("nodeName")), Fraction(0))

    def _unschedulable(self, pod: Object) -> None:
        said = (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 No preemption victims found for incoming pod."
        )
        conditions = pod["status"].get("conditions") or []
        if not any(c["type"] == "PodScheduled" for c in conditions):
            emit(self.api, pod, "Warning", "FailedScheduling", said, "default-scheduler")
        new = set_condition(conditions, "PodScheduled", "False", "Unschedulable", said)
        self._status(pod, {"conditions": new})

    def _start(self, held: _Held, now_s: float) -> None:
        runner = self.settings.runner
        if runner is None:
            self._given += 1
            held.address = Address(f"127.64.{self._given // 250 % 250}.{self._given % 250 + 1}", {})
            held.ready_s = now_s + self.settings.ready_after_s
            self._show_running(held)
            return
        held.runner = runner
        self._in_thread(lambda: self._run_process(held, runner))

    def _run_process(self, held: _Held, runner: Runner) -> None:
        try:
            held.address = runner.start(held.pod)
        except (OSError, RuntimeError, ValueError) as error:  # a container that does not start
            held.trouble = str(error) or type(error).__name__
        held.ready_s = time.monotonic() + self.settings.ready_after_s
        if self._held.get(held.pod["metadata"]["uid"]) is not held:  # taken out meanwhile
            self._stop(held, 0.0)
        self.api.store.nudge()

    def _stop(self, held: _Held, grace_s: float) -> None:
        """Ends a pod's process once, if it has one, in a thread that tells when it is over."""
        runner = held.runner
        if runner is None or held.address is None or held.stopping:
            return
        held.stopping = True

        def stop() -> None:
            runner.stop(held.pod, grace_s)
            held.ends_s = time.monotonic()
            self.api.store.nudge()

        self._in_thread(stop)

    def _in_thread(self, work: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, name="pod", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, held: _Held, now_s: float) -> None:
        if held.pod["status"].get("phase") != "Running":
            self._show_running(held)
        due = held.ready_s is not None and now_s >= held.ready_s
        self._show_ready(held, due and not self.settings.never_ready(held.pod))

    def _show_running(self, held: _Held) -> None:
        assert held.address is not None
        host = held.address.host
        status = {"phase": "Running", "podIP": host, "podIPs": [{"ip": host}], "hostIP": "127.0.0.1"}
        conditions = set_condition(held.pod["status"].get("conditions") or [], "Initialized", "True")
        for kind in ("Ready", "ContainersReady"):
            conditions = set_condition(conditions, kind, "False", *_NOT_READY)
        running = {"running": {"startedAt": now_text()}}
        containers = [_container(c, running, ready=False) for c in held.pod["spec"]["containers"]]
        held.pod = self._status(held.pod, status | {"conditions": conditions, "containerStatuses": containers})

    def _show_ready(self, held: _Held, ready: bool) -> None:
        if is_true(held.pod, "Ready") == ready:
            return
        conditions = held.pod["status"]["conditions"]
        for kind in ("Ready", "ContainersReady"):
            words = () if ready else _NOT_READY
            conditions = set_condition(conditions, kind, "True" if ready else "False", *words)
        states = [state | {"ready": ready} for state in held.pod["status"]["containerStatuses"]]
        held.pod = self._status(held.pod, {"conditions": conditions, "containerStatuses": states})

    def _wait(self, held: _Held) -> None:
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": held.trouble}}
        states = [_container(c, waiting, ready=False) for c in held.pod["spec"]["containers"]]
        held.pod = self._status(held.pod, {"containerStatuses": states})

    def _end(self, held: _Held, now_s: float) -> None:
        """The containers get SIGTERM once; the pod is gone when they are, at the latest after its grace."""
        meta = held.pod["metadata"]
        grace_s = float(meta.get("deletionGracePeriodSeconds", 0))
        if held.ends_s is None:
            wait_s = grace_s if self.settings.exit_after_s is None else min(grace_s, self.settings.exit_after_s)
            held.ends_s = now_s + (grace_s if held.runner else wait_s)
        if held.runner is not None and held.address is not None and not held.stopping:
            held.ends_s = now_s + _FOREVER_S  # until its process has ended
            self._stop(held, grace_s)
        if now_s >= held.ends_s and not meta.get("finalizers"):
            self.api.remove(named("pods"), meta["namespace"], meta["name"])

    def _forget(self, pod: Object) -> None:
        """A pod that was taken out at once leaves its process to be killed."""
        held = self._held.pop(pod["metadata"]["uid"], None)
        if held is not None:
            self._stop(held, 0.0)

    def _status(self, pod: Object, part: Object) -> Object:
        meta, status = pod["metadata"], pod["status"] | part
        return self.api.update(named("pods"), meta["namespace"], meta["name"], pod | {"status": status}, _STATUS)


def _container(container: Object, state: Object, ready: bool) -> Object:
    image = container.get("image", "")
    known = {"name": container["name"], "image": image, "imageID": image, "restartCount": 0}
    return known | {"ready": ready, "started": "running" in state, "state": state}
