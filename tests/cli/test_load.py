"""`ipa load` as a command: documents, exit codes, ^C."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from aiohttp import web

from ipa.adapters import state
from ipa.cli.app import main
from tests.adapters.null_grpc_server import null_grpc_server
from tests.adapters.null_server import CORE_SECONDS_A_REQUEST, TOKEN, Answer, first_pixel, null_server

CONFIG = """
name: digits
slo: {latency: 5s}
profiles: profile
stages: [{name: classify}]
load: {payload: samples.npz}
"""
KEYS = [
    "sent",
    "answered",
    "dropped",
    "failed",
    "slo_share",
    "mean_s",
    "p50_s",
    "p95_s",
    "p99_s",
    "accuracy",
    "core_hours",
    "send_lag_p99_s",
    "drops",
    "failures",
]
REFUSED = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "variants.csv").write_text(
        "stage,variant,accuracy,metric,memory_mb,load_s,source\nclassify,small,0.5,share,,,paper\n"
    )
    (tmp_path / "profile" / "measurements.csv").write_text(
        "stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,"
        "throughput_rps,requests,source\nclassify,small,cpu,1,1,0.01,0.01,0.01,0.01,,,paper\n"
    )
    (tmp_path / "digits.yaml").write_text(CONFIG)
    pixels = np.repeat(np.arange(10, dtype=np.float32), 4).reshape(10, 2, 2)
    np.savez(tmp_path / "samples.npz", inputs=pixels, labels=np.arange(10))
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from ipa.cli.app import main; main()", "load", "digits.yaml", *arguments],
        cwd=folder,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _load(folder: Path, *arguments: str) -> tuple[int, str, str]:
    with _start(folder, *arguments) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@contextmanager
def _running(folder: Path, url: str, grpc_address: str | None = None) -> Iterator[None]:
    """A local run, as far as other commands can see: this process, and the null server is its control API too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        with state.claim("digits") as claimed:
            state.write(claimed, state.RunState("digits", os.getpid(), url, url, TOKEN, url, TOKEN, grpc_address))
            yield


def test_json_holds_exactly_the_keys_of_the_contract(folder: Path) -> None:
    with null_server() as server:
        code, out, err = _load(
            folder, "--trace", "poisson:100x1s", "--url", server.url, "--output", "json", "--seed", "3"
        )
    assert code == 0, err
    document = json.loads(out)
    assert list(document) == KEYS
    assert document["sent"] == document["answered"] == len(server.received)
    assert (document["accuracy"], document["slo_share"], document["core_hours"]) == (1.0, 1.0, None)


def test_yaml_and_table(folder: Path) -> None:
    with null_server() as server:
        _, as_yaml, _ = _load(folder, "--trace", "constant:50x200ms", "--url", server.url, "--output", "yaml")
        code, table, err = _load(folder, "--trace", "constant:50x200ms", "--url", server.url)
    assert list(yaml.safe_load(as_yaml)) == KEYS
    assert code == 0, err
    assert "slo share" in table
    assert "100.00%" in table


def test_an_attached_run_gives_url_and_core_hours(folder: Path) -> None:
    with null_server() as server, _running(folder, server.url):
        code, out, err = _load(folder, "--trace", "constant:50x1s", "--output", "json")
    assert code == 0, err
    assert json.loads(out)["core_hours"] == pytest.approx(50 * CORE_SECONDS_A_REQUEST / 3600)


def test_the_cores_of_a_local_run_do_not_count_for_a_load_elsewhere(folder: Path) -> None:
    with null_server() as server, null_server() as other, _running(folder, server.url):
        code, out, err = _load(folder, "--trace", "constant:50x200ms", "--url", other.url, "--output", "json")
    assert code == 0, err
    assert json.loads(out)["core_hours"] is None
    assert (len(server.received), len(other.received)) == (0, 10)


def test_a_server_that_refuses_is_a_result_not_an_error(folder: Path) -> None:
    code, out, err = _load(folder, "--trace", "constant:50x200ms", "--url", REFUSED, "--output", "json")
    document = json.loads(out)
    assert code == 0, err
    assert (document["sent"], document["failures"], document["mean_s"]) == (10, {"connect": 10}, None)
    assert "warning: http://127.0.0.1:9/v2/models/digits" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trace", "poisson:1x1s"], "give --url"),
        (["--trace", "uniform:1x1s", "--url", REFUSED], "unknown kind 'uniform'"),
        (["--trace", "none.txt", "--url", REFUSED], "No such file"),
        (["--trace", "poisson:1x1s", "--url", "localhost"], "is no URL"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--timeout", "5"], "--timeout"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--output", "xml"], "xml"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--protocol", "grpc"], "is no gRPC address"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--warm-up", "5"], "--warm-up: '5' is not a duration"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--connections", "0"], "--connections"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--payload", "none.npz"], "none.npz"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--per-second", "s.txt"], "is not .csv"),
        (["--trace", "poisson:1x1s", "--url", REFUSED, "--plot", "none/p.png"], "does not exist"),
        (["--trace", "poisson:1e6x1m", "--url", REFUSED], "one load sends at most 20,000,000"),
        (["--url", REFUSED], "--trace"),
    ],
)
def test_wrong_usage_exits_2_and_names_it(
    folder: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.setattr(sys, "argv", ["ipa", "load", "digits.yaml", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert message in err


def test_a_payload_that_does_not_fit_exits_2(folder: Path) -> None:
    np.savez(folder / "samples.npz", inputs=np.zeros((3, 5), dtype=np.float32), labels=np.zeros(3))
    with null_server() as server:
        code, _, err = _load(folder, "--trace", "poisson:1x1s", "--url", server.url)
    assert code == 2
    assert "samples of shape (5,), the model takes (2, 2)" in err


def test_interrupted_it_still_reports_and_what_was_in_flight_has_failed(folder: Path) -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        if number % 2:
            await asyncio.sleep(600)
        return await first_pixel(number, body)

    document = _interrupted(folder, answer, 50, "--timeout=10m")
    assert document["sent"] == document["answered"] + document["dropped"] + document["failed"]
    assert document["sent"] >= 50
    assert document["failed"] >= 25
    assert document["answered"] >= 1
    assert document["failures"] == {"interrupted": document["failed"]}
    assert sum(int(row["sent"]) for row in _rows(folder / "s.csv")) == document["sent"]


def test_interrupted_while_it_warms_up_nothing_was_sent(folder: Path) -> None:
    assert _interrupted(folder, first_pixel, 10, "--warm-up=1m")["sent"] == 0
    assert _rows(folder / "s.csv") == []


def _interrupted(folder: Path, answer: Answer, received: int, argument: str) -> dict[str, Any]:
    """What a load says after ^C, which comes once the server has received so many requests."""
    with null_server(answer) as server:
        arguments = ["--trace=constant:50x10m", f"--url={server.url}", "--output=json", "--per-second=s.csv", argument]
        with _start(folder, *arguments) as process:
            while len(server.received) < received and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    document: dict[str, Any] = json.loads(out)
    return document


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_seconds_curve_payloads_and_warm_up(folder: Path) -> None:
    """Two payloads take turns: ten samples of the config's kind and ten whose labels are wrong."""
    pixels = np.repeat(np.arange(10, dtype=np.float32), 4).reshape(10, 2, 2)
    np.savez(folder / "wrong.npz", inputs=pixels, labels=np.full(10, 77))
    arguments = ["--payload", "samples.npz", "--payload", "wrong.npz", "--warm-up", "100ms", "--connections", "3"]
    arguments += ["--per-second", "s.csv", "--plot", "p.svg", "--output", "json"]
    with null_server() as server:
        code, out, err = _load(folder, "--trace", "constant:100x2s*2", "--url", server.url, *arguments)
    document = json.loads(out)
    assert code == 0, err
    assert (document["sent"], document["accuracy"]) == (200, 0.5)
    assert len(server.received) == 200 + 20
    assert [row["sent"] for row in _rows(folder / "s.csv")] == ["200"]
    assert b"<svg" in (folder / "p.svg").read_bytes()


def test_over_grpc(folder: Path) -> None:
    with null_grpc_server() as address:
        code, out, err = _load(
            folder,
            "--trace",
            "constant:100x500ms",
            "--url",
            f"grpc://{address}",
            "--output",
            "json",
            "--warm-up",
            "50ms",
        )
    assert code == 0, err
    document = json.loads(out)
    assert (document["sent"], document["answered"], document["accuracy"]) == (50, 50, 1.0)


def test_over_grpc_the_run_is_found_by_name(folder: Path) -> None:
    with null_server() as rest, null_grpc_server() as address, _running(folder, rest.url, address):
        code, out, err = _load(folder, "--trace", "constant:100x500ms", "--protocol", "grpc", "--output", "json")
    assert code == 0, err
    assert json.loads(out)["answered"] == 50
    assert rest.received == []


def test_help_names_the_kinds_of_traces(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", "from ipa.cli.app import main; main()", "load", "--help"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
    assert "gamma:20:cv4x60s" in process.stdout
