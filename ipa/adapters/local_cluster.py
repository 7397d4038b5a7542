"""The ports Cluster and Monitor for a pipeline on this machine, over its supervisor's and its router's HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import httpx
import numpy as np

from ipa.adapters.state import RunState
from ipa.domain import Allocation, Plan
from ipa.errors import ServingError, Unavailable
from ipa.ports import Outcome
from ipa.workload.counts import Counts

_TIMEOUT_S = 5.0
# A change starts servers one after another and drains what it replaces, which may take minutes.
_APPLY_TIMEOUT_S = 900.0


class LocalCluster:
    """Speaks to the control API of `ipa serve`; keeps one connection, so close() it at the end."""

    def __init__(self, state: RunState) -> None:
        self._client = _client(state.control_url, state.token)

    def close(self) -> None:
        self._client.close()

    def status(self) -> dict[str, Any]:
        """The control API's GET /status. Raises Unavailable or ServingError."""
        return _json(self._client, "GET", "/status")

    def live(self) -> Plan | None:
        rows = self.status()["plan"]
        return Plan(tuple(Allocation(**row) for row in rows)) if rows else None

    def ready(self) -> bool:
        return bool(self.status()["ready"])

    def apply(self, plan: Plan) -> Outcome:
        timeout = httpx.Timeout(_TIMEOUT_S, read=_APPLY_TIMEOUT_S)
        body = {"plan": [asdict(allocation) for allocation in plan.allocations]}
        answer = _json(self._client, "PUT", "/plan", json=body, timeout=timeout)
        return Outcome(answer["applied"], answer["seconds"], answer["detail"])

    def stop(self) -> None:
        """Asks the run to stop everything; returns at once. Raises Unavailable."""
        _json(self._client, "POST", "/stop")


class RouterMonitor:
    """Reads what the router counts; keeps one connection, so close() it at the end."""

    def __init__(self, state: RunState) -> None:
        self._client = _client(state.admin_url, state.admin_token)

    def close(self) -> None:
        self._client.close()

    def arrivals(self, window_s: float) -> tuple[int, ...]:
        answer = _json(self._client, "GET", "/arrivals", params={"window": max(1, round(window_s))})
        return tuple(answer["counts"])

    def ticks(self, window_s: float) -> Counts:
        answer = _json(self._client, "GET", "/ticks", params={"window": max(1, round(window_s))})
        return np.array(answer["counts"], dtype=np.int64)


def _client(url: str, token: str) -> httpx.Client:
    # trust_env off: a proxy named in the environment must not see calls to this machine.
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)


def _json(client: httpx.Client, method: str, path: str, **request: Any) -> dict[str, Any]:
    where = f"{method} {client.base_url.join(path)}"
    try:
        response = client.request(method, path, **request)
    except httpx.TransportError as error:
        raise Unavailable(f"{where}: {error or type(error).__name__}") from error
    if response.status_code >= 500:
        raise Unavailable(f"{where}: {response.status_code} {response.text}")
    if response.status_code != 200:
        raise ServingError(f"{where}: {response.status_code} {response.text}")
    answer: dict[str, Any] = response.json()
    return answer
