"""Both monitors of one load: what real routers counted, and what a real Prometheus scraped off them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from ipa.adapters.load_http import HTTP
from ipa.adapters.local_cluster import RouterMonitor
from ipa.adapters.payload import InputTensor
from ipa.adapters.prometheus import PrometheusMonitor
from ipa.adapters.state import RunState
from ipa.domain import MonitorSettings
from ipa.errors import ServingError, Unavailable
from ipa.workload.processes import FloatArray
from tests.adapters.https_server import CA_FILE, TLS
from tests.adapters.loads import a_load, sent, summed_up
from tests.adapters.real_prometheus import Prometheus, prometheus
from tests.dataplane.processes import TOKEN, Running, free_ports, model_servers, put_plan, router

Seen = TypeVar("Seen")


def eventually(seen: Callable[[], Seen], wanted: Callable[[Seen], bool]) -> Seen:
    """What `seen` returns once it is `wanted`; a monitor that holds has not seen it yet."""
    last: Seen | Unavailable | None = None
    for _ in range(200):
        try:
            last = seen()
            if wanted(last):
                return last
        except Unavailable as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"still {last} after 20 s")


def monitor(server: Prometheus, query: str | None = None, ca_file: Path | None = CA_FILE) -> PrometheusMonitor:
    return PrometheusMonitor("pipe", MonitorSettings("prometheus", server.url, query, None, ca_file))


def of_router(running: Running) -> RouterMonitor:
    return RouterMonitor(RunState("pipe", 1, running.url, "", "", running.admin_url, TOKEN))


def bursts(*rates_rps: int) -> FloatArray:
    """When requests are sent: so many in each second, evenly."""
    return np.concatenate([second + np.arange(rate) / max(rate, 1) for second, rate in enumerate(rates_rps)])


def loaded(running: Running, intended_s: FloatArray) -> int:
    load = a_load(HTTP, intended_s, model="pipe", tensor=InputTensor("x", "FP32", (2,)))
    return summed_up(sent(HTTP, running.url, load, model="pipe")).answered


def total(monitor: PrometheusMonitor | RouterMonitor) -> int:
    return sum(monitor.arrivals(120.0))


@contextmanager
def two_routers() -> Iterator[tuple[Running, Running]]:
    """Of one pipeline, with servers behind them."""
    with model_servers() as servers, router(stages=["one", "two"]) as one, router(stages=["one", "two"]) as two:
        pair = servers.start_small("one", "two")
        for each in (one, two):
            asyncio.run(put_plan(each, pair))
        yield one, two


def agree(routers: Sequence[int], scraped: Sequence[int]) -> None:
    """The same number in all, and so far at every second to what came within three seconds before or after.

    A scrape tells how many came within its second, not when, and Prometheus' newest second is up to a second older than
    the router's: one second each, and one for a scrape that came late. Both end with the seconds after the load.
    """
    so_far = list(accumulate(routers, initial=0))
    for back, so_far_scraped in enumerate(reversed(list(accumulate(scraped, initial=0)))):
        here = len(so_far) - 1 - back
        least, most = so_far[max(0, here - 3)], so_far[min(max(0, here + 3), len(so_far) - 1)]
        assert least - 1 <= so_far_scraped <= most + 1, (routers, scraped, back)
    assert sum(routers) == sum(scraped)


@pytest.mark.slow
def test_both_monitors_agree_and_a_router_that_is_lost_is_no_load_that_fell(tmp_path: Path) -> None:
    with (
        two_routers() as (one, two),
        prometheus(tmp_path, [one.url, two.url]) as server,
        closing(monitor(server)) as scraped,
        closing(of_router(one)) as first,
        closing(of_router(two)) as second,
        closing(monitor(server, 'count(ipa_requests_total{pipeline="pipe"})')) as found,
    ):
        eventually(lambda: found.arrivals(1.0), (2,).__eq__)  # what came before the first scrape came at any time
        with ThreadPoolExecutor() as pool:
            loads = [pool.submit(loaded, one, bursts(20, 60, 0, 40)), pool.submit(loaded, two, bursts(10, 0, 10, 80))]
            assert [load.result() for load in loads] == [120, 100]
        eventually(lambda: scraped.arrivals(120.0), lambda counts: sum(counts) == 220 and not any(counts[-2:]))
        agree(summed(first.arrivals(120.0), second.arrivals(120.0)), scraped.arrivals(120.0))

        two.child.kill()  # its target is still there: nobody knows what it would count now
        eventually(lambda: held(scraped), lambda why: "1 router(s) cannot be scraped" in why)
        server.scrape([one.url])  # its pod is gone
        assert eventually(lambda: total(scraped), lambda _: True) == 220
        loaded(one, bursts(50))
        eventually(lambda: total(scraped), lambda count: count == 270)


def summed(*routers: Sequence[int]) -> list[int]:
    """Second by second; all end with the same one."""
    length = max(map(len, routers))
    return [sum(counts) for counts in zip(*([0] * (length - len(each)) + list(each) for each in routers), strict=True)]


def held(scraped: PrometheusMonitor) -> str:
    try:
        scraped.arrivals(120.0)
    except Unavailable as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_a_router_that_starts_anew_on_its_port_counts_on(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with (
        prometheus(tmp_path, [f"http://127.0.0.1:{port}"]) as server,
        closing(monitor(server)) as scraped,
        model_servers() as servers,
    ):
        pair = servers.start_small("one", "two")
        for sent_now, in_all in ((30, 30), (50, 80)):
            with router(port=port) as running:
                asyncio.run(put_plan(running, pair))
                assert loaded(running, bursts(sent_now)) == sent_now
                eventually(lambda: total(scraped), in_all.__eq__)


@pytest.mark.slow
def test_queries_of_the_users_its_refusals_and_its_tls(tmp_path: Path) -> None:
    with router() as running, prometheus(tmp_path, [running.url], (TLS / "server.pem", TLS / "server.key")) as server:
        with closing(monitor(server, "sum(up) * 7.5")) as asked:
            counts: tuple[int, ...] = eventually(lambda: asked.arrivals(3.0), lambda seen: len(seen) == 3)
            assert sum(counts) in (22, 23)
        for query, error, says in (
            ("nobody_has_this", Unavailable, "no series with a value"),
            ("0 * up / 0", Unavailable, "nan, which is no rate"),
            ("sum(", ServingError, "400 .*parse error"),
            ("'text'", ServingError, "400 .*string"),
        ):
            with closing(monitor(server, query)) as asked, pytest.raises(error, match=says):
                asked.arrivals(10.0)
        with closing(monitor(server, "up", None)) as asked, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY"):
            asked.arrivals(10.0)
        with closing(PrometheusMonitor("other", MonitorSettings(url=server.url, ca_file=CA_FILE))) as asked:
            assert 'ipa_requests_total{pipeline="other"}: there is no sample' in held(asked)
