from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ipa.adapters.files import load_config
from ipa.domain import ClusterSettings, MonitorSettings
from tests.config.test_config import problems, write


def test_without_keys_the_world_is_this_machine(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {}))
    assert (config.cluster, config.monitor) == (ClusterSettings("local"), MonitorSettings("router"))
    assert (config.cluster.ready_timeout_s, config.cluster.router_switch_s, config.cluster.drift) == (300, 2, "correct")


def test_every_key_of_a_cluster_and_a_monitor(tmp_path: Path) -> None:
    changes = {
        "cluster": {
            "kind": "kubernetes",
            "namespace": "vision-1",
            "context": "kind-ipa",
            "kubeconfig": "kube/config",
            "images": {"model": "ipa-model:1", "router": "ipa-router:1"},
            "drift": "leave",
            "ready_timeout": "90s",
            "router_switch": "500ms",
        },
        "monitor": {
            "kind": "prometheus",
            "url": "https://prometheus:9090",
            "query": "sum(up)",
            "bearer_token_file": "/run/token",
            "ca_file": "ca.pem",
        },
    }
    path = write(tmp_path, changes)
    config = load_config(path)
    images = {"model": "ipa-model:1", "router": "ipa-router:1"}
    kubeconfig = path.parent / "kube" / "config"
    assert config.cluster == ClusterSettings(
        "kubernetes", "vision-1", "kind-ipa", kubeconfig, images, "leave", 90.0, 0.5
    )
    assert config.monitor == MonitorSettings(
        "prometheus", "https://prometheus:9090", "sum(up)", Path("/run/token"), path.parent / "ca.pem"
    )


def test_a_kubeconfig_may_lie_in_the_home_folder(tmp_path: Path) -> None:
    path = write(tmp_path, {"cluster": {"kind": "kubernetes", "kubeconfig": "~/.kube/config"}})
    assert load_config(path).cluster.kubeconfig == Path.home() / ".kube" / "config"


@pytest.mark.parametrize(
    ("changes", "where", "rule"),
    [
        ({"monitor": {"kind": "prometheus"}}, "monitor.url", "is required with `monitor.kind: prometheus`"),
        ({"monitor": {"url": "http://p:9090"}}, "monitor.url", "is for `monitor.kind: prometheus` only"),
        ({"monitor": {"kind": "prometheus", "url": "p:9090"}}, "monitor.url", "'p:9090' should match pattern"),
        ({"cluster": {"namespace": "ipa"}}, "cluster.namespace", "is for `cluster.kind: kubernetes` only"),
        ({"cluster": {"kind": "nomad"}}, "cluster.kind", "'nomad' should be 'local' or 'kubernetes'"),
        ({"cluster": {"kind": "kubernetes", "namespace": "A"}}, "cluster.namespace", "'A' should match pattern"),
        ({"cluster": {"kind": "kubernetes", "images": {"db": "x"}}}, "cluster.images.db", "unknown key"),
        ({"cluster": {"kind": "kubernetes", "drift": "off"}}, "cluster.drift", "'off' should be 'correct' or 'leave'"),
        ({"cluster": {"kind": "kubernetes", "ready_timeout": 5}}, "cluster.ready_timeout", "5 is not a duration"),
    ],
)
def test_what_is_wrong_is_named_by_key_value_and_rule(
    tmp_path: Path, changes: dict[str, Any], where: str, rule: str
) -> None:
    (found,) = problems(write(tmp_path, changes)).items()
    assert found[0] == where
    assert rule in found[1]
