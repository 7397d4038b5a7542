"""EndpointSlices and pods as documents → endpoints, routers and what a pod is."""

from __future__ import annotations

from typing import Any

import pytest

from ipa.adapters.kubernetes.endpoints import Endpoint, RouterAt, Served, endpoints, routers, served
from ipa.errors import ServingError

STAGES = {"pipe-one": "one", "pipe-two": "two"}


def endpoint(pod: str, address: str = "10.0.0.1", **conditions: Any) -> dict[str, Any]:
    target = {"kind": "Pod", "name": pod, "uid": f"uid-{pod}"}
    return {"addresses": [address, "10.9.9.9"], "conditions": conditions, "targetRef": target}


def a_slice(*found: dict[str, Any], service: str = "pipe-one", name: str = "s", **fields: Any) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service}
    ports = [{"name": "http", "port": 80}, {"name": "grpc", "port": 8081}, {"name": "metrics", "port": 8082}]
    made = {"metadata": {"name": name, "labels": labels}, "addressType": "IPv4", "ports": ports, "endpoints": found}
    return made | fields


@pytest.mark.parametrize(
    ("conditions", "ending"),
    [
        pytest.param({"ready": True}, False, id="ready"),
        pytest.param({}, False, id="nothing said of readiness is ready"),
        pytest.param({"ready": None, "serving": None, "terminating": None}, False, id="null is nothing said"),
        pytest.param({"ready": False}, None, id="not ready"),
        pytest.param({"ready": False, "serving": False}, None, id="neither ready nor serving"),
        pytest.param({"ready": False, "serving": True, "terminating": True}, True, id="ends and still serves"),
        pytest.param({"ready": False, "serving": False, "terminating": True}, None, id="has ended"),
        pytest.param({"ready": True, "serving": True, "terminating": True}, True, id="ready whatever it does"),
    ],
)
def test_who_serves_by_its_conditions(conditions: dict[str, Any], ending: bool | None) -> None:
    found = endpoints([a_slice(endpoint("a", **conditions))], STAGES)
    expected = [] if ending is None else [Endpoint("one", "a", "uid-a", "10.0.0.1:8081", ending)]
    assert list(found) == expected


def test_ports_are_a_slices_own_and_stages_their_services() -> None:
    other = [{"name": "grpc", "port": 9000}]
    slices = [
        a_slice(endpoint("b"), name="s2", ports=other),
        a_slice(endpoint("a"), name="s1"),
        a_slice(endpoint("c"), service="pipe-two", name="s3"),
        a_slice(endpoint("d"), service="somebody-elses", name="s4"),
    ]
    found = [(each.stage, each.pod, each.address) for each in endpoints(slices, STAGES)]
    assert found == [("one", "a", "10.0.0.1:8081"), ("one", "b", "10.0.0.1:9000"), ("two", "c", "10.0.0.1:8081")]


def test_a_pod_in_two_slices_is_one_endpoint() -> None:
    """While slices are packed anew, and where a Service has both IP families: then by its IPv4 address."""
    six = a_slice(endpoint("a", "fd00::1"), name="a-six", addressType="IPv6")
    assert endpoints([six], STAGES)[0].address == "[fd00::1]:8081"
    assert [each.address for each in endpoints([six, a_slice(endpoint("a"))], STAGES)] == ["10.0.0.1:8081"]
    old = a_slice(endpoint("a", ready=False, serving=True, terminating=True), name="old")
    for slices in ([old, a_slice(endpoint("a"))], [a_slice(endpoint("a")), old]):
        assert [each.ending for each in endpoints(slices, STAGES)] == [False]


@pytest.mark.parametrize(
    "of_no_use",
    [
        a_slice(),
        a_slice(endpoint("a"), endpoints=None),
        a_slice(endpoint("a"), ports=None),
        a_slice(endpoint("a"), ports=[{"name": "http", "port": 80}]),
        a_slice(endpoint("a"), ports=[{"name": "grpc", "port": None}]),
        a_slice(endpoint("a"), addressType="FQDN"),
        a_slice(endpoint("a") | {"targetRef": None}),
        a_slice(endpoint("a") | {"targetRef": {"kind": "Node", "name": "n", "uid": "u"}}),
        a_slice(endpoint("a"), metadata={"name": "s"}),
    ],
)
def test_slices_without_an_endpoint_of_ours(of_no_use: dict[str, Any]) -> None:
    assert endpoints([of_no_use], STAGES) == ()


def test_routers_are_all_pods_behind_their_service_ready_or_not() -> None:
    slices = [
        a_slice(endpoint("b", ready=False), endpoint("a"), service="pipe-router"),
        a_slice(endpoint("c", ready=False, serving=True, terminating=True), endpoint("b", ready=False), name="t"),
    ]
    assert routers(slices) == (
        RouterAt("a", "uid-a", "10.0.0.1:8082", ready=True, ending=False),
        RouterAt("b", "uid-b", "10.0.0.1:8082", ready=False, ending=False),
        RouterAt("c", "uid-c", "10.0.0.1:8082", ready=False, ending=True),
    )


def pod(cpu: str | None = "2", **fields: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}} if cpu is not None else {}
    containers = [
        {"name": "sidecar", "resources": {"requests": {"cpu": "7"}}},
        {"name": "model", "resources": resources},
    ]
    annotations = {"ipa/stage": "one", "ipa/variant": "ResNet_50", "ipa/hardware": "cpu"}
    return {"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": containers}} | fields


def test_a_pod_says_what_it_is_by_its_annotations_and_its_models_request() -> None:
    assert served(pod()) == Served("ResNet_50", "cpu", 2)
    assert served(pod(metadata={"name": "p"})) is None
    assert served(pod(metadata={"name": "p", "annotations": {"ipa/stage": "one", "ipa/variant": "v"}})) is None


@pytest.mark.parametrize("cpu", ["500m", "1.5", "0", "-1", "², ", "", None])
def test_cores_that_are_no_whole_number_are_refused_by_name(cpu: str | None) -> None:
    with pytest.raises(
        ServingError, match=r"pod p: container model: resources\.requests\.cpu: .* whole number of cores"
    ):
        served(pod(cpu))


def test_a_pod_without_a_model_container_is_refused() -> None:
    with pytest.raises(ServingError, match="pod p"):
        served(pod(spec={"containers": None}))
