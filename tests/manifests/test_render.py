from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate.utils
import pytest

from ipa.adapters.files import load_config
from ipa.adapters.kubernetes import names
from ipa.errors import ConfigError, UsageError
from ipa.manifests import mounted, render
from tests.manifests.rendered import (
    CONFIGS,
    IMAGES,
    component,
    objects,
    of_kind,
    pod_templates,
    smallest_plan,
    wanted,
)

DIGITS = next(path for path in CONFIGS if path.stem == "digits")
VIDEO = next(path for path in CONFIGS if path.stem == "video")
every_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


@pytest.fixture(scope="module", autouse=True)
def schemas_read_once() -> Iterator[None]:
    """kubernetes-validate reads a megabyte of definitions for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


@every_config
@pytest.mark.parametrize("rights", ["control", "read-only"])
def test_every_object_is_valid_in_the_newest_release_known_here(path: Path, rights: str) -> None:
    for each in objects(path, rights):
        if each["kind"] != "PodMonitor":  # the Prometheus operator's
            kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


@every_config
def test_what_every_object_says_of_itself(path: Path) -> None:
    found = objects(path)
    seen = Counter((each["kind"], each["metadata"]["name"]) for each in found)
    assert max(seen.values()) == 1
    for each in found:
        about = each["metadata"]
        assert about["namespace"] == "vision"
        assert about["labels"]["app.kubernetes.io/managed-by"] == "ipa"
        assert about["labels"]["app.kubernetes.io/part-of"] == path.stem
        assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", about["name"])
        assert len(about["name"]) <= 52


@every_config
def test_there_is_a_deployment_for_each_server_and_replicas_for_the_start_plan_alone(path: Path) -> None:
    config = load_config(path)
    measured = {(m.stage, m.variant, m.hardware) for m in config.pipeline.measurements}
    running = {(a.stage, a.variant, a.hardware): a for a in smallest_plan(config).allocations}
    models = [each for each in of_kind(objects(path), "Deployment") if component(each) == "model"]
    assert {names.server_of(each["metadata"]["annotations"]) for each in models} == measured
    for each in models:
        server = names.server_of(each["metadata"]["annotations"])
        assert server is not None
        assert each["spec"]["replicas"] == (running[server].replicas if server in running else 0)
        assert each["spec"]["template"]["metadata"]["annotations"] == each["metadata"]["annotations"]


@every_config
def test_selectors_choose_the_pods_they_should_and_no_others(path: Path) -> None:
    found = objects(path)
    deployments = of_kind(found, "Deployment")
    for each in deployments:
        chosen = [d for d in deployments if _selects(each["spec"]["selector"]["matchLabels"], d)]
        assert chosen == [each]
    for each in of_kind(found, "Service"):
        chosen = [d for d in deployments if _selects(each["spec"]["selector"], d)]
        if component(each) == "router":
            assert [component(d) for d in chosen] == ["router"]
        else:
            stage = each["metadata"]["annotations"]["ipa/stage"]
            assert each["spec"]["clusterIP"] == "None"
            of_stage = [d for d in deployments if d["metadata"].get("annotations", {}).get("ipa/stage") == stage]
            assert chosen == of_stage
        for template in (d["spec"]["template"] for d in chosen):
            offered = {p["name"] for p in template["spec"]["containers"][0]["ports"]}
            assert {p["targetPort"] for p in each["spec"]["ports"]} <= offered
    budgets = of_kind(found, "PodDisruptionBudget")
    assert len(budgets) == len(load_config(path).pipeline.stages)
    for each in budgets:
        assert any(_selects(each["spec"]["selector"]["matchLabels"], d) for d in deployments)


def _selects(wanted_labels: dict[str, str], deployment: dict[str, Any]) -> bool:
    return set(wanted_labels.items()) <= set(deployment["spec"]["template"]["metadata"]["labels"].items())


@every_config
def test_every_pod_keeps_the_restricted_pod_security_standard(path: Path) -> None:
    """kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, control by control."""
    for template in pod_templates(objects(path)):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] != 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all({"configMap", "emptyDir"} & set(volume) for volume in spec["volumes"])
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True
            assert not any("hostPort" in each for each in container["ports"])


@every_config
def test_pods_ask_for_what_they_may_use_and_write_only_to_tmp(path: Path) -> None:
    for template in pod_templates(objects(path)):
        (container,) = template["spec"]["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert writable == {"/tmp"} == {container["workingDir"]}


@every_config
def test_a_model_is_ready_when_it_is_loaded_and_has_time_for_its_slowest_batch(path: Path) -> None:
    config = load_config(path)
    for each in of_kind(objects(path), "Deployment"):
        if component(each) != "model":
            continue
        server = names.server_of(each["metadata"]["annotations"])
        assert server is not None
        spec = each["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        rows = [m for m in config.pipeline.measurements if (m.stage, m.variant, m.hardware) == server]
        slowest_s = max(m.latency_p99_s or m.latency_mean_s for m in rows)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": f"/v2/models/{server.variant}/ready", "port": "http"}
            assert container[probe]["timeoutSeconds"] > slowest_s
        drain_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] > drain_s > 2 * slowest_s + 2
        assert spec["automountServiceAccountToken"] is False
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        env = {variable["name"]: variable["value"] for variable in container["env"]}
        assert env == {
            "IPA_STAGE": server.stage,
            "IPA_VARIANT": server.variant,
            "IPA_CORES": container["resources"]["requests"]["cpu"],
        }


@every_config
def test_the_mounted_config_is_the_same_pipeline(path: Path, tmp_path: Path) -> None:
    (config_map,) = of_kind(objects(path), "ConfigMap")
    for name, text in config_map["data"].items():
        assert re.fullmatch(r"[-._a-zA-Z0-9]+", name)
        (tmp_path / name).write_text(text)
    found, shipped = load_config(tmp_path / "config.yaml"), load_config(path)
    assert found.pipeline == shipped.pipeline
    assert (found.control, found.router, found.forecast) == (shipped.control, shipped.router, shipped.forecast)
    assert found.cluster.kind == "kubernetes"
    assert found.cluster.images == {"model": IMAGES.model, "router": IMAGES.router}
    if found.serving.runtime == "onnx":
        assert found.serving.models == Path("/models")


def test_a_config_that_is_too_large_for_a_config_map_is_refused_with_its_parts() -> None:
    huge = replace(wanted(DIGITS), files={"config.yaml": "name: digits\n", "measurements.csv": "€" * 400_000})
    with pytest.raises(UsageError, match=r"measurements\.csv 1,200,016\): a ConfigMap holds at most 1,048,576"):
        render(huge)


@pytest.mark.parametrize("key", ["ca_file", "bearer_token_file"])
def test_a_file_of_this_machine_is_refused_by_name(key: str) -> None:
    document = {"name": "p", "profiles": "x", "monitor": {"kind": "prometheus", "url": "http://p", key: "here/it.pem"}}
    with pytest.raises(ConfigError, match=f"monitor.{key}: 'here/it.pem' must be an absolute path"):
        mounted(document, {}, IMAGES, "p.yaml")


def test_a_changed_config_restarts_router_and_controller_but_no_model() -> None:
    before = wanted(DIGITS)
    after = replace(before, files=dict(before.files) | {"config.yaml": "name: other\n"})
    changed = {
        component(old)
        for old, new in zip(render(before), render(after), strict=True)
        if old["kind"] == "Deployment" and old != new
    }
    assert changed == {"router", "controller"}


def test_hardware_other_than_cpu_goes_to_nodes_with_its_label() -> None:
    assert all("nodeSelector" not in template["spec"] for template in pod_templates(objects(DIGITS)))
    one = wanted(DIGITS)
    rows = tuple(replace(m, hardware="gpu.a100") for m in one.config.pipeline.measurements)
    config = replace(one.config, pipeline=replace(one.config.pipeline, measurements=rows))
    sizes = {server._replace(hardware="gpu.a100"): size for server, size in one.sizes.items()}
    models = of_kind(render(replace(one, config=config, sizes=sizes)), "Deployment")
    of_models = [d["spec"]["template"]["spec"] for d in models if component(d) == "model"]
    assert {spec["nodeSelector"]["ipa/hardware"] for spec in of_models} == {"gpu.a100"}


def test_models_talk_to_the_router_alone() -> None:
    policies = {component(each): each["spec"] for each in of_kind(objects(DIGITS), "NetworkPolicy")}
    assert set(policies) == {"model", "router", "controller"}
    assert policies["model"]["egress"] == []
    (rule,) = policies["model"]["ingress"]
    (source,) = rule["from"]
    assert source["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "router"
    assert [p["port"] for p in rule["ports"]] == [8081]


def test_the_pod_monitor_scrapes_a_port_that_router_and_controller_have() -> None:
    found = objects(DIGITS)
    (monitor,) = of_kind(found, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for each in of_kind(found, "Deployment"):
        if component(each) != "model":
            ports = each["spec"]["template"]["spec"]["containers"][0]["ports"]
            assert endpoint["port"] in {p["name"] for p in ports}
    assert not of_kind(render(replace(wanted(DIGITS), monitored=False)), "PodMonitor")


def test_the_schemas_refuse_what_the_server_would() -> None:
    (config_map,) = of_kind(objects(DIGITS), "ConfigMap")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(config_map | {"dta": {}}, kubernetes_validate.latest_version(), strict=True)
