"""gRPC of the load generator, against a server that computes nothing and against a real MLServer."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import numpy as np
import pytest

from ipa.adapters.load_grpc import GRPC, check_url, fetch_metadata
from ipa.adapters.payload import InputTensor, input_tensor
from ipa.errors import Unavailable, UsageError
from ipa.workload.summary import LoadSummary
from tests.adapters.loads import a_load, evenly, payload, sent, summed_up, unused_address
from tests.adapters.null_grpc_server import Answer, first_pixel, null_grpc_server, raw, typed
from tests.adapters.raw_server import raw_server
from tests.dataplane.processes import model_servers


def _run(answer: Answer, requests: int, rate_rps: float, timeout_s: float = 30.0) -> LoadSummary:
    with null_grpc_server(answer) as address:
        return summed_up(sent(GRPC, address, a_load(GRPC, evenly(requests, rate_rps), timeout_s)))


def test_everything_is_sent_answered_and_right() -> None:
    received: list[Any] = []

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        received.append(request)
        return first_pixel(request, context)

    summary = _run(answer, 100, 200)
    assert (summary.sent, summary.answered, summary.accuracy) == (100, 100, 1.0)
    assert (received[0].model_name, list(received[0].inputs[0].shape)) == ("digits", [1, 2, 2])
    pixels = [np.frombuffer(each.raw_input_contents[0], "<f4").tolist() for each in received]
    assert sorted(pixels) == sorted([[float(value)] * 4 for value in range(10)] * 10)


@pytest.mark.parametrize(
    ("response", "accuracy"),
    [
        (raw("INT64", (3).to_bytes(8, "little")), 0.1),
        (raw("UINT8", b"\x03\x07"), 0.1),
        (raw("FP32", np.float32(3).tobytes()), 0.1),
        (raw("BYTES", b"\x05\0\0\0three"), 0.0),
        (typed("INT64", int64_contents=[3, 7]), 0.1),
        (typed("FP32", fp32_contents=[3.0]), 0.1),
        (typed("BYTES", bytes_contents=[b"three"]), 0.0),
        (typed("INT64"), None),
        (raw("INT64", b"\x03"), None),
        (raw("BYTES", b"\x09\0\0\0three"), None),
        (raw("COMPLEX", b"\x03"), None),
    ],
)
def test_the_label_is_the_first_value_of_the_first_output(response: Any, accuracy: float | None) -> None:
    summary = _run(lambda request, context: response, 10, 1000)
    assert (summary.answered, summary.accuracy) == (10, accuracy)


def _aborting(code: grpc.StatusCode, **trailers: str) -> Answer:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata(tuple((name.replace("_", "-"), value) for name, value in trailers.items()))
        context.abort(code, "no")

    return answer


@pytest.mark.parametrize(
    ("answer", "drops", "failures"),
    [
        (_aborting(grpc.StatusCode.UNAVAILABLE, x_ipa_drop="queue-full"), {"queue-full": 10}, {}),
        (_aborting(grpc.StatusCode.DEADLINE_EXCEEDED, x_ipa_drop="deadline"), {"deadline": 10}, {}),
        (_aborting(grpc.StatusCode.DEADLINE_EXCEEDED), {"deadline-exceeded": 10}, {}),
        (_aborting(grpc.StatusCode.RESOURCE_EXHAUSTED), {"resource-exhausted": 10}, {}),
        (_aborting(grpc.StatusCode.UNAVAILABLE), {}, {"unavailable": 10}),
        (_aborting(grpc.StatusCode.INVALID_ARGUMENT), {}, {"invalid-argument": 10}),
    ],
)
def test_drops_and_failures_by_reason(answer: Answer, drops: dict[str, int], failures: dict[str, int]) -> None:
    summary = _run(answer, 10, 1000)
    assert (summary.sent, summary.drops, summary.failures) == (10, drops, failures)


def test_no_answer_in_time_has_failed_and_the_call_is_given_up() -> None:
    given_up = threading.Event()

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        context.add_callback(given_up.set)
        assert given_up.wait(30)
        return first_pixel(request, context)

    assert _run(answer, 3, 1000, timeout_s=0.5).failures == {"timeout": 3}
    assert given_up.is_set()


def test_no_server_and_one_that_speaks_something_else_have_failed() -> None:
    summary = summed_up(sent(GRPC, unused_address(), a_load(GRPC, evenly(5, 100))))
    assert summary.failures == {"unavailable": 5}
    with raw_server(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")) as url:
        address = url.removeprefix("http://")
        summary = summed_up(sent(GRPC, address, a_load(GRPC, evenly(5, 100), timeout_s=5.0)))
        assert (summary.sent, summary.failed) == (5, 5)
        with pytest.raises(Unavailable, match="model 'digits'"):
            fetch_metadata(check_url(address), "digits")


def test_metadata() -> None:
    with null_grpc_server() as address:
        url = check_url(address)
        assert input_tensor(fetch_metadata(url, "digits"), payload(2, 2)) == InputTensor("image", "FP32", (2, 2))
        with pytest.raises(UsageError, match="NOT_FOUND: no model other"):
            fetch_metadata(url, "other")
    with pytest.raises(Unavailable, match="UNAVAILABLE"):
        fetch_metadata(check_url(unused_address()), "digits")


@pytest.mark.parametrize("url", ["grpc://localhost:8081", "localhost:8081", "grpc://localhost:8081/"])
def test_an_address_with_or_without_its_scheme(url: str) -> None:
    assert check_url(url) == "grpc://localhost:8081"


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://localhost:8081", "grpc://h", "h:0", "h:99999", "grpc://h:1/x"]
)
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(UsageError) as error:
        check_url(url)
    assert str(error.value).startswith(url)


@pytest.mark.slow
def test_a_real_mlserver_doubles_every_first_value() -> None:
    """The label is the first value sent, the answer its double: right for the sample of zeros alone."""
    with model_servers() as servers:
        (server,) = servers.start("one")
        metadata = fetch_metadata(check_url(server.address), "one")
        tensor = input_tensor(metadata, payload(2))
        assert tensor == InputTensor("x", "FP32", (2,))
        load = a_load(GRPC, evenly(100, 100), model="one", tensor=tensor)
        summary = summed_up(sent(GRPC, server.address, load, "one"))
    assert (summary.sent, summary.answered, summary.accuracy) == (100, 100, 0.1)
