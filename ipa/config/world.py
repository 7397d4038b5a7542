"""`monitor:` and `cluster:`, where the loop meets the world: their settings and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ipa.config.schema import ClusterSpec, MonitorSpec, PipelineSpec
from ipa.domain import ClusterSettings, MonitorSettings
from ipa.errors import Violation


def monitor_settings(spec: MonitorSpec, folder: Path) -> MonitorSettings:
    """`folder` is where relative paths start."""
    token, ca = _path(folder, spec.bearer_token_file), _path(folder, spec.ca_file)
    return MonitorSettings(spec.kind, spec.url, spec.query, token, ca)


def cluster_settings(spec: ClusterSpec, folder: Path) -> ClusterSettings:
    """`folder` is where relative paths start; `~` is the home folder, as everywhere a kubeconfig is named."""
    return ClusterSettings(
        kind=spec.kind,
        namespace=spec.namespace,
        context=spec.context,
        kubeconfig=_path(folder, spec.kubeconfig),
        images=spec.images.model_dump(exclude_none=True),
        drift=spec.drift,
        ready_timeout_s=spec.ready_timeout,
        router_switch_s=spec.router_switch,
    )


def world_problems(spec: PipelineSpec) -> Iterator[Violation]:
    """Keys of another kind than the one chosen, which would be ignored, and those that a kind cannot do without."""
    if spec.monitor.kind != "prometheus":
        yield from _unused("monitor", spec.monitor, "prometheus")
    elif spec.monitor.url is None:
        yield Violation("monitor.url", "is required with `monitor.kind: prometheus`, as in http://prometheus:9090")
    if spec.cluster.kind != "kubernetes":
        yield from _unused("cluster", spec.cluster, "kubernetes")


def _unused(where: str, spec: BaseModel, kind: str) -> Iterator[Violation]:
    for key in sorted(spec.model_fields_set - {"kind"}):
        yield Violation(f"{where}.{key}", f"is for `{where}.kind: {kind}` only")


def _path(folder: Path, text: str | None) -> Path | None:
    return folder / Path(text).expanduser() if text is not None else None
