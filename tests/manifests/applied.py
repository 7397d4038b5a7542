"""Rendered objects in a namespace, put there as kubectl does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import APPLY_PATCH, Connection
from ipa.domain import ClusterSettings
from ipa.manifests import Wanted, render
from tests.manifests.rendered import CONFIGS, wanted

VIDEO = next(path for path in CONFIGS if path.stem == "video")
SETTINGS = ClusterSettings("kubernetes", ready_timeout_s=5.0, router_switch_s=0.05)
_PLURAL = {"NetworkPolicy": "networkpolicies"}


def video(namespace: str) -> Wanted:
    """No PodMonitor: a bare cluster does not know the kind."""
    shipped = wanted(VIDEO)
    config = replace(shipped.config, cluster=replace(SETTINGS, namespace=namespace))
    return replace(shipped, config=config, namespace=namespace, monitored=False)


def apply(connection: Connection, objects: Iterable[dict[str, Any]], *, dry_run: bool = False) -> list[dict[str, Any]]:
    """`kubectl apply --server-side --field-manager=ipa-manifests -f -`. Raises Refused at the first conflict."""
    query = {"fieldManager": names.MANIFESTS_MANAGER} | ({"dryRun": "All"} if dry_run else {})
    return [connection.patch(path_of(connection, each), each, APPLY_PATCH, query) for each in objects]


def install(connection: Connection, what: Wanted) -> None:
    apply(connection, render(what))


def path_of(connection: Connection, item: dict[str, Any]) -> str:
    plural = _PLURAL.get(item["kind"], item["kind"].lower() + "s")
    return connection.path(item["apiVersion"], plural, item["metadata"]["name"])


def until(true: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    """Raises AssertionError if it does not become true."""
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)
