"""Where a load goes, and what is counted beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ipa.adapters import state
from ipa.adapters.load_grpc import GRPC
from ipa.adapters.load_http import HTTP
from ipa.adapters.load_target import Target, core_seconds, encode_bodies, find_target, send
from ipa.errors import ConfigError, UsageError
from tests.adapters.loads import a_load, evenly, payload, unused_address
from tests.adapters.null_server import CORE_SECONDS_A_REQUEST, TOKEN, null_server


@contextmanager
def _running(
    url: str, folder: Path, token: str = TOKEN, grpc_address: str | None = "127.0.0.1:2"
) -> Iterator[state.RunState]:
    """A local run, as far as other commands can see; the null server is its control API too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        with state.claim("digits") as claimed:
            run = state.RunState("digits", os.getpid(), url, url, token, url, token, grpc_address)
            state.write(claimed, run)
            yield run


@pytest.mark.parametrize(
    ("url", "protocol", "reached", "spoken"),
    [
        ("http://h:1/", None, "http://h:1", HTTP),
        ("http://h:1", "http", "http://h:1", HTTP),
        ("grpc://h:1", None, "grpc://h:1", GRPC),
        ("grpc://h:1", "grpc", "grpc://h:1", GRPC),
        ("h:1", "grpc", "grpc://h:1", GRPC),
    ],
)
def test_url_and_protocol(url: str, protocol: str | None, reached: str, spoken: object) -> None:
    target = find_target("nothing of that name", url, protocol)
    assert (target.url, target.protocol, target.run) == (reached, spoken, None)


@pytest.mark.parametrize(
    ("url", "protocol"), [("http://h:1", "grpc"), ("grpc://h:1", "http"), ("h:1", None), ("", None), (None, None)]
)
def test_url_and_protocol_that_do_not_go_together(url: str | None, protocol: str | None) -> None:
    with pytest.raises(UsageError):
        find_target("nothing of that name", url, protocol)


def test_a_local_run_is_found_by_name_over_http(tmp_path: Path) -> None:
    with _running("http://127.0.0.1:1", tmp_path) as run:
        assert find_target("digits", None, None) == Target("digits", run.url, HTTP, run)
        assert find_target("digits", run.url + "/", None).run == run
        assert find_target("digits", "http://127.0.0.1:2", None).run is None


def test_a_local_run_is_found_by_name_over_grpc(tmp_path: Path) -> None:
    with _running("http://127.0.0.1:1", tmp_path) as run:
        assert find_target("digits", None, "grpc") == Target("digits", "grpc://127.0.0.1:2", GRPC, run)
        assert find_target("digits", "grpc://127.0.0.1:2", None).run == run
        assert find_target("digits", "grpc://127.0.0.1:3", None).run is None


def test_a_run_without_a_grpc_address_needs_a_url(tmp_path: Path) -> None:
    with (
        _running("http://127.0.0.1:1", tmp_path, grpc_address=None),
        pytest.raises(UsageError, match="does not say where it speaks grpc: give --url"),
    ):
        find_target("digits", None, "grpc")


def test_what_warms_up_is_sent_but_not_counted(tmp_path: Path) -> None:
    with null_server() as server, _running(server.url, tmp_path):
        target = find_target("digits", None, None)
        result, spent_s = send(target, a_load(HTTP, evenly(20, 100)), 0.05, lambda sent: None)
    assert len(server.received) == 25
    assert len(result.outcome) == 20
    assert spent_s == pytest.approx(20 * CORE_SECONDS_A_REQUEST)


def test_core_seconds_are_unknown_without_a_run_its_token_or_its_answer(tmp_path: Path) -> None:
    with null_server() as server:
        with _running(server.url, tmp_path):
            assert core_seconds(find_target("digits", None, None)) == 0
            assert core_seconds(find_target("digits", f"http://{unused_address()}", None)) is None
        with _running(server.url, tmp_path, "guess"):
            assert core_seconds(find_target("digits", None, None)) is None
    with _running(server.url, tmp_path):
        assert core_seconds(find_target("digits", None, None)) is None


def test_every_payload_must_fit_the_model() -> None:
    with null_server() as server:
        target = find_target("digits", server.url, None)
        bodies, warning = encode_bodies(target, [payload(2, 2), payload(2, 2)])
        assert (len(bodies), warning) == (20, None)
        with pytest.raises(ConfigError, match=r"samples of shape \(3,\)"):
            encode_bodies(target, [payload(2, 2), payload(3)])


def test_where_nothing_answers_the_input_is_guessed_with_a_warning() -> None:
    target = find_target("digits", f"http://{unused_address()}", None)
    bodies, warning = encode_bodies(target, [payload(2, 2)])
    assert b'"input"' in bodies.body(0)
    assert warning is not None
    assert "the load goes on" in warning
