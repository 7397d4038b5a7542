"""Where the API server is and as whom: a kubeconfig's context, or the ServiceAccount of the pod this runs in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ipa.errors import UsageError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api"""
CONNECTIONS = 128
"""Kept open at most: a thread and a lease for each of fifty pipelines, with room."""


def is_inside(kubeconfig: str | None, context: str | None) -> bool:
    """Whether the pod's own ServiceAccount is meant: then pods are reached at their addresses, too."""
    return kubeconfig is None and context is None and POD_NAMESPACE.exists()


def client_of(kubeconfig: str | None, context: str | None) -> tuple[ApiClient, str]:
    """A client, and the namespace where none is configured: the context's, or the pod's, else `default`.

    As kubectl: a kubeconfig that is named counts, then the pod's ServiceAccount, then $KUBECONFIG or ~/.kube/config.
    Raises UsageError where there is none of them, or it is broken.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_incluster_config
    from yaml import YAMLError

    settings = Configuration()
    settings.retries = False  # ours know about Retry-After, jitter and the lease
    settings.connection_pool_maxsize = CONNECTIONS
    if is_inside(kubeconfig, context):
        load_incluster_config(client_configuration=settings)
        return _named(ApiClient(settings)), POD_NAMESPACE.read_text().strip()
    try:
        namespace = _from_kubeconfig(settings, kubeconfig, context)
    except (ConfigException, YAMLError, OSError, KeyError, TypeError) as error:
        which = f"context {context!r} of " if context else ""
        raise UsageError(f"cluster: {which}{kubeconfig or 'the default kubeconfig'}: {error}") from error
    return _named(ApiClient(settings)), namespace


def _from_kubeconfig(settings: object, kubeconfig: str | None, context: str | None) -> str:
    """Fills the settings; the context's namespace."""
    from kubernetes.config import list_kube_config_contexts, load_kube_config

    load_kube_config(kubeconfig, context, client_configuration=settings, persist_config=False)
    contexts, active = list_kube_config_contexts(kubeconfig)
    chosen = active if context is None else next(c for c in contexts if c["name"] == context)
    return str(chosen["context"].get("namespace") or "default")


def _named(client: ApiClient) -> ApiClient:
    from importlib.metadata import version

    client.user_agent = f"ipa/{version('ipa')}"
    return client
