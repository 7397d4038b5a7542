"""What a server makes of the rendered objects: applied once, and again once the controller has changed them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.apply import set_size
from ipa.adapters.kubernetes.attached import live_sizes
from ipa.adapters.kubernetes.connection import Connection, Refused
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.way import Size
from ipa.manifests import Wanted, render, sizes
from tests.kube.double import Double
from tests.manifests.applied import apply, install, path_of, until, video
from tests.manifests.rendered import of_kind, smallest_plan

pytestmark = pytest.mark.cluster

CHOSEN = Server("detect", "yolov5n", "cpu")


@pytest.fixture
def installed(connection: Connection) -> Wanted:
    found = video(connection.namespace)
    install(connection, found)
    return found


def scale(connection: Connection, installed: Wanted, server: Server, size: Size) -> None:
    """As the controller does."""
    name = names.deployment(installed.pipeline, server)
    set_size(connection, name, size, None)


def test_applied_twice_it_stays_as_it_is(connection: Connection, installed: Wanted) -> None:
    before = [connection.get(path_of(connection, each)) for each in render(installed)]
    install(connection, installed)
    after = [connection.get(path_of(connection, each)) for each in render(installed)]
    generations = [each["metadata"].get("generation") for each in before]
    assert [each["metadata"].get("generation") for each in after] == generations
    assert live_sizes(connection, installed.config) == installed.sizes


def test_every_pod_of_the_start_plan_is_created_and_gets_ready(
    connection: Connection, installed: Wanted, double: Double
) -> None:
    def ready() -> set[str]:
        found = connection.get(connection.path("apps/v1", "deployments"))["items"]
        return {d["metadata"]["name"] for d in found if d.get("status", {}).get("availableReplicas")}

    running = {names.deployment("video", server) for server, size in installed.sizes.items() if size.replicas}
    until(lambda: ready() == running | {"video-router", "video-controller"}, "all pods ready")


def test_what_the_controller_changed_is_never_reset(connection: Connection, installed: Wanted) -> None:
    changed = Size(3, 2)
    scale(connection, installed, CHOSEN, changed)
    models = [
        d for d in of_kind(render(installed), "Deployment") if d["metadata"]["name"] == "video-detect-yolov5n-cpu"
    ]
    with pytest.raises(Refused, match=r"(?s)409.*conflict") as refused:
        apply(connection, models)
    assert '"ipa"' in str(refused.value)
    assert live_sizes(connection, installed.config)[CHOSEN] == changed


def test_rendered_as_it_runs_it_can_be_applied_again_and_the_controller_goes_on(
    connection: Connection, installed: Wanted
) -> None:
    scale(connection, installed, CHOSEN, Size(3, 2))
    live = live_sizes(connection, installed.config)
    pods = sizes(installed.config.pipeline, smallest_plan(installed.config), live)
    again = replace(installed, sizes=pods, images=replace(installed.images, model="registry/ipa-model:2"))
    install(connection, again)
    assert live_sizes(connection, installed.config) == pods
    found = connection.get(connection.path("apps/v1", "deployments", "video-detect-yolov5n-cpu"))
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/ipa-model:2"
    scale(connection, installed, CHOSEN, Size(1, 1))
    assert live_sizes(connection, installed.config)[CHOSEN] == Size(1, 1)
