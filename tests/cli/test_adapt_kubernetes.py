"""`ipa adapt` and `ipa solve` on a cluster, as processes: the API server double, and a Prometheus with one answer."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import pytest

from ipa.adapters.kubernetes import journal
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Connection
from ipa.cli.app import main
from ipa.cli.loading import load_config
from tests.adapters.kubernetes.pipelines import connection_to, install, leading, replicas, until
from tests.kube.double import Double
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

COMMAND = [sys.executable, "-m", "ipa"]
YAML = """\
name: {name}
slo: {{latency: 500ms}}
objective: {{accuracy: 100}}
profiles: .
stages: [{{name: detect}}]
forecast: {{predictor: last, window: 5s}}
control: {{interval: 500ms, hold: 1s}}
monitor: {{kind: prometheus, url: "{prometheus}", query: "sum(rate(requests[1m]))"}}
cluster: {{kind: kubernetes, kubeconfig: {kubeconfig}, ready_timeout: 2s, router_switch: 100ms}}
"""
VARIANTS = """\
stage,variant,accuracy,metric,memory_mb,load_s,source
detect,small,0.7,top1,,0.1,estimated:test
detect,large,0.9,top1,,0.1,estimated:test
"""
MEASUREMENTS = """\
stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,throughput_rps,requests,source
detect,small,cpu,1,1,0.01,0.01,0.01,0.01,100,100,estimated:test
detect,large,cpu,1,1,0.05,0.05,0.05,0.05,20,100,estimated:test
"""


@contextmanager
def prometheus(rate: list[float]) -> Iterator[str]:
    """As much of its HTTP API as one query takes; it says `rate[0]` for every second."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = json.dumps({"status": "success", "data": data(parts.path, asked)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    def data(path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        if path.endswith("/query"):
            return {"resultType": "scalar", "result": [time.time(), "1"]}
        times = range(int(float(asked["start"])), int(float(asked["end"])) + 1)
        values = [[at, str(rate[0])] for at in times]
        return {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def rate() -> list[float]:
    return [10.0]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    found = connection_to(cluster)
    yield found
    found.client.close()


@pytest.fixture
def configs(cluster: Cluster, connection: Connection, rate: list[float], tmp_path: Path) -> Iterator[list[Path]]:
    """Two pipelines, their Deployments made and nothing running."""
    (tmp_path / "variants.csv").write_text(VARIANTS)
    (tmp_path / "measurements.csv").write_text(MEASUREMENTS)
    with prometheus(rate) as url:
        paths = []
        for name in ("one", "two"):
            path = tmp_path / f"{name}.yaml"
            path.write_text(YAML.format(name=name, prometheus=url, kubeconfig=cluster.kubeconfig))
            install(connection, load_config(path))
            paths.append(path)
        yield paths


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Ipa(Protocol):
    def __call__(self, *words: object) -> Done: ...


@pytest.fixture
def ipa(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ipa]:
    """The command in this process, which need not import everything anew; signals are as they were afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["ipa", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextmanager
def adapting(*words: object) -> Iterator[subprocess.Popen[str]]:
    command = [*COMMAND, "adapt", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_controller_lives_tells_and_leaves_in_order(
    configs: list[Path], connection: Connection, rate: list[float]
) -> None:
    port = free_port()
    with adapting(configs[0], "--output", "json", "--metrics-port", port) as process:
        until(lambda: replicas(connection) == {"large": 1}, "the plan for 10/s", 30)
        rate[0] = 50.0
        until(lambda: replicas(connection) == {"large": 3}, "the plan for 50/s", 30)
        until(lambda: len(journal.read(connection, "one")) >= 2, "the journal")
        assert get(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
        assert get(f"http://127.0.0.1:{port}/readyz") == (200, "ok\n")
        _, text = get(f"http://127.0.0.1:{port}/metrics")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert 'ipa_decisions_total{outcome="applied",pipeline="one"} ' in text
    assert 'ipa_leading{pipeline="one"} 1.0' in text
    assert 'ipa_observed_rps{pipeline="one"} 50.0' in text
    assert 'ipa_solve_seconds_count{pipeline="one"}' in text
    turns = [json.loads(line) for line in out.splitlines()]
    assert {turn["pipeline"] for turn in turns} == {"one"}
    lease = connection.get(connection.path("coordination.k8s.io/v1", "leases", "one-controller"))
    assert lease["spec"]["holderIdentity"] == ""
    lines = [json.loads(line) for line in journal.read(connection, "one")]
    assert [line["apply"][0]["replicas"] for line in lines] == [1, 3]


def test_several_pipelines_live_in_one_process(configs: list[Path], connection: Connection) -> None:
    with adapting(*configs) as process:
        until(lambda: all(records.read(connection, name).revision for name in ("one", "two")), "both plans", 30)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert {line.partition("  ")[0] for line in out.splitlines()} == {"one", "two"}


def test_once_is_one_decision_without_a_lease_that_stays(ipa: Ipa, configs: list[Path], connection: Connection) -> None:
    done = ipa("adapt", configs[0], "--once", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"]["applied"]
    assert replicas(connection) == {"large": 1}


def test_a_dry_run_is_checked_by_the_server_and_changes_nothing(
    ipa: Ipa, configs: list[Path], connection: Connection, double: Double
) -> None:
    double.forget_records()
    done = ipa("adapt", configs[0], "--dry-run", "--once", "--output", "json")
    turn = json.loads(done.stdout)
    assert turn["outcome"]["detail"] == "dry run: the server accepts 1 changes"
    assert replicas(connection) == {}
    assert {r.query.get("dryRun") for r in double.records if r.method != "GET"} == {"All"}
    diff = ipa("solve", configs[0], "--dry-run", "--exit-code", "--output", "json")
    assert diff.returncode == 10


def test_solve_applies_once_and_says_when_it_had_to_go_back(
    ipa: Ipa, configs: list[Path], connection: Connection, double: Double
) -> None:
    done = ipa("solve", configs[0], "--rate", "50")
    assert done.returncode == 0, done.stderr
    assert replicas(connection) == {"large": 3}
    double.set(never_ready=lambda pod: pod["metadata"]["annotations"]["ipa/variant"] == "large")
    again = ipa("solve", configs[0], "--rate", "70")
    assert again.returncode == 4, again.stderr
    assert "back to the last good plan" in again.stderr
    assert replicas(connection) == {"large": 3}


def test_solve_does_not_fight_a_controller(ipa: Ipa, configs: list[Path], connection: Connection) -> None:
    with leading(load_config(configs[0]), connection) as controller:
        done = ipa("solve", configs[0], "--rate", "50")
    assert done.returncode == 1
    assert f"pipeline one is controlled by {controller.elector.identity}" in done.stderr
    assert replicas(connection) == {}


def test_what_cannot_be_is_said_at_once(ipa: Ipa, configs: list[Path], tmp_path: Path, double: Double) -> None:
    text = configs[0].read_text()
    local = tmp_path / "local.yaml"
    local.write_text(text.replace("name: one", "name: local").split("cluster:")[0])
    mixed = ipa("adapt", configs[0], local, "--once")
    assert (mixed.returncode, mixed.stderr) == (
        2,
        "ipa: cluster.kind: kubernetes and local: one process adapts pipelines of one kind\n",
    )
    nowhere = tmp_path / "nowhere.yaml"
    nowhere.write_text(text.replace("kubeconfig: ", "kubeconfig: /nowhere/"))
    assert ipa("adapt", nowhere, "--once").returncode == 2
    double.close()
    away = ipa("adapt", configs[0], "--once", "--output", "json")
    assert away.returncode == 1
    assert "/leases/one-controller: " in away.stderr
