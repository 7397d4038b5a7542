"""The engine against queueing theory: 20 independent replications each, in the 99.9 % interval of Student's t.

The seeds are fixed: a test that passes always passes. The first tenth of each replication is left out, for it starts
with an empty queue. Half an interval is 0.3 to 2.4 % of the mean, so that a model wrong by more would be found.
"""

from __future__ import annotations

import numpy as np
import pytest

from ipa.simulation.engine import run
from ipa.simulation.stations import Servers
from ipa.workload.processes import FloatArray
from tests.simulation.build import chain, random_servers, servers, station
from tests.simulation.theory import (
    REPLICATIONS,
    Interval,
    exponential_quantiles_s,
    interval,
    moments,
    sojourn_quantile_s,
    wait_of_bulk_server_s,
    wait_of_many_servers_s,
    wait_of_one_server_s,
)

REQUESTS = 200_000
EXPONENTIAL_S = exponential_quantiles_s(1.0)


def latencies_s(kind: Servers, rate_rps: float, seed: int, stages: int = 1) -> FloatArray:
    """Of each request from arrival to answer, through one stage or several alike."""
    arrivals_s = np.cumsum(np.random.default_rng(seed).exponential(1 / rate_rps, REQUESTS))
    found = run(chain(stages), [station(kind)] * stages, arrivals_s, seed)
    ends_s = np.empty(REQUESTS)
    ends_s[found.request] = found.at_s
    settled: FloatArray = (ends_s - arrivals_s)[REQUESTS // 10 :]
    return settled


def mean_latency_s(kind: Servers, rate_rps: float, stages: int = 1) -> Interval:
    found = interval([float(latencies_s(kind, rate_rps, seed, stages).mean()) for seed in range(REPLICATIONS)])
    assert found.half_width < 0.025 * found.mean, "too wide to say anything"
    return found


@pytest.mark.parametrize("service_s", [1.0, 0.75])
def test_constant_arrivals_and_service_never_wait_below_capacity(service_s: float) -> None:
    found = run(chain(1), [station(servers(service_s))], np.arange(10_000.0))
    assert np.array_equal(found.at_s, np.arange(10_000.0) + service_s)


def test_constant_arrivals_above_capacity_wait_ever_longer() -> None:
    found = run(chain(1), [station(servers(1.5))], np.arange(10_000.0))
    assert np.array_equal(found.at_s, np.arange(1, 10_001) * 1.5)


@pytest.mark.parametrize("rate_rps", [0.5, 0.8])
def test_constant_service_waits_as_pollaczek_and_khinchine_say(rate_rps: float) -> None:
    assert mean_latency_s(servers(1.0), rate_rps).holds(1 + wait_of_one_server_s(rate_rps, 1.0, 1.0))


@pytest.mark.parametrize("rate_rps", [0.5, 0.8])
def test_exponential_service_waits_as_pollaczek_and_khinchine_say(rate_rps: float) -> None:
    """With the moments of the table itself, so that nothing is biased."""
    mean_s, square_s2 = moments(EXPONENTIAL_S)
    expected_s = mean_s + wait_of_one_server_s(rate_rps, mean_s, square_s2)
    assert mean_latency_s(random_servers(EXPONENTIAL_S), rate_rps).holds(expected_s)


@pytest.mark.parametrize(("replicas", "rate_rps"), [(2, 1.4), (5, 4.0), (20, 17.0)])
def test_several_replicas_wait_as_erlang_c_says(replicas: int, rate_rps: float) -> None:
    expected_s = 1 + wait_of_many_servers_s(rate_rps, 1.0, replicas)
    assert mean_latency_s(random_servers(EXPONENTIAL_S, replicas), rate_rps).holds(expected_s)


def test_the_99th_percentile_of_one_exponential_server_is_that_of_its_distribution() -> None:
    """−ln(0.01)/(µ − λ)."""
    found = [np.quantile(latencies_s(random_servers(EXPONENTIAL_S), 0.6, seed), 0.99) for seed in range(REPLICATIONS)]
    assert interval([float(each) for each in found]).holds(sojourn_quantile_s(0.6, 1.0, 0.99))


def test_stages_in_a_line_are_as_if_each_were_alone() -> None:
    """What leaves M/M/1 is Poisson again (Burke 1956): three stages take three times as long as one."""
    assert mean_latency_s(random_servers(EXPONENTIAL_S), 0.6, stages=3).holds(3 / (1 - 0.6))


@pytest.mark.parametrize(
    ("rate_rps", "service_s"),
    [
        (0.8, (1.0,)),
        (1.8, (1.0, 1.2, 1.4, 1.5)),
        (3.0, (1.0, 1.0, 1.0, 1.0)),
        (4.5, tuple(1 + i / 10 for i in range(8))),
    ],
)
def test_greedy_batches_wait_as_the_chain_of_their_queues_says(rate_rps: float, service_s: tuple[float, ...]) -> None:
    """The time in service is a request's own: it is measured from the end, by the size of the batch that ended then."""
    waits_s = []
    for seed in range(REPLICATIONS):
        arrivals_s = np.cumsum(np.random.default_rng(seed).exponential(1 / rate_rps, REQUESTS))
        found = run(chain(1), [station(servers(*service_s))], arrivals_s, seed)
        _, batch, size = np.unique(found.at_s, return_inverse=True, return_counts=True)
        taken_s = found.at_s - np.array(service_s)[size[batch] - 1]
        waits_s.append(float((taken_s - arrivals_s[found.request])[REQUESTS // 10 :].mean()))
    assert interval(waits_s).holds(wait_of_bulk_server_s(rate_rps, service_s))
