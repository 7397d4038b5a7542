"""Events as the controllers write them: one object per reason and message, counted up.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import contextlib
import uuid

from tests.kube.api import Api, Options
from tests.kube.failures import Refused
from tests.kube.objects import now_text
from tests.kube.resources import Object, named


def emit(api: Api, about: Object, kind: str, reason: str, message: str, component: str) -> None:
    """`kind` is Normal or Warning."""
    meta, events = about["metadata"], named("events")
    namespace, options = meta["namespace"], Options(component)
    for event in api.store.selection(events, namespace):
        same = (event["involvedObject"].get("uid"), event["reason"], event["message"])
        if same == (meta["uid"], reason, message):
            again = event | {"count": event.get("count", 1) + 1, "lastTimestamp": now_text()}
            api.update(events, namespace, event["metadata"]["name"], again, options)
            return
    involved = {"kind": about["kind"], "apiVersion": about["apiVersion"], "namespace": namespace}
    involved |= {name: meta[name] for name in ("name", "uid", "resourceVersion")}
    body: Object = {"metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}"}, "involvedObject": involved}
    body |= {"reason": reason, "message": message, "type": kind, "count": 1, "source": {"component": component}}
    body |= {"firstTimestamp": now_text(), "lastTimestamp": now_text(), "reportingComponent": component}
    with contextlib.suppress(Refused):  # events are best effort: a namespace that is going takes none
        api.create(events, namespace, body, options)
