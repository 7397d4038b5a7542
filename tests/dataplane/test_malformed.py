"""Malformed V2 against both ports of one real server: never a 5xx for the client's fault, a leak or a hang.

IPA_FUZZ_CASES sets how many cases there are (10,000 say more, and take five times as long), IPA_FUZZ_SEED which.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any, TypeVar

import grpc
import pytest
from aiohttp import ClientError, HttpVersion11

from tests.dataplane.malformed import SERVICE, GrpcCase, RestCase, grpc_case, rest_case, wire_case
from tests.dataplane.ports import Client, Port, opened

CASES = int(os.environ.get("IPA_FUZZ_CASES", "2000"))
SEED = int(os.environ.get("IPA_FUZZ_SEED", "0"))
AT_ONCE = 8
WIRES_AT_ONCE = 40  # many of these promise bytes that never come: the port has to end them
WAITS_S = 0.3

Case = TypeVar("Case")
Send = Callable[[Case], Awaitable[str]]

CLIENTS_FAULT = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED"}


@pytest.mark.timeout(600)
def test_malformed_requests_are_the_clients_fault_and_leave_nothing_behind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipa.dataplane.web.BODY_TIMEOUT_S", WAITS_S)

    async def story() -> Counter[str]:
        port = await opened()
        port.open("a")
        port.replica("a").compute = lambda inputs: {"x": inputs["x"]}  # doubling can leave what JSON can carry
        async with port.rest(keepalive_timeout=WAITS_S, lingering_time=WAITS_S) as client, port.grpc() as channel:
            before = len(asyncio.all_tasks())
            seen = await all_sent(port, client, channel)
            await asyncio.sleep(0.1)
            assert len(asyncio.all_tasks()) <= before + AT_ONCE  # the client's idle connections
        assert port.waiting == 0
        metrics = port.metrics.text().decode().splitlines()
        assert "ipa_errors_total 0.0" in metrics
        assert 'ipa_in_flight{stage="one"} 0.0' in metrics
        await port.close()
        return seen

    seen = asyncio.run(story())
    assert sum(seen.values()) == 20 * (CASES // 20)
    assert {"200", "400", "404", "405", "OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(seen), "all kinds occur"
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def all_sent(port: Port, client: Client, channel: Any) -> Counter[str]:
    """How often each status was answered."""
    seen: Counter[str] = Counter()

    async def rest(case: RestCase) -> str:
        return await rest_status(client, case)

    async def wire(sent: bytes) -> str:
        return await wire_status(client, sent)

    async def calls(case: GrpcCase) -> str:
        return await grpc_code(channel, case)

    await asyncio.gather(
        sent_all(rest, some(rest_case, 9), seen, AT_ONCE),
        sent_all(calls, some(grpc_case, 9), seen, AT_ONCE),
        sent_all(wire, some(wire_case, 2), seen, WIRES_AT_ONCE),
    )
    return seen


def some(make: Callable[[Random], Case], twentieths: int) -> Iterator[Case]:
    random = Random(SEED)
    return (make(random) for _ in range(twentieths * (CASES // 20)))


async def sent_all(send: Send[Case], cases: Iterator[Case], seen: Counter[str], at_once: int) -> None:
    """`at_once` of them at a time; each must get a status that blames nobody but the client."""

    async def one_by_one() -> None:
        for case in cases:
            status = await send(case)
            assert status in CLIENTS_FAULT or status[0] in "24" or status == "closed", (status, case)
            seen[status] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_by_one())


async def rest_status(client: Client, case: RestCase) -> str:
    try:
        async with client.request(case.method, case.path, data=case.body, headers=case.headers) as answer:
            content = await answer.read()
            # What aiohttp refuses before the application sees it has no V2 form: broken HTTP, and an unknown Expect.
            has_form = 400 <= answer.status != 417 and case.method != "HEAD" and answer.version == HttpVersion11
            assert b'"error"' in content or not has_form, (answer.status, content, case)
            return str(answer.status)
    except (ClientError, ValueError):
        return await wire_status(client, case.on_the_wire())  # aiohttp's client refuses to send such a thing


async def wire_status(client: Client, sent: bytes) -> str:
    """The status of the first answer, or that the port closed the connection without one; it must do one of both."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        writer.write(sent)
        answered = await reader.read()
    except ConnectionError:
        return "closed"
    finally:
        writer.close()
    return answered.split(b" ", 2)[1].decode() if answered else "closed"


async def grpc_code(channel: Any, case: GrpcCase) -> str:
    try:
        await channel.unary_unary(SERVICE + case.method)(case.body)
    except grpc.aio.AioRpcError as error:
        assert error.details(), case
        return str(error.code().name)
    return "OK"
