"""A change as the cluster sees it: make before break, only what is owned, back where it does not become ready."""

from __future__ import annotations

import pytest

from ipa.adapters.kubernetes.connection import Connection
from tests.adapters.kubernetes.pipelines import install, leading, plan, replicas, toy
from tests.kube.double import Double

pytestmark = pytest.mark.cluster

SMALL = plan(("small", 2), ("light", 1))
LARGE = plan(("large", 3), ("light", 1), batch=4)


def test_the_first_plan_is_raised_recorded_and_live(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    with leading(config, connection) as controller:
        assert controller.cluster.live() is None
        outcome = controller.cluster.apply(SMALL)
        assert outcome.applied, outcome
        assert controller.cluster.live() == SMALL
        assert controller.cluster.ready()
        record = controller.record()
        assert (record.revision, record.good, record.destination) == (1, True, SMALL)


def test_another_variant_is_up_before_the_old_one_goes(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        outcome = controller.cluster.apply(LARGE)
        assert outcome.applied, outcome
        assert replicas(connection) == {"large": 3, "light": 1}
        assert controller.cluster.live() == LARGE


def test_a_plan_that_does_not_become_ready_is_taken_back_and_barred(connection: Connection, double: Double) -> None:
    config = toy(ready_timeout_s=0.5)
    install(connection, config, SMALL)
    double.set(never_ready=lambda pod: pod["metadata"]["annotations"]["ipa/variant"] == "large")
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        outcome = controller.cluster.apply(LARGE)
        assert (outcome.applied, outcome.rolled_back) == (False, True)
        assert "0 of 3 replicas ready in time" in outcome.detail
        assert replicas(connection) == {"small": 2, "light": 1}
        assert controller.cluster.live() == SMALL
        barred = controller.cluster.constraints().barred
        assert [(a.stage, a.variant) for a in barred] == [("detect", "large")]
