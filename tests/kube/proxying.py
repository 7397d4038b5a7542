"""GET to a pod by way of the API server.

https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from tests.kube.api import Api
from tests.kube.failures import Refused
from tests.kube.requests import Asked
from tests.kube.resources import named

_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/:]+):([0-9]+)/proxy(/.*)")


@dataclass(frozen=True, slots=True)
class Proxied:
    """`asked` is what the right to do it is judged by: to get pods/proxy."""

    asked: Asked
    port: int
    target: str


def proxied(method: str, target: str) -> Proxied | None:
    path, question, query = target.partition("?")
    found = _PATH.fullmatch(path)
    if found is None or method != "GET":
        return None
    namespace, name, port, rest = found.groups()
    return Proxied(Asked(named("pods"), "get", namespace, name, "proxy"), int(port), f"{rest}{question}{query}")


def serve(api: Api, what: Proxied) -> tuple[int, str]:
    """What the pod answers. Errors: 404 without such a pod, 503 if it does not answer."""
    pod = api.get(named("pods"), what.asked.namespace, what.asked.name)
    connection = HTTPConnection(pod["status"].get("podIP", "127.0.0.1"), what.port, timeout=5)
    try:
        connection.request("GET", what.target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, HTTPException) as error:
        raise Refused(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error
    finally:
        connection.close()
