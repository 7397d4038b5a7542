from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ipa.adapters.profile_files import read_measurements
from tests.adapters.tiny_pipeline import write_tiny_pipeline

PROFILE = [sys.executable, "-c", "from ipa.cli.app import main; main()", "profile"]


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROFILE, *map(str, args)], capture_output=True, text=True, timeout=200, check=False)


def batches(config: Path) -> list[str]:
    return [row["batch"] for row in read_measurements(config.parent / "profile" / "measurements.csv").rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--stage", "track"], "--stage track: tiny has no such stage"),
        (["--variant", "huge"], "--variant huge: no such variant"),
        (["--batches", "1,x"], "--batches '1,x'"),
        (["--cores", "0"], "--cores '0'"),
    ],
)
def test_wrong_usage_is_exit_2_with_one_message(tmp_path: Path, args: list[str], complaint: str) -> None:
    result = run(write_tiny_pipeline(tmp_path), *args)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_missing_model_is_exit_2_and_a_broken_one_exit_1(tmp_path: Path) -> None:
    config = write_tiny_pipeline(tmp_path)
    model = tmp_path / "models" / "embed" / "small.onnx"
    model.write_bytes(b"this is no model")
    broken = run(config, "--variant", "small")
    assert broken.returncode == 1
    assert "embed/small" in broken.stderr
    assert "Traceback" not in broken.stderr
    model.unlink()
    missing = run(config, "--variant", "small")
    assert missing.returncode == 2
    assert "small.onnx" in missing.stderr


@pytest.mark.slow
def test_points_are_skipped_until_asked_for_afresh(tmp_path: Path) -> None:
    config = write_tiny_pipeline(tmp_path)
    scope = (config, "--variant", "small", "--max-seconds", "3", "--output", "json")
    first = run(*scope, "--batches", "1")
    assert first.returncode == 0, first.stderr
    assert [p["batch"] for p in json.loads(first.stdout)["points"]] == [1]

    second = run(*scope)  # the config's batches: 1 and 2
    assert second.returncode == 0, second.stderr
    document = json.loads(second.stdout)
    assert document["skipped"] == 1
    assert [p["batch"] for p in document["points"]] == [2]
    assert "1 point(s) are in the profile already" in second.stderr

    afresh = run(*scope, "--batches", "1", "--fresh")
    assert afresh.returncode == 0, afresh.stderr
    assert [p["batch"] for p in json.loads(afresh.stdout)["points"]] == [1]
    assert batches(config) == ["1", "2"]


@pytest.mark.slow
def test_an_interrupt_stops_the_server_and_leaves_whole_rows(tmp_path: Path) -> None:
    config = write_tiny_pipeline(tmp_path)
    many = ",".join(str(batch) for batch in range(1, 40))
    args = [*PROFILE, str(config), "--variant", "small", "--batches", many]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = ""
        while not line.startswith("[2/39]"):
            line = process.stderr.readline()
            assert line, "it ended before the second point"
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    assert children, "a model server was running"
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    done = batches(config)
    assert done[:2] == ["1", "2"]

    resumed = run(config, "--variant", "small", "--batches", "1,2", "--output", "json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["points"] == []
    assert batches(config) == done
