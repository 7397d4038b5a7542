"""The load generator against a real server in the same process, on a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from ipa.adapters.loadgen import Load, fetch_core_seconds, fetch_metadata, run_load, sample_order
from ipa.adapters.payload import Bodies, Payload, assumed_tensor
from ipa.errors import Unavailable, UsageError
from ipa.workload.summary import LoadSummary, summarise
from tests.adapters.null_server import (
    CORE_SECONDS_A_REQUEST,
    METADATA,
    TOKEN,
    first_pixel,
    label,
    null_server,
)

SAMPLES = 10


def _load(url: str, requests: int, rate_rps: float, timeout_s: float = 30.0, warm_up: int = 5) -> Load:
    """Sample i is filled with i, and its label is i: first_pixel() is always right."""
    inputs = np.repeat(np.arange(SAMPLES, dtype=np.float32), 4).reshape(SAMPLES, 2, 2)
    payload = Payload(Path("p.npz"), inputs, np.arange(SAMPLES))
    return Load(
        url=url,
        pipeline="digits",
        intended_s=np.arange(requests) / rate_rps,
        samples=sample_order(SAMPLES, requests, 0),
        bodies=Bodies(payload, assumed_tensor(payload)),
        labels=payload.labels,
        timeout_s=timeout_s,
        warm_up=warm_up,
    )


def _run(load: Load, slo_s: float = 10.0) -> LoadSummary:
    summary = summarise(run_load(load, lambda sent: None), slo_s, None)
    assert summary.sent == summary.answered + summary.dropped + summary.failed
    return summary


def _unused_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_everything_is_sent_answered_and_right() -> None:
    with null_server() as server:
        summary = _run(_load(server.url, requests=200, rate_rps=500))
    assert (summary.sent, summary.answered, summary.accuracy) == (200, 200, 1.0)
    assert summary.slo_share == 1.0
    assert len(server.received) == 205  # 5 to warm up
    sent = [body["inputs"][0]["data"][0] for body in server.received[5:]]
    assert sorted(sent) == sorted(list(range(SAMPLES)) * 20)


def test_an_empty_trace() -> None:
    with null_server() as server:
        summary = _run(_load(server.url, requests=0, rate_rps=1))
    assert (summary.sent, summary.slo_share, summary.p99_s, summary.send_lag_p99_s) == (0, None, None, None)


async def _by_turns(number: int, body: dict[str, Any]) -> web.Response:
    kinds = [200, 503, 504, 500, 400]
    status = kinds[number % len(kinds)]
    return label(0) if status == 200 else web.json_response({"error": "no"}, status=status)


def test_503_and_504_are_dropped_all_else_has_failed() -> None:
    with null_server(_by_turns) as server:
        summary = _run(_load(server.url, requests=100, rate_rps=1000))
    assert (summary.answered, summary.dropped, summary.failed) == (20, 40, 40)
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
        summary = _run(_load(server.url, requests=10, rate_rps=1000))
    assert (summary.answered, summary.accuracy) == (10, accuracy)


def test_a_stalled_server_shows_in_the_latencies_of_all_who_waited() -> None:
    """The server stands still for 1 s in the middle of 2 s of load. A generator that waits for answers would see one
    slow request in 200; open-loop, half of all requests arrive meanwhile and wait half a second on average."""

    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        if number == 55:
            time.sleep(1.0)  # blocks the whole server, on purpose
        return await first_pixel(number, body)

    with null_server(answer) as server:
        summary = _run(_load(server.url, requests=200, rate_rps=100))
    assert summary.answered == 200
    assert summary.p99_s is not None
    assert summary.p99_s >= 0.5


def test_latency_runs_from_the_intended_time_not_from_a_free_connection() -> None:
    """600 requests at once over 256 connections, 0.2 s each: the last ones wait for two rounds before theirs."""

    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.2)
        return await first_pixel(number, body)

    with null_server(answer) as server:
        result = run_load(_load(server.url, requests=600, rate_rps=1e9), lambda sent: None)
    assert np.max(result.latency_s) >= 0.6


def test_no_answer_in_time_has_failed() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0 if number % 2 else 600)
        return await first_pixel(number, body)

    with null_server(answer) as server:
        summary = _run(_load(server.url, requests=20, rate_rps=100, timeout_s=1.0, warm_up=0))
    assert summary.sent == 20
    assert summary.failed >= 10


def test_connection_refused_has_failed() -> None:
    summary = _run(_load(_unused_url(), requests=50, rate_rps=500))
    assert (summary.sent, summary.failed, summary.slo_share, summary.mean_s) == (50, 50, 0.0, None)


def test_a_connection_cut_off_has_failed() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        raise asyncio.CancelledError  # aiohttp closes the connection without an answer

    with null_server(answer) as server:
        summary = _run(_load(server.url, requests=10, rate_rps=100))
    assert (summary.sent, summary.failed) == (10, 10)


def test_progress_ends_with_everything_sent() -> None:
    seen: list[int] = []
    with null_server() as server:
        run_load(_load(server.url, requests=60, rate_rps=50), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 60
    assert len(seen) >= 2


def test_sample_order_takes_all_in_turn() -> None:
    order = sample_order(4, 10, seed=1)
    assert sorted(order[:4]) == sorted(order[4:8]) == [0, 1, 2, 3]
    assert np.array_equal(order, sample_order(4, 10, seed=1))
    assert sample_order(4, 0, seed=1).tolist() == []


def test_metadata() -> None:
    with null_server() as server:
        assert fetch_metadata(server.url + "/", "digits") == METADATA
        with pytest.raises(UsageError, match="answered 404"):
            fetch_metadata(server.url, "other/name")
    with pytest.raises(Unavailable, match="/v2/models/digits"):
        fetch_metadata(_unused_url(), "digits")
    with pytest.raises(UsageError, match="is no URL"):
        fetch_metadata("localhost", "digits")


def test_core_seconds_need_the_token() -> None:
    with null_server() as server:
        assert fetch_core_seconds(server.url, TOKEN) == 0
        _run(_load(server.url, requests=95, rate_rps=1000))
        assert fetch_core_seconds(server.url, TOKEN) == 100 * CORE_SECONDS_A_REQUEST
        with pytest.raises(UsageError, match="answered 401"):
            fetch_core_seconds(server.url, "guess")


def test_core_seconds_of_nothing_are_unavailable() -> None:
    with pytest.raises(Unavailable, match="/status"):
        fetch_core_seconds(_unused_url(), "token")
