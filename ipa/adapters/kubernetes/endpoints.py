"""EndpointSlices and pods as the API server tells them → where a stage is served, and by what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.errors import ServingError

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod of a stage that answers at `address` (host:port of its gRPC).

    `ending`: it is to stop, and finishes what it has.
    """

    stage: str
    pod: str
    uid: str
    address: str
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """What a pod is."""

    variant: str
    hardware: str
    cores: int

    @property
    def server(self) -> tuple[str, str, int]:
        return self.variant, self.hardware, self.cores


def endpoints(slices: Iterable[Json], stages: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """The pods that serve, by stage and name; `stages`: the stage of each Service.

    A pod is listed twice while slices change and where a Service has two IP families; one listing will do:
    https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#duplicate-endpoints
    """
    found: dict[tuple[str, str], Endpoint] = {}
    for each in sorted(slices, key=_preference):
        stage = stages.get((each["metadata"].get("labels") or {}).get(names.SERVICE_NAME, ""))
        for endpoint in _of_slice(each, stage) if stage is not None else ():
            known = found.get((endpoint.stage, endpoint.uid))
            if known is None or (known.ending and not endpoint.ending):
                found[endpoint.stage, endpoint.uid] = endpoint
    return tuple(sorted(found.values(), key=lambda endpoint: (endpoint.stage, endpoint.pod)))


def _preference(each: Json) -> tuple[bool, str]:
    return each.get("addressType") != "IPv4", each["metadata"]["name"]


def _of_slice(each: Json, stage: str) -> Iterable[Endpoint]:
    for pod in _pods(each, names.GRPC):
        if pod.serving and (pod.ready or pod.ending):
            yield Endpoint(stage, pod.name, pod.uid, pod.address, pod.ending)


@dataclass(frozen=True, slots=True)
class RouterAt:
    """A router's pod, at host:port of the port that tells."""

    pod: str
    uid: str
    address: str
    ready: bool
    ending: bool


def routers(slices: Iterable[Json]) -> tuple[RouterAt, ...]:
    """All pods behind the router's Service, each once, by name."""
    found: dict[str, RouterAt] = {}
    for each in sorted(slices, key=_preference):
        for pod in _pods(each, names.METRICS):
            known = found.get(pod.uid)
            if known is None or (pod.ready and not known.ready):
                found[pod.uid] = RouterAt(pod.name, pod.uid, pod.address, pod.ready, pod.ending)
    return tuple(sorted(found.values(), key=lambda router: router.pod))


@dataclass(frozen=True, slots=True)
class _Pod:
    """One endpoint of a slice. `serving`: whether it would answer, also if it is `ending`."""

    name: str
    uid: str
    address: str
    ready: bool
    serving: bool
    ending: bool


def _pods(each: Json, port_name: str) -> Iterator[_Pod]:
    """The ports of a slice are its own: pods that listen elsewhere are in another slice of the same Service."""
    port = next((port.get("port") for port in each.get("ports") or () if port.get("name") == port_name), None)
    if port is None or each.get("addressType") not in ("IPv4", "IPv6"):
        return
    for endpoint in each.get("endpoints") or ():
        pod = endpoint.get("targetRef") or {}
        if pod.get("kind") == "Pod" and endpoint.get("addresses"):
            host = endpoint["addresses"][0]
            address = f"[{host}]:{port}" if each["addressType"] == "IPv6" else f"{host}:{port}"
            yield _Pod(pod["name"], pod["uid"], address, *_conditions(endpoint.get("conditions") or {}))


def _conditions(told: Json) -> tuple[bool, bool, bool]:
    """ready, serving, terminating. An absent `ready` is true, an absent `serving` is `ready`, an absent `terminating`
    is false (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions).
    """
    ending = bool(told.get("terminating"))
    ready = told.get("ready") is not False
    serving = ready if told.get("serving") is None else bool(told["serving"])
    return ready and not ending, serving, ending


def served(pod: Json) -> Served | None:
    """What the pod says it is; None if it is no model of ipa's. Raises ServingError where its cores break the rule."""
    server = names.server_of(pod["metadata"].get("annotations"))
    if server is None:
        return None
    containers: Sequence[Json] = (pod.get("spec") or {}).get("containers") or ()
    model: Json = next((c for c in containers if c.get("name") == names.MODEL_CONTAINER), {})
    asked = str(((model.get("resources") or {}).get("requests") or {}).get("cpu", "nothing"))
    if not (asked.isascii() and asked.isdecimal() and int(asked) > 0):
        rule = "must be a whole number of cores, at least 1"
        raise ServingError(f"pod {pod['metadata']['name']}: container model: resources.requests.cpu: {asked} {rule}")
    return Served(server.variant, server.hardware, int(asked))
