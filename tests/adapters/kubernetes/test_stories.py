"""Faults in the middle of everything: afterwards the plan runs, nothing is left over, and nobody was without a server.

Whatever happens, no stage ever has fewer ready replicas that serve than the smaller of the plans it moves between.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise

import pytest

from ipa.adapters.kubernetes.connection import Connection
from ipa.errors import Unavailable
from tests.adapters.kubernetes.capacity import least
from tests.adapters.kubernetes.loops import Says, adapting, wait_turns
from tests.adapters.kubernetes.pipelines import Controller, connection_to, install, plan, replicas, toy, until
from tests.kube.double import Double
from tests.kube.fixtures import Cluster

pytestmark = pytest.mark.cluster

START = plan(("small", 1), ("light", 1))
AT_10 = {"large": 1, "heavy": 1}  # what 10 requests/s get, by the oracle: test_control's first plan
AT_60 = {"large": 3, "heavy": 1}


def settled(connection: Connection, wanted: dict[str, int], controller: Controller) -> bool:
    """The plan runs, is ready, is the record, and nothing else is there."""
    if replicas(connection) != wanted:
        return False
    record = controller.record()
    goal = record.destination
    if not record.good or goal is None:
        return False
    return {a.variant: a.replicas for a in goal.allocations} == wanted and controller.world.look().deployments != ()


@pytest.fixture
def started(cluster: Cluster, connection: Connection) -> Controller:
    """A controller over the start plan."""
    config = toy()
    install(connection, config, START)
    return Controller(config, connection)


def test_the_loop_brings_the_best_plan_and_then_leaves_it(started: Controller, double: Double) -> None:
    with adapting(started, Says(10)) as story:
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")
        wait_turns(story, 3)
        version = double.store.version
        story.monitor.rate = 60
        until(lambda: settled(started.connection, AT_60, started), "the plan for 60/s")
    assert least(double, started.connection.namespace, "toy", version) == {"detect": 1, "classify": 1}


def test_the_api_server_away_in_the_middle_of_a_change(started: Controller, double: Double) -> None:
    """Six times the renew deadline: the leader must stop, come back and finish."""
    double.set(ready_after_s=0.3)
    with adapting(started, Says(10)) as story:
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")
        version = double.store.version
        story.monitor.rate = 60
        until(lambda: replicas(started.connection).get("large") == 3, "the change to begin")
        with double.away():
            until(lambda: not started.elector.leads(), "the leader to stop")
            time.sleep(5.0)
        until(lambda: settled(started.connection, AT_60, started), "the plan for 60/s")
    assert least(double, started.connection.namespace, "toy", version) == {"detect": 1, "classify": 1}


def test_a_leader_killed_in_the_middle_of_a_change_is_succeeded(
    started: Controller, cluster: Cluster, double: Double
) -> None:
    double.set(ready_after_s=0.5)
    with adapting(started, Says(10)):
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")
    version = double.store.version
    first = Controller(started.config, connection_to(cluster))
    second = Controller(started.config, connection_to(cluster))
    with adapting(first, Says(60)) as dying:
        until(lambda: replicas(started.connection).get("large") == 3, "the change to begin")
        with adapting(second, Says(60)) as heir:
            wait_turns(heir, 1)
            assert f"{first.elector.identity} controls the pipeline" in heir.reasons()[0]
            first.kill()
            until(lambda: settled(started.connection, AT_60, second), "the heir to finish")
            assert second.elector.leads()
        assert dying.turns is not None
    assert least(double, started.connection.namespace, "toy", version) == {"detect": 1, "classify": 1}
    first.connection.client.close()
    second.connection.client.close()


def test_sigterm_in_the_middle_of_a_change_undoes_what_has_not_been_switched(
    started: Controller, double: Double
) -> None:
    with adapting(started, Says(10)):
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")
    double.set(ready_after_s=30.0)
    again = Controller(started.config, started.connection)
    with adapting(again, Says(60)) as story:
        until(lambda: replicas(started.connection).get("large") == 3, "the change to begin")
        began_s = time.monotonic()
        story.stop()
        assert time.monotonic() - began_s < 5.0
        assert replicas(started.connection) == AT_10
        assert "this process is to end" in str(story.turns[-1].outcome)
    assert not again.elector.leads()


def test_pods_that_never_become_ready_cost_nothing_and_another_variant_is_chosen(
    started: Controller, double: Double
) -> None:
    config = toy(ready_timeout_s=0.6)
    controller = Controller(config, started.connection)
    double.set(never_ready=lambda pod: pod["metadata"]["annotations"]["ipa/variant"] == "large")
    version = double.store.version
    with adapting(controller, Says(10)) as story:
        until(lambda: settled(started.connection, {"small": 1, "heavy": 1}, controller), "the plan without large")
        failed = [t.outcome for t in story.turns if t.outcome is not None and not t.outcome.applied]
        assert failed[0].rolled_back
    assert least(double, started.connection.namespace, "toy", version).get("detect", 1) == 1


def test_a_node_that_is_full_bounds_the_next_plan(started: Controller, double: Double) -> None:
    """5 cores would be needed at 60/s; with 3 the accurate detector no longer fits."""
    config = toy(ready_timeout_s=1.0)
    controller = Controller(config, started.connection)
    with adapting(controller, Says(10)) as story:
        until(lambda: settled(started.connection, AT_10, controller), "the plan for 10/s")
        double.set_capacity(3)
        version = double.store.version
        story.monitor.rate = 60
        until(lambda: any("Insufficient cpu" in r for r in story.reasons()), "a decision that knows why")
        until(lambda: "small" in replicas(started.connection), "a smaller plan")
        until(lambda: sum(replicas(started.connection).values()) <= 3, "a plan that fits")
        until(lambda: controller.record().good and controller.record().revision > 1, "the change to end")
    assert least(double, started.connection.namespace, "toy", version)["classify"] >= 1


def test_a_storm_of_conflicts_is_weathered(started: Controller, double: Double) -> None:
    with adapting(started, Says(10)) as story:
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")
        version = double.store.version
        double.faults.refuse(409, count=8, methods="PATCH", path="/deployments/")
        double.faults.refuse(409, count=8, methods="PATCH", path="/configmaps/")
        story.monitor.rate = 60
        until(lambda: settled(started.connection, AT_60, started), "the plan for 60/s")
    assert least(double, started.connection.namespace, "toy", version) == {"detect": 1, "classify": 1}


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(started: Controller, double: Double, code: int) -> None:
    double.faults.refuse(code, count=6, retry_after_s=1)
    with adapting(started, Says(10)):
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")


def test_without_metrics_nothing_is_changed(started: Controller, double: Double) -> None:
    with adapting(started, Says(60)) as story:
        until(lambda: settled(started.connection, AT_60, started), "the plan for 60/s")
        version = double.store.version
        for rate, error in (
            (0, Unavailable("Prometheus: the newest sample is 90 s old")),
            (float("nan"), None),
            (-1, None),
        ):
            story.monitor.rate, story.monitor.error = rate, error
            wait_turns(story, 3)
            assert story.reasons()[-1].startswith("held: ")
        changed = {change.key[0] for change in double.store.history if change.version > version}
        assert "deployments" not in changed
        assert replicas(started.connection) == AT_60


def test_a_clock_that_jumps_stops_nobody(started: Controller, double: Double) -> None:
    with adapting(started, Says(10)) as story:
        until(lambda: settled(started.connection, AT_10, started), "the plan for 10/s")
        for jump_s in (-86400.0, 86400.0):
            jumped = partial(_time_of_day, jump_s)
            started.elector.wall_s = jumped
            object.__setattr__(started.world, "wall_s", jumped)
            wait_turns(story, 3)
            assert started.elector.leads()
        story.monitor.rate = 60
        until(lambda: settled(started.connection, AT_60, started), "the plan for 60/s")


def _time_of_day(jump_s: float) -> float:
    return time.time() + jump_s


def test_two_controllers_never_both_write(started: Controller, cluster: Cluster, double: Double) -> None:
    controllers = []
    for name in ("first", "second"):
        made = connection_to(cluster)
        made.client.user_agent = name
        controllers.append(Controller(started.config, made))
    first, second = controllers
    double.forget_records()
    with adapting(first, Says(10)) as one, adapting(second, Says(60)) as two:
        until(lambda: settled(started.connection, AT_10, first), "the plan for 10/s")
        wait_turns(two, 3)
        # It stalls for longer than its lease, then goes on as if nothing had happened.
        with first.elector._lock:
            until(second.elector.leads, "the other to lead")
            until(lambda: settled(started.connection, AT_60, second), "the plan for 60/s")
        wait_turns(one, 4)
        assert any("controls the pipeline" in reason for reason in one.reasons())
        assert replicas(started.connection) == AT_60
    writers = [r.user_agent for r in double.records if r.resource == "deployments" and r.method == "PATCH"]
    handed_over = [a for a, b in pairwise(writers) if a != b]
    assert handed_over == ["first"]
    for each in controllers:
        each.connection.client.close()
