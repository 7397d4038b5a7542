"""The load generator against a real server in the same process, on a thread of its own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from ipa.adapters.load_http import HTTP
from ipa.adapters.load_target import Target
from ipa.adapters.loadgen import MOST_REQUESTS, lead_in, run_load, sample_order, schedule
from ipa.errors import UsageError
from ipa.workload.expression import parse
from ipa.workload.summary import LoadSummary
from ipa.workload.trace import assemble
from tests.adapters.loads import SAMPLES, a_load, evenly, sent, summed_up, unused_address
from tests.adapters.null_server import first_pixel, label, null_server


def _run(url: str, requests: int, rate_rps: float, timeout_s: float = 30.0) -> LoadSummary:
    return summed_up(sent(HTTP, url, a_load(HTTP, evenly(requests, rate_rps), timeout_s)))


def test_everything_is_sent_answered_and_right() -> None:
    with null_server() as server:
        summary = _run(server.url, 200, 500)
    assert (summary.sent, summary.answered, summary.accuracy) == (200, 200, 1.0)
    assert summary.slo_share == 1.0
    assert len(server.received) == 200
    pixels = [body["inputs"][0]["data"][0] for body in server.received]
    assert sorted(pixels) == sorted(list(range(SAMPLES)) * 20)


def test_an_empty_trace() -> None:
    with null_server() as server:
        summary = _run(server.url, 0, 1)
    assert (summary.sent, summary.slo_share, summary.p99_s, summary.send_lag_p99_s) == (0, None, None, None)


async def _by_turns(number: int, body: dict[str, Any]) -> web.Response:
    kinds = [200, 503, 504, 500, 400]
    status = kinds[number % len(kinds)]
    return label(0) if status == 200 else web.json_response({"error": "no"}, status=status)


def test_503_and_504_are_dropped_all_else_has_failed() -> None:
    with null_server(_by_turns) as server:
        summary = _run(server.url, 100, 1000)
    assert (summary.answered, summary.dropped, summary.failed) == (20, 40, 40)
    assert summary.drops == {"status-503": 20, "status-504": 20}
    assert summary.failures == {"status-400": 20, "status-500": 20}
    assert summary.slo_share == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("text", "accuracy"),
    [
        ('{"outputs": [{"data": [[3]]}]}', 0.1),
        ('{"outputs": [{"data": [3.0]}]}', 0.1),
        ('{"outputs": [{"data": [77]}]}', 0.0),
        ('{"outputs": [{"data": []}]}', None),
        ('{"outputs": []}', None),
        ("[]", None),
        ("no json", None),
    ],
)
def test_the_label_is_the_first_value_of_the_first_output(text: str, accuracy: float | None) -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        return web.Response(text=text, content_type="application/json")

    with null_server(answer) as server:
        summary = _run(server.url, 10, 1000)
    assert (summary.answered, summary.accuracy) == (10, accuracy)


def test_a_stalled_server_shows_in_the_latencies_of_all_who_waited() -> None:
    """The server stands still for 1 s in the middle of 2 s of load. A generator that waits for answers would see one
    slow request in 200; open-loop, half of all requests arrive meanwhile and wait half a second on average."""

    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        if number == 55:
            time.sleep(1.0)  # blocks the whole server, on purpose
        return await first_pixel(number, body)

    with null_server(answer) as server:
        summary = _run(server.url, 200, 100)
    assert summary.answered == 200
    assert summary.p99_s is not None
    assert summary.p99_s >= 0.5


def test_latency_runs_from_the_intended_time_not_from_a_free_connection() -> None:
    """30 requests at once over 10 connections, 0.2 s each: the last ones wait for two rounds before theirs. That is no
    lag of the generator, but the connections were too few, which is counted."""
    at_once, most = 0, 0

    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.2)
        at_once -= 1
        return await first_pixel(number, body)

    with null_server(answer) as server:
        result = sent(HTTP, server.url, a_load(HTTP, evenly(30, 1e9), connections=10))
    summary = summed_up(result)
    assert (summary.answered, most, result.waited) == (30, 10, 20)
    assert np.max(result.latency_s) >= 0.6
    assert np.max(result.send_lag_s) < np.max(result.latency_s)


def test_more_connections_than_select_can_watch() -> None:
    with null_server() as server:
        summary = summed_up(sent(HTTP, server.url, a_load(HTTP, evenly(50, 500), connections=2000)))
    assert (summary.answered, summary.accuracy) == (50, 1.0)


def test_no_answer_in_time_has_failed() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0 if number % 2 else 600)
        return await first_pixel(number, body)

    with null_server(answer) as server:
        summary = _run(server.url, 20, 100, timeout_s=1.0)
    assert (summary.sent, summary.failures["timeout"]) == (20, summary.failed)
    assert summary.failed >= 10


def test_no_free_connection_in_time_has_failed_too() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(600)
        return await first_pixel(number, body)

    with null_server(answer) as server:
        summary = summed_up(sent(HTTP, server.url, a_load(HTTP, evenly(40, 400), timeout_s=0.5, connections=2)))
    assert (summary.sent, summary.failures) == (40, {"timeout": 40})


def test_connection_refused_has_failed() -> None:
    summary = _run(f"http://{unused_address()}", 50, 500)
    assert (summary.sent, summary.failed, summary.slo_share, summary.mean_s) == (50, 50, 0.0, None)
    assert summary.failures == {"connect": 50}


def test_a_connection_cut_off_has_failed() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        raise asyncio.CancelledError  # aiohttp closes the connection without an answer

    with null_server(answer) as server:
        summary = _run(server.url, 10, 100)
    assert (summary.sent, summary.failures) == (10, {"closed": 10})


def test_progress_ends_with_everything_sent() -> None:
    seen: list[int] = []
    with null_server() as server:
        target = Target("digits", server.url, HTTP, None)
        run_load(a_load(HTTP, evenly(60, 50)), target.open_wire, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 60
    assert len(seen) >= 2


def test_sample_order_takes_all_in_turn() -> None:
    order = sample_order(4, 10, seed=1)
    assert sorted(order[:4]) == sorted(order[4:8]) == [0, 1, 2, 3]
    assert np.array_equal(order, sample_order(4, 10, seed=1))
    assert sample_order(4, 0, seed=1).tolist() == []


def test_a_lead_in_is_the_first_seconds_of_a_load() -> None:
    load = a_load(HTTP, evenly(10, 2.0))
    lead = lead_in(load, 1.6)
    assert lead.intended_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert lead.samples.tolist() == load.samples[:4].tolist()
    assert len(lead_in(load, 0.0).intended_s) == 0
    assert len(lead_in(load, 60.0).intended_s) == 10


def test_more_requests_than_one_load_can_hold_are_refused() -> None:
    trace = assemble(parse(f"constant:{MOST_REQUESTS}x2s"), {})
    with pytest.raises(UsageError, match="one load sends at most 20,000,000"):
        schedule(trace, 0)


def test_requests_that_wait_are_no_objects() -> None:
    """Nobody answers 100,000 requests that are due at once: an object for each would show in the allocated blocks."""

    class Stalled:
        def send(self, request: int, sample: int) -> Callable[[], None]:
            return lambda: None

        async def close(self) -> None:
            pass

    load = a_load(HTTP, np.zeros(100_000), timeout_s=0.3)
    blocks = [sys.getallocatedblocks()]
    result = run_load(load, lambda bodies, tell: Stalled(), lambda sent: blocks.append(sys.getallocatedblocks()))
    blocks.append(sys.getallocatedblocks())
    assert max(blocks) - blocks[0] < 20_000
    assert summed_up(result).failures == {"timeout": 100_000}
