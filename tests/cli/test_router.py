"""`ipa router` as a command, in front of servers that run already."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ipa.cli.app import main
from tests.dataplane.processes import Server, free_ports, model_servers

CONFIG = """
name: pipe
slo: {latency: 5s}
profiles: profile
stages: [{name: one}, {name: two}]
"""
BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
TOKEN = "a secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "variants.csv").write_text(
        "stage,variant,accuracy,metric,memory_mb,load_s,source\none,double,0.9,,,,paper\ntwo,double,0.9,,,,paper\n"
    )
    (tmp_path / "pipe.yaml").write_text(CONFIG)
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path


@dataclass(frozen=True, slots=True)
class Router:
    """One in the foreground that has said all it says at start."""

    process: subprocess.Popen[str]
    url: str
    admin_url: str
    token_at: str
    state: str

    def infer(self) -> httpx.Response:
        return httpx.post(f"{self.url}/v2/models/pipe/infer", json=BODY, trust_env=False)

    def status(self, path: str) -> int:
        return httpx.get(f"{self.url}{path}", trust_env=False).status_code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """The exit code after that signal, and what else it said."""
        self.process.send_signal(number)
        assert self.process.stderr
        return self.process.wait(timeout=30), self.process.stderr.read()


@contextmanager
def started(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from ipa.cli.app import main; main()", "router", "pipe.yaml", *arguments]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder / "run"), **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def routing(folder: Path, *arguments: str, **environment: str) -> Iterator[Router]:
    with started(folder, "--port=0", *arguments, **environment) as process:
        assert process.stderr
        listens, plans, says = (process.stderr.readline().split() for _ in range(3))
        assert listens[1:3] == ["listens", "on"], [listens, plans, says]
        yield Router(process, listens[3], plans[4].removesuffix("/plan"), plans[-1], " ".join(says))


def named(servers: list[Server]) -> list[str]:
    return [f"--replica={server.stage}={server.address}/{server.row['model']}" for server in servers]


def plan(servers: list[Server]) -> dict[str, Any]:
    rule = {"batch": 2, "remaining_s": 0}
    return {"stages": [{"stage": server.stage, **rule, "replicas": [dict(server.row)]} for server in servers]}


@pytest.mark.slow
def test_named_servers_answer_as_one_model_and_a_signal_ends_it_in_order(folder: Path) -> None:
    """A request that is under way when the signal comes is answered; nobody new gets in; the token is gone."""
    with model_servers() as servers:
        arguments = named(servers.start_small("one", "two", delay_s=0.3))
        with routing(folder, *arguments, "--batch=one=4") as router, ThreadPoolExecutor() as pool:
            assert router.state == f"ready: {router.url}/v2/models/pipe"
            assert router.status("/v2/health/ready") == 200
            assert router.infer().json()["outputs"][0]["data"] == [4, 8]
            token = Path(router.token_at)
            assert stat.S_IMODE(token.stat().st_mode) == 0o600 and len(token.read_text()) > 40
            under_way = pool.submit(router.infer)
            counted = 'ipa_requests_total{pipeline="pipe"} 2.0'
            while counted not in httpx.get(f"{router.url}/metrics", trust_env=False).text:
                time.sleep(0.01)
            assert router.stop() == (0, "")
            assert under_way.result().status_code == 200
            with pytest.raises(httpx.ConnectError):
                router.status("/v2/health/live")
            assert not token.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_servers_it_waits_for_a_plan_from_whoever_knows_the_token(folder: Path, number: signal.Signals) -> None:
    with model_servers() as servers, routing(folder, IPA_ADMIN_TOKEN=TOKEN) as router:
        assert (router.token_at, router.state) == ("$IPA_ADMIN_TOKEN", "no plan is routed yet")
        assert not list((folder / "run").iterdir())
        assert (router.status("/v2/health/live"), router.status("/v2/health/ready")) == (200, 503)
        assert router.infer().headers["X-Ipa-Drop"] == "unavailable"
        document = plan(servers.start_small("one", "two"))
        for token, status in (("guessed", 401), (TOKEN, 200)):
            headers = {"Authorization": f"Bearer {token}"}
            put = httpx.put(f"{router.admin_url}/plan", json=document, headers=headers, trust_env=False)
            assert put.status_code == status
        assert router.infer().json()["outputs"][0]["data"] == [4, 8]
        assert router.stop(number) == (0, "")


@pytest.mark.slow
def test_a_plan_file_is_routed_at_start(folder: Path) -> None:
    with model_servers() as servers:
        (folder / "plan.json").write_text(json.dumps(plan(servers.start_small("one", "two"))))
        with routing(folder, "--plan=plan.json") as router:
            assert router.infer().status_code == 200
            with started(folder, "--port=0") as second:
                assert second.wait(timeout=30) == 1
                assert second.stderr and f"pipe already runs (pid {router.process.pid})" in second.stderr.read()


@pytest.mark.slow
def test_servers_that_do_not_fit_the_pipeline_exit_1(folder: Path) -> None:
    with model_servers() as servers:
        (one,) = servers.start_small("one")
        with started(folder, "--port=0", f"--replica=one={one.address}", f"--replica=two={one.address}") as process:
            _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "ipa: stage 'two' takes 'x', but ['one'] do not return it\n")


@pytest.mark.slow
def test_a_signal_while_it_tries_to_connect_ends_it(folder: Path) -> None:
    (port,) = free_ports(1)
    arguments = [f"--port={port}", "--grpc-port=0", "--replica=one=127.0.0.1:9", "--replica=two=127.0.0.1:9"]
    with started(folder, *arguments) as process:
        while process.poll() is None:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/v2/health/ready", trust_env=False).status_code == 503
                break
            except httpx.TransportError:
                time.sleep(0.05)
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def refused(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.setattr(sys, "argv", ["ipa", "router", "pipe.yaml", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_server_that_does_not_answer_exits_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ipa.dataplane.router.CONNECT_TIMEOUT_S", 0.2)
    servers = ["--replica=one=127.0.0.1:9", "--replica=two=127.0.0.1:9"]
    assert refused(folder, monkeypatch, "--port=0", *servers) == 1
    assert capsys.readouterr() == ("", "ipa: 127.0.0.1:9: no V2 gRPC server within 0.2 s\n")


@pytest.mark.parametrize("option", ["--port", "--grpc-port", "--admin-port"])
def test_a_taken_port_exits_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--port": 0, "--grpc-port": 0} | {option: port}
        assert refused(folder, monkeypatch, *(f"{name}={number}" for name, number in ports.items())) == 1
    assert f"ipa: cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--replica=one=h:1"], "--replica two=HOST:PORT is missing"),
        (["--batch=one=2"], "--batch goes with --replica"),
        (["--plan=pipe.yaml", "--replica=one=h:1"], "--plan names the replicas"),
        (["--plan=pipe.yaml"], "pipe.yaml: the plan is not JSON"),
        (["--plan=none.json"], "none.json: cannot be read"),
        (["--plan=solved.json"], "solved.json: plan.stages: is missing"),
        (["--port=8080", "--grpc-port=8080"], "give each its own"),
        (["--host="], "--host: must be an address"),
    ],
)
def test_wrong_usage_exits_2(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    (folder / "solved.json").write_text('{"plan": []}')
    assert refused(folder, monkeypatch, *arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("token", ["", " x", "ü", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    monkeypatch.setenv("IPA_ADMIN_TOKEN", token)
    assert refused(folder, monkeypatch, "--port=0") == 2
    assert capsys.readouterr().err == (
        "ipa: IPA_ADMIN_TOKEN: must be printable ASCII without spaces around it, and not empty\n"
    )


def test_a_stage_that_cannot_be_visited_so_often_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pipe.yaml").write_text(CONFIG.replace("{name: two}", "{name: two, visits: 2}"))
    assert refused(folder, monkeypatch, "--port=0") == 2
    assert "stages[1].visits: 2" in capsys.readouterr().err
