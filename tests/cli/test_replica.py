"""`ipa replica` as a model's pod starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.adapters.serving import tiny
from tests.dataplane.processes import free_ports

ROOT = Path(__file__).parents[2]
VIDEO = ROOT / "configs" / "video.yaml"


def command(config: Path, *words: object) -> list[str]:
    return [sys.executable, "-m", "ipa", "replica", str(config), *map(str, words)]


@pytest.mark.parametrize(
    ("config", "words", "said"),
    [
        (VIDEO, ("--stage", "segment", "--variant", "v"), "--stage segment: must be one of detect, classify"),
        (VIDEO, ("--stage", "detect", "--variant", "v"), "--variant v: must be one of yolov5n, yolov5s"),
        (
            VIDEO,
            ("--stage", "detect", "--variant", "yolov5n", "--hardware", "gpu"),
            "--hardware gpu: must be one of cpu",
        ),
        (VIDEO, ("--stage", "detect", "--variant", "yolov5n", "--cores", "0"), "--cores"),
        (VIDEO, ("--stage", "detect", "--variant", "yolov5n", "--host", ""), "--host: must be an address"),
        (VIDEO, ("--stage", "detect", "--variant", "yolov5n", "--grpc-port", "8080"), "are both 8080"),
        (VIDEO, ("--variant", "yolov5n"), "--stage"),
    ],
)
def test_what_is_wrong_is_named(config: Path, words: tuple[str, ...], said: str) -> None:
    done = subprocess.run(command(config, *words), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_port_that_is_taken_and_a_size_that_nobody_measured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("--stage", "detect", "--variant", "yolov5n", "--port", port)
        done = subprocess.run(command(VIDEO, *words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in done.stderr
    http_port, grpc_port = free_ports(2)
    sized = ("--stage", "detect", "--variant", "yolov5n", "--cores", 64, "--port", http_port, "--grpc-port", grpc_port)
    done = subprocess.run(command(VIDEO, *sized), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "detect/yolov5n on cpu with 64 cores: nobody measured it" in done.stderr


@contextmanager
def running(config: Path, stage: str, variant: str) -> Iterator[str]:
    """A replica that is ready, by the variables of a pod; ended by SIGTERM, in order."""
    port, grpc_port = free_ports(2)
    variables = {"IPA_STAGE": stage, "IPA_VARIANT": variant, "IPA_CORES": "1"}
    process = subprocess.Popen(
        command(config, "--port", port, "--grpc-port", grpc_port), env=os.environ | variables, stderr=subprocess.DEVNULL
    )
    try:
        until_ready(f"http://127.0.0.1:{port}/v2/models/{variant}/ready", process)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + 60
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        assert process.poll() is None
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.slow
def test_a_model_answers_and_another_is_not_there(tmp_path: Path) -> None:
    config = tiny.write_config(tmp_path)
    with running(config, "scale", "by3") as url:
        rows = {"name": "x", "datatype": "FP32", "shape": [1, tiny.WIDTH], "data": [1.0] * tiny.WIDTH}
        answer = httpx.post(f"{url}/v2/models/by3/infer", json={"inputs": [rows]}, trust_env=False)
        assert answer.json()["outputs"][0]["data"] == [3.0] * tiny.WIDTH
        assert httpx.get(f"{url}/v2/models/by2/ready", trust_env=False).status_code == 404


@pytest.mark.slow
def test_one_that_sleeps_is_probed_alike() -> None:
    with running(VIDEO, "classify", "resnet18") as url:
        assert httpx.get(f"{url}/v2/models/resnet34/ready", trust_env=False).status_code == 404


def test_a_model_that_is_missing_is_named(tmp_path: Path) -> None:
    config = tiny.write_config(tmp_path)
    (tmp_path / "models" / "scale" / "by3.onnx").unlink()
    http_port, grpc_port = free_ports(2)
    words = ("--stage", "scale", "--variant", "by3", "--port", http_port, "--grpc-port", grpc_port)
    done = subprocess.run(command(config, *words), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "by3.onnx is missing, the model of by3" in done.stderr
