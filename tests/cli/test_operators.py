"""`ipa status`, `ipa history` and `ipa rollback` as their users have them, in a cluster and on this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from ipa.adapters import state
from ipa.adapters.clock import StoppableClock
from ipa.adapters.files import load_config
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.rollback import roll_back
from ipa.cli.app import main
from ipa.domain import Plan
from tests.adapters.serving.processes import wait_until
from tests.cli.conftest import Done
from tests.kube.double import Double
from tests.kube.fixtures import Cluster, cluster, double
from tests.manifests.applied import SETTINGS, install, video
from tests.manifests.rendered import ROOT, smallest_plan

__all__ = ["cluster", "double"]

COMMAND = [sys.executable, "-m", "ipa"]
VIDEO = ROOT / "configs" / "video.yaml"


def run(*args: object) -> Done:
    """In this process, which is quicker than a new one; its signal handlers are put back."""
    held = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["ipa", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
    for number, handler in held.items():
        signal.signal(number, handler)
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def document(*args: object, code: int = 0) -> dict[str, Any]:
    done = run(*args, "--output", "json")
    assert done.code == code, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def written(folder: Path, **more: Any) -> Path:
    """The video config, elsewhere and with more in it."""
    shipped = yaml.safe_load(VIDEO.read_text())
    path = folder / "video.yaml"
    path.write_text(yaml.safe_dump(shipped | {"profiles": str(ROOT / "profiles" / "video")} | more))
    return path


# --- in a cluster -----------------------------------------------------------------------------------------------


@pytest.fixture
def in_cluster(cluster: Cluster, double: Double, tmp_path: Path) -> Path:
    """A config of a pipeline that is installed, where one plan followed another. The images are the double's alone."""
    settings = {
        "kind": "kubernetes",
        "kubeconfig": str(cluster.kubeconfig),
        "ready_timeout": "10s",
        "router_switch": "50ms",
    }
    path = written(tmp_path, cluster=settings)
    with cluster.client() as client:
        connection = Connection(client, cluster.namespace)
        install(connection, video(cluster.namespace))
        config = replace(load_config(VIDEO), cluster=SETTINGS)
        assert roll_back(connection, config, other("detect"), "the first", StoppableClock()).applied
    return path


def other(stage: str) -> Plan:
    """Not the start plan: another variant in the first stage."""
    config = load_config(VIDEO)
    start = smallest_plan(config)
    rows = [replace(a, variant="yolov5s", cores=1, replicas=1) if a.stage == stage else a for a in start.allocations]
    return Plan(tuple(rows))


@pytest.mark.cluster
def test_what_runs_what_was_decided_and_the_way_back(in_cluster: Path) -> None:
    start = smallest_plan(load_config(VIDEO))
    status = document("status", in_cluster)
    assert (status["ready"], status["cluster"], status["controller"]) == (True, "kubernetes", None)
    assert [row["variant"] for row in status["plan"]] == ["yolov5s", start.allocations[1].variant]

    (decided,) = document("history", in_cluster)["decisions"]
    assert (decided["reason"], decided["back"], decided["outcome"]["applied"]) == ("the first", 0, True)

    planned = document("rollback", in_cluster, "--dry-run")
    assert (planned["outcome"], planned["plan"][0]["variant"]) == (None, start.allocations[0].variant)
    assert document("status", in_cluster)["plan"][0]["variant"] == "yolov5s"

    done = document("rollback", in_cluster)
    assert done["outcome"]["applied"] is True
    assert document("status", in_cluster)["plan"][0]["variant"] == start.allocations[0].variant
    assert [row["back"] for row in document("history", in_cluster)["decisions"]] == [1, 0]


@pytest.mark.cluster
def test_for_people_it_is_tables(in_cluster: Path) -> None:
    shown = run("status", in_cluster)
    assert "video, namespace" in shown.out
    assert "1/1" in shown.out
    assert "controlled by nobody" in shown.out
    assert "applied detect 1×yolov5s" in " ".join(run("history", in_cluster).out.split())
    assert "video would go back to detect 2×" in run("rollback", in_cluster, "--dry-run").out


@pytest.mark.cluster
def test_rendered_live_it_is_what_runs(in_cluster: Path, cluster: Cluster) -> None:
    done = run("manifests", in_cluster, "--live", "--namespace", cluster.namespace)
    assert done.code == 0, done.err
    found = {d["metadata"]["name"]: d for d in yaml.safe_load_all(done.out) if d["kind"] == "Deployment"}
    assert found["video-detect-yolov5s-cpu"]["spec"]["replicas"] == 1
    running = [name for name, d in found.items() if d["spec"]["replicas"] and "-detect-" in name]
    assert running == ["video-detect-yolov5s-cpu"]


@pytest.mark.cluster
def test_further_back_than_recorded_and_nowhere_installed(in_cluster: Path, cluster: Cluster, tmp_path: Path) -> None:
    done = run("rollback", in_cluster, "7")
    assert (done.code, done.out) == (2, "")
    assert "rollback 7: one earlier plan is recorded, see ipa history" in done.err
    document_of = yaml.safe_load(in_cluster.read_text()) | {"name": "other"}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(document_of))
    done = run("status", tmp_path / "other.yaml")
    assert done.code == 2
    assert "pipeline 'other' is not in namespace" in done.err


# --- on this machine --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "history", "rollback"])
def test_where_nothing_runs_it_is_said(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    done = run(command, VIDEO)
    assert (done.code, done.out) == (2, "")
    assert "'video'" in done.err


@contextmanager
def serving(config: Path) -> Iterator[None]:
    command = [*COMMAND, "serve", str(config), "--port", "0", "--rate", "10"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: run("status", config).code == 0 or process.poll() is not None, "ready")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@pytest.mark.slow
def test_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    config = written(tmp_path)
    with serving(config):
        before = document("status", config)
        assert (before["ready"], before["cluster"]) == (True, "local")
        assert all(row["ready"] == row["replicas"] for row in before["plan"])
        assert "missing, so nothing is known" in run("rollback", config).err
        # A decision as `ipa adapt` records one that led here.
        rows = [{key: value for key, value in row.items() if key != "ready"} for row in before["plan"]]
        earlier = [rows[0] | {"replicas": rows[0]["replicas"] + 1}, *rows[1:]]
        line = {"pipeline": "video", "at_s": 1.0, "reason": "less load", "live": earlier, "apply": rows}
        line["outcome"] = {"applied": True, "seconds": 1.0, "detail": ""}
        (state.state_folder("video") / "decisions.jsonl").write_text(json.dumps(line) + "\n")
        assert document("rollback", config)["outcome"]["applied"] is True
        assert document("status", config)["plan"][0]["replicas"] == earlier[0]["replicas"]
        assert [row["back"] for row in document("history", config)["decisions"]] == [1, 0]
        assert "asked for by hand" in run("history", config).out
