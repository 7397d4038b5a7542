"""What the rows of the table are written with: requests through the official client, answers as plain JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

from tests.kube import resources
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

PAUSE = "registry.k8s.io/pause:3.10"  # a real cluster can run it
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour: a sentence, the page that promises it, the check, and where it can be checked."""

    name: str
    page: str
    check: Callable[[Cluster], None]
    where: Literal["anywhere", "double"] = "anywhere"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code, the document that came with it, and the headers."""

    code: int
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests of one identity, in the cluster's namespace unless another is named."""

    api: Any
    namespace: str

    def raw(self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: Any) -> Answer:
        response = self._send(method, path, body, kind, query)
        text = response.read().decode()
        answer_headers = dict(response.getheaders())
        is_json = answer_headers.get("Content-Type", "").startswith("application/json")
        return Answer(response.status, json.loads(text) if is_json else text, answer_headers)

    def _send(self, method: str, path: str, body: Any, kind: str, query: dict[str, Any]) -> Any:
        headers = {**self.api.default_headers, "Content-Type": kind, "Accept": "application/json"}
        self.api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        target = self.api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        return self.api.call_api(method, target, headers, body, _request_timeout=(5, 20))

    def watch(self, plural: str, enough: Callable[[list[Any]], bool], **query: Any) -> list[Any]:
        """The events of a watch until they are enough, or until it ends. Errors: assertion where it is refused."""
        sent = self._send("GET", self.at(plural), None, "application/json", {"watch": "true", **query}).response
        events: list[Any] = []
        held = b""
        try:
            assert sent.status == 200, sent.read()
            for chunk in sent.stream(None):
                *lines, held = (held + chunk).split(b"\n")
                events += [json.loads(line) for line in lines]
                if enough(events):
                    return events
            return events
        finally:
            sent.close()

    def at(self, plural: str, name: str = "", part: str = "") -> str:
        """The path of a resource, an object or a subresource in the namespace."""
        resource = resources.named(plural)
        root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        where = f"/namespaces/{self.namespace}" if resource.namespaced else ""
        return f"{root}{where}/{plural}" + "".join(f"/{x}" for x in (name, part) if x)

    def get(self, plural: str, name: str, part: str = "") -> Answer:
        return self.raw("GET", self.at(plural, name, part))

    def list(self, plural: str, **query: Any) -> Answer:
        return self.raw("GET", self.at(plural), **query)

    def create(self, plural: str, body: Object, **query: Any) -> Answer:
        resource = resources.named(plural)
        whole = {"apiVersion": resource.api_version, "kind": resource.kind} | body
        return self.raw("POST", self.at(plural), whole, **query)

    def put(self, plural: str, name: str, body: Object, part: str = "", **query: Any) -> Answer:
        return self.raw("PUT", self.at(plural, name, part), body, **query)

    def patch(self, plural: str, name: str, body: Any, kind: str = "merge-patch", part: str = "", **q: Any) -> Answer:
        """`kind` is merge-patch, strategic-merge-patch or json-patch."""
        return self.raw("PATCH", self.at(plural, name, part), body, f"application/{kind}+json", **q)

    def apply(self, plural: str, name: str, body: Object, manager: str, part: str = "", **query: Any) -> Answer:
        resource = resources.named(plural)
        whole = {"apiVersion": resource.api_version, "kind": resource.kind} | body
        whole["metadata"] = {"name": name} | body.get("metadata", {})
        kind = "application/apply-patch+yaml"
        return self.raw("PATCH", self.at(plural, name, part), whole, kind, fieldManager=manager, **query)

    def delete(self, plural: str, name: str, body: Object | None = None, **query: Any) -> Answer:
        return self.raw("DELETE", self.at(plural, name), body, **query)


def asking(cluster: Cluster, kubeconfig: Path | None = None) -> Asking:
    """As the administrator, or as whom a kubeconfig names; urllib3's own retries are off, so every answer shows."""
    from kubernetes import client, config

    configuration = client.Configuration()
    loaded: Any = config
    loaded.load_kube_config(str(kubeconfig or cluster.kubeconfig), client_configuration=configuration)
    settings: Any = configuration
    settings.retries = False
    return Asking(client.ApiClient(configuration), cluster.namespace)


def deployment(name: str = "web", replicas: int = 1, cores: str = "100m", **spec: Any) -> Object:
    """A Deployment whose pods any cluster can run."""
    container: Object = {
        "name": "model",
        "image": PAUSE,
        "ports": [{"name": "grpc", "containerPort": 8081}],
        "resources": {"requests": {"cpu": cores}},
        "env": [{"name": "IPA_CORES", "value": "1"}, {"name": "KEPT", "value": "x"}],
    }
    pod: Object = {"containers": [container], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    base: Object = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": base | spec}


def config_map(name: str, **data: str) -> Object:
    return {"metadata": {"name": name}, "data": data}


def until(look: Callable[[], T | None], timeout_s: float = 60.0) -> T:
    """What `look` gives as soon as it is neither None nor False; fails when it never is."""
    ends_s = time.monotonic() + timeout_s
    while time.monotonic() < ends_s:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError(f"{look} did not come true within {timeout_s} s")


def ready(ask: Asking, name: str, replicas: int) -> Object:
    """Waits until a Deployment is rolled out (as `kubectl rollout status` decides) and has that many ready pods."""

    def look() -> Object | None:
        live = ask.get("deployments", name).body
        status = live.get("status", {})
        counts = [status.get(f"{kind}Replicas", 0) for kind in ("updated", "ready", "available")]
        seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
        return live if seen and counts == [replicas] * 3 and status.get("replicas", 0) == replicas else None

    return until(look)


def managers(o: Object) -> dict[tuple[str, str], Object]:
    """fieldsV1 by (manager, operation)."""
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in o["metadata"].get("managedFields", [])}
