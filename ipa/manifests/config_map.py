"""The ConfigMap with the config and its profile, as the pods mount it: one folder, no subfolders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from ipa.adapters.kubernetes import names
from ipa.errors import ConfigError, UsageError, Violation
from ipa.manifests.objects import Object, metadata
from ipa.manifests.wanted import Images, Wanted

LIMIT_BYTES = 1_048_576
"""https://kubernetes.io/docs/concepts/configuration/configmap/#motivation"""
CONFIG_NAME = "config.yaml"
MODELS = "/models"
_KEPT = ("drift", "ready_timeout", "router_switch")


def config_map(wanted: Wanted) -> Object:
    """Raises UsageError if it is larger than a ConfigMap may be."""
    sizes = {name: len(name) + len(text.encode()) for name, text in wanted.files.items()}
    if sum(sizes.values()) > LIMIT_BYTES:
        parts = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        rule = f"a ConfigMap holds at most {LIMIT_BYTES:,}; leave rows out of the profile (`batches`, variants)"
        raise UsageError(f"{wanted.pipeline}: its config has {sum(sizes.values()):,} bytes ({parts}): {rule}")
    name = names.config_map(wanted.pipeline)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted.pipeline, wanted.namespace, name, names.CONTROLLER),
        "data": dict(wanted.files),
    }


def mounted(document: Mapping[str, Any], tables: Mapping[str, str], images: Images, source: str) -> dict[str, str]:
    """The files of the ConfigMap: the config as pods read it, and the profile's tables.

    `source` names the config in errors. Raises ConfigError for what means nothing in a pod.
    """
    problems = [
        Violation(f"monitor.{key}", f"{path!r} must be an absolute path, as it is read in the controller's pod")
        for key in ("bearer_token_file", "ca_file")
        if (path := (document.get("monitor") or {}).get(key)) is not None and not path.startswith("/")
    ]
    if problems:
        raise ConfigError(source, problems)
    text = yaml.safe_dump(in_cluster(document, images), sort_keys=False, allow_unicode=True, width=120)
    return {CONFIG_NAME: text, **tables}


def in_cluster(document: Mapping[str, Any], images: Images) -> dict[str, Any]:
    """The config as the pods read it: profiles beside it, models where the image has them, the pod's own cluster.

    What is said to a client's machine alone (`load`, the kubeconfig and its context) is left out.
    """
    serving = dict(document.get("serving") or {})
    serving.pop("models", None)
    if serving.get("runtime", "onnx") == "onnx":
        serving["models"] = MODELS
    kept = {k: v for k, v in (document.get("cluster") or {}).items() if k in _KEPT}
    cluster = {"kind": "kubernetes", **kept, "images": {"model": images.model, "router": images.router}}
    rest = {k: v for k, v in document.items() if k != "load"}
    return rest | {"profiles": ".", "serving": serving, "cluster": cluster}
