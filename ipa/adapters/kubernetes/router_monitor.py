"""The port Monitor over all routers of a pipeline in a cluster: what each counted, summed up second by second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, TypeAlias

import httpx

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import Connection, Refused, Request
from ipa.adapters.kubernetes.endpoints import RouterAt, routers
from ipa.adapters.kubernetes.router_counts import MOST_APART_S, RouterCounts, summed_ticks
from ipa.dataplane.arrivals import Arrived
from ipa.errors import Unavailable
from ipa.workload.counts import Counts

TIMEOUT_S = 2.0
APART_S = ceil(MOST_APART_S)
"""Asked for beyond the window: the last to answer, or the one whose clock is ahead, knows its oldest seconds, too."""

Ask: TypeAlias = Callable[[RouterAt, str, Mapping[str, str]], Any]
"""The document that one router has under a name, `arrivals` or `ticks`. Raises Unavailable or Refused."""


class RoutersMonitor:
    """Keeps its connections, so close() it at the end."""

    def __init__(self, connection: Connection, pipeline: str, ask: Ask | None = None) -> None:
        """`ask`: how a router is reached, by default at its pod, as from inside of the cluster; see by_proxy."""
        self._connection = connection
        self._pipeline = pipeline
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._ask = ask or self._ask_pod
        self._counts = RouterCounts()

    def close(self) -> None:
        self._client.close()

    def arrivals(self, window_s: float) -> tuple[int, ...]:
        """Requests in each whole second of the last `window_s`, oldest first.

        Raises Unavailable if a router that is ready does not answer: load that nobody counted is no load that fell.
        """
        window = max(1, round(window_s))
        readings = self._readings("arrivals", window + APART_S)
        try:
            return self._counts.summed(readings, window)
        except Unavailable as error:
            raise Unavailable(f"{self._where}: {error}") from error

    def ticks(self, window_s: float) -> Counts:
        """The port Traffic: the same in ticks. What a router counted that has left since is not in it."""
        window = max(1, round(window_s))
        return summed_ticks(self._readings("ticks", window).values(), window)

    @property
    def _where(self) -> str:
        return f"Service {names.router(self._pipeline)}"

    def _readings(self, what: str, window_s: int) -> dict[str, Arrived]:
        """By the pods' uids. Raises Unavailable if no router is ready, or one that is does not answer."""
        found = self._routers()
        if not any(not router.ending and router.ready for router in found):
            raise Unavailable(f"{self._where}: no router is ready")
        each = {router.uid: self._reading(router, what, window_s) for router in found}
        return {uid: answer for uid, answer in each.items() if answer is not None}

    def _routers(self) -> tuple[RouterAt, ...]:
        """All pods behind the Service, be they ready or not: the one that is to end still counts what comes."""
        path = self._connection.path("discovery.k8s.io/v1", "endpointslices")
        query = {"labelSelector": f"{names.SERVICE_NAME}={names.router(self._pipeline)}"}
        return routers(self._connection.get(path, query).get("items") or ())

    def _reading(self, router: RouterAt, what: str, window_s: int) -> Arrived | None:
        """None if it does not answer and need not."""
        try:
            return _arrived(router, self._ask(router, what, {"window": str(window_s)}))
        except (Unavailable, Refused) as error:
            if router.ready and not router.ending:
                raise Unavailable(f"router {router.pod}: {error}") from error
            return None

    def _ask_pod(self, router: RouterAt, what: str, query: Mapping[str, str]) -> Any:
        url = f"http://{router.address}/{what}"
        try:
            answer = self._client.get(url, params=dict(query))
        except httpx.RequestError as error:
            raise Unavailable(f"GET {url}: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            raise Unavailable(f"GET {url}: {answer.status_code} {answer.text[:200]}")
        try:
            return answer.json()
        except ValueError as error:
            raise Unavailable(f"GET {url}: answered what is no JSON") from error


def by_proxy(connection: Connection) -> Ask:
    """Through the API server, for whoever is not in the cluster; needs the right to get pods/proxy.

    https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-connect-proxy-path
    """

    def ask(router: RouterAt, what: str, query: Mapping[str, str]) -> Any:
        _, _, port = router.address.rpartition(":")
        path = connection.path("v1", "pods", f"{router.pod}:{port}/proxy/{what}")
        return connection.once(Request("GET", path, query))

    return ask


def _arrived(router: RouterAt, document: Any) -> Arrived:
    try:
        counts = tuple(int(count) for count in document["counts"])
        return Arrived(float(document["until_s"]), counts)
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"router {router.pod} answered {document!r:.80}, which are no arrivals") from error
