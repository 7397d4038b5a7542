"""From a request to its answer: record, faults, who asks, may they, and the verb.

https://kubernetes.io/docs/concepts/security/controlling-access/
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from tests.kube import conformance, failures, proxying, requests, resources, scale, selectors
from tests.kube.access import Access
from tests.kube.api import Api, Options
from tests.kube.faults import Faults
from tests.kube.objects import now_text
from tests.kube.requests import Asked, Record
from tests.kube.resources import Object
from tests.kube.server import Cut, Exchange, suffer
from tests.kube.watching import Watches

_APPLY = "application/apply-patch+yaml"


@dataclass
class Frontend:
    """Serves every request; `records` holds them in the order of their coming."""

    api: Api
    access: Access
    watches: Watches
    faults: Faults
    records: list[Record] = field(default_factory=list)

    def serve(self, exchange: Exchange) -> None:
        path, query = requests.split(exchange.target)
        asked = requests.asked(exchange.method, path, query)
        self._record(exchange, path, query, asked)
        fault = self.faults.take(exchange.method, exchange.target)
        if fault is not None and fault.action != "cut after":
            suffer(fault)
        user = self.access.user(exchange.headers.get("Authorization", ""))
        if (through := proxying.proxied(exchange.method, exchange.target)) is not None:
            self.access.check(user, through.asked)
            exchange.answer(*proxying.serve(self.api, through))
            return
        if asked is None:
            _serve_other(path, exchange)
            return
        self.access.check(user, asked)
        if asked.verb == "watch":
            self.watches.serve(asked, query, _wanted(asked, query), exchange)
            return
        code, answer = self._answer(asked, query, exchange, user)
        if fault is not None and fault.action == "cut after":
            raise Cut
        exchange.answer(code, answer)

    def _record(self, exchange: Exchange, path: str, query: dict[str, str], asked: Asked | None) -> None:
        what = (asked.verb, asked.resource.plural, asked.namespace, asked.name, asked.subresource) if asked else None
        user = self.access.users.get(exchange.headers.get("Authorization", "").partition(" ")[2], "")
        agent = exchange.headers.get("User-Agent", "")
        words = what or ("", "", "", "", "")
        self.records.append(Record(time.monotonic(), exchange.method, path, query, *words, agent, user))

    def _answer(self, asked: Asked, query: dict[str, str], exchange: Exchange, user: str) -> tuple[int, Object]:
        if asked.verb == "list":
            return 200, self._list(asked, query)
        if asked.verb == "deletecollection":
            return 200, self._delete_collection(asked, query, _parsed(exchange))
        if asked.subresource == "token":
            return 201, self._token(asked)
        if asked.subresource == "scale":
            patch_kind = exchange.headers.get("Content-Type", "").partition(";")[0]
            options = _options(query, exchange, "scale")
            body = _parsed(exchange) if asked.verb != "get" else {}
            return 200, scale.serve(self.api, asked, patch_kind, body, options)
        if asked.verb == "get":
            return 200, self.api.get(asked.resource, asked.namespace, asked.name)
        return self._write(asked, query, exchange, user)

    def _write(self, asked: Asked, query: dict[str, str], exchange: Exchange, user: str) -> tuple[int, Object]:
        where = (asked.resource, asked.namespace)
        options, body = _options(query, exchange, asked.subresource), _parsed(exchange)
        if asked.verb == "create":
            if asked.resource.plural == "selfsubjectaccessreviews":
                return 201, self._review(user, body)
            return 201, self.api.create(*where, _named(asked, body), options)
        if asked.verb == "delete":
            sent = body | ({"propagationPolicy": query["propagationPolicy"]} if "propagationPolicy" in query else {})
            if "gracePeriodSeconds" in query:
                sent["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
            return 200, self.api.delete(*where, asked.name, sent, options.dry_run or bool(sent.get("dryRun")))
        if asked.verb == "update":
            return 200, self.api.update(*where, asked.name, _named(asked, body), options)
        return self._patch(asked, query, exchange, user, body, options)

    def _patch(
        self, asked: Asked, query: dict[str, str], exchange: Exchange, user: str, body: Any, options: Options
    ) -> tuple[int, Object]:
        kind = exchange.headers.get("Content-Type", "").partition(";")[0]
        if kind != _APPLY:
            if query.get("force"):
                why = "Forbidden: may not be specified for non-apply patch"
                raise failures.Refused(422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: force: {why}')
            return 200, self.api.patch(asked.resource, asked.namespace, asked.name, kind, body, options)
        if not query.get("fieldManager"):
            why = "Required value: is required for apply patch"
            raise failures.Refused(422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {why}')
        there = self.api.store.get(asked.resource, asked.namespace, asked.name) is not None
        if not there:  # k8s.io/apiserver/pkg/endpoints/handlers/patch.go, createAuthorizerAttributes
            self.access.check(user, replace(asked, verb="create", name=""))
        applied = self.api.apply(asked.resource, asked.namespace, asked.name, _applied(asked, body), options)
        return 200 if there else 201, applied

    def _list(self, asked: Asked, query: dict[str, str]) -> Object:
        store = self.api.store
        with store.changed:
            version, start = _list_from(query, store.version)
            try:
                items = store.selection(asked.resource, asked.namespace, version)
            except failures.Refused as refused:
                raise failures.expired(_STALE_CONTINUE) if query.get("continue") else refused from None
            version = version or store.version
        wanted = _wanted(asked, query)
        items = [o for o in items if wanted(o)][start:]
        limit = int(query.get("limit") or 0) or len(items)
        meta: Object = {"resourceVersion": str(version)}
        if len(items) > limit:
            meta["continue"] = _token(version, start + limit)
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                meta["remainingItemCount"] = len(items) - limit
        kind = {"kind": f"{asked.resource.kind}List", "apiVersion": asked.resource.api_version}
        return kind | {"metadata": meta, "items": items[:limit]}

    def _delete_collection(self, asked: Asked, query: dict[str, str], body: Object) -> Object:
        listed = self._list(asked, query)
        for o in listed["items"]:
            meta = o["metadata"]
            self.api.delete(asked.resource, meta.get("namespace", ""), meta["name"], body)
        return listed

    def _token(self, asked: Asked) -> Object:
        self.api.get(asked.resource, asked.namespace, asked.name)
        token = self.access.token(f"system:serviceaccount:{asked.namespace}:{asked.name}")
        meta = {"name": asked.name, "namespace": asked.namespace, "creationTimestamp": now_text()}
        status = {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"}
        kind = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": meta}
        return kind | {"spec": {"audiences": [], "expirationSeconds": 3600}, "status": status}

    def _review(self, user: str, body: Object) -> Object:
        """May I: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access"""
        want = body["spec"]["resourceAttributes"]
        resource = next(
            (r for r in resources.RESOURCES if (r.group, r.plural) == (want.get("group", ""), want["resource"])), None
        )
        if resource is None:
            return body | {"status": {"allowed": False}}
        name, part = want.get("name", ""), want.get("subresource", "")
        asked = Asked(resource, want["verb"], want.get("namespace", ""), name, part)
        return body | {"status": {"allowed": self.access.allows(user, asked)}}


_STALE_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)


def _serve_other(path: str, exchange: Exchange) -> None:
    """Discovery and health; an unknown path is answered with the plain text that the real server sends."""
    if path in ("/healthz", "/livez", "/readyz"):
        exchange.answer(200, "ok")
    elif (document := resources.discovery(path)) is not None:
        exchange.answer(200, document)
    else:
        exchange.answer(404, "404 page not found\n")


def _wanted(asked: Asked, query: dict[str, str]) -> selectors.Test:
    labels = selectors.by_labels(query.get("labelSelector", ""))
    fields = selectors.by_fields(query.get("fieldSelector", ""), asked.resource.plural)
    named = (lambda o: o["metadata"]["name"] == asked.name) if asked.name else (lambda o: True)
    return lambda o: bool(named(o)) and labels(o) and fields(o)


def _list_from(query: dict[str, str], newest: int) -> tuple[int | None, int]:
    """(the version to list at or None for the newest, the first item). Errors: 410, 504."""
    if query.get("continue"):
        try:
            held = json.loads(base64.urlsafe_b64decode(query["continue"]))
        except ValueError:
            raise failures.bad_request("continue key is not valid") from None
        return int(held["rv"]), int(held["start"])
    wanted = int(query.get("resourceVersion") or 0)
    if wanted > newest:
        raise failures.too_large(wanted, newest)
    return (wanted if query.get("resourceVersionMatch") == "Exact" else None), 0


def _token(version: int, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"rv": version, "start": start}).encode()).decode()


def _parsed(exchange: Exchange) -> Any:
    if not exchange.body:
        return {}
    kind = exchange.headers.get("Content-Type", "application/json").partition(";")[0]
    if not kind.endswith(("json", "yaml")):
        raise failures.unsupported_media(kind)
    try:
        if exchange.headers.get("Content-Type", "").startswith(_APPLY) and exchange.body[:1] != b"{":
            return yaml.safe_load(exchange.body)
        return json.loads(exchange.body)
    except (ValueError, yaml.YAMLError) as error:
        raise failures.bad_request(f"error decoding the body: {error}") from error


def _applied(asked: Asked, body: Any) -> Object:
    """The body as an object of the resource's kind. Errors: 400."""
    said = (body.get("apiVersion"), body.get("kind")) if isinstance(body, dict) else (None, None)
    if said != (asked.resource.api_version, asked.resource.kind):
        why = f'no kind "{said[1]}" is registered for version "{said[0]}" at {asked.resource.qualified}'
        raise failures.bad_request(why)
    return dict(body)


def _named(asked: Asked, body: Any) -> Object:
    """As `_applied`, but what is left out is taken from the path, as the server does except for an apply."""
    if not isinstance(body, dict):
        return _applied(asked, body)
    whole = {"apiVersion": asked.resource.api_version, "kind": asked.resource.kind} | body
    return conformance.decoded(asked.resource, _applied(asked, whole))


def _options(query: dict[str, str], exchange: Exchange, subresource: str) -> Options:
    if query.get("dryRun", "All") != "All":
        raise failures.bad_request(f'dryRun: Unsupported value: "{query["dryRun"]}": supported values: "All"')
    agent = exchange.headers.get("User-Agent", "").partition("/")[0] or "unknown"
    manager = query.get("fieldManager") or agent
    force = "force" if query.get("force") in ("true", "1") else "refuse"
    return Options(manager, subresource, query.get("dryRun") == "All", force)
