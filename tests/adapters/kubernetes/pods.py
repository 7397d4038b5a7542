"""Real processes as the pods of the double: replicas that sleep, and routers that follow the cluster."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ipa.adapters.files import load_config
from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.credentials import client_of
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.record import Record, write
from ipa.adapters.serving.runtimes import RUNTIMES
from ipa.adapters.serving.sleep_runtime import SleepServer
from ipa.domain import Allocation, Config
from tests.kube.fixtures import Cluster
from tests.kube.node import Address

ROOT = Path(__file__).parents[3]
PIPELINE = "pipe"
CONFIG = """
name: pipe
slo: {{latency: 5s}}
profiles: profile
stages: [{{name: one}}, {{name: two}}]
serving: {{runtime: sleep}}
cluster: {{kind: kubernetes, kubeconfig: {kubeconfig}}}
"""
VARIANTS = "stage,variant,accuracy,metric,memory_mb,load_s,source\none,small,0.8,,,,paper\none,large,0.9,,,,paper\n"
MEASURED = (
    "stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,"
    "throughput_rps,requests,source\n"
)
PRESTOP_S = 0.5
"""What the preStop hook of the rendered manifests is for: no endpoint any more, and still answering."""


def write_config(folder: Path, kubeconfig: Path) -> Path:
    (folder / "profile").mkdir()
    (folder / "profile" / "variants.csv").write_text(f"{VARIANTS}two,only,0.9,,,,paper\n")
    kinds = ("one,small,cpu,1", "one,large,cpu,2", "two,only,cpu,1")
    rows = [f"{kind},{batch},{0.004 * batch},,,{0.005 * batch},,,paper\n" for kind in kinds for batch in (1, 4)]
    (folder / "profile" / "measurements.csv").write_text(MEASURED + "".join(rows))
    path = folder / "pipe.yaml"
    path.write_text(CONFIG.format(kubeconfig=kubeconfig))
    return path


@dataclass(frozen=True, slots=True)
class RouterUrls:
    """Of the pipeline, and of the port that tells."""

    pipeline: str
    tells: str


@dataclass
class Pods:
    """The double's Runner. Each pod goes on for a while after it has left the endpoints."""

    config_path: Path
    config: Config
    log: Path
    _processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    routers: dict[str, RouterUrls] = field(default_factory=dict)

    def start(self, pod: dict[str, Any]) -> Address:
        server = names.server_of(pod["metadata"].get("annotations"))
        return self._model(pod, server) if server is not None else self._router(pod)

    def stop(self, pod: dict[str, Any], grace_s: float) -> None:
        process = self._processes[pod["metadata"]["name"]]
        if grace_s:
            time.sleep(PRESTOP_S)
        process.terminate()
        process.wait(timeout=20)

    def kill(self, name: str) -> None:
        self._processes[name].kill()

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def _model(self, pod: dict[str, Any], server: Server) -> Address:
        cores = int(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"])
        sleeping = RUNTIMES["sleep"].server(self.config, Allocation(*server, cores, 4, 1))
        assert isinstance(sleeping, SleepServer)
        message = {"name": server.variant, "service_s": sleeping.service_s, "tensors": asdict(sleeping.tensors)}
        process = self._spawn(pod, ["-m", "ipa.adapters.serving.sleep_server"], stdout=subprocess.PIPE)
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        host, _, port = json.loads(process.stdout.readline())["address"].rpartition(":")
        return Address(host, int(port))

    def _router(self, pod: dict[str, Any]) -> Address:
        command = ["-c", "from ipa.cli.app import main; main()", "router", str(self.config_path), "--port=0"]
        process = self._spawn(pod, command, stderr=subprocess.PIPE)
        assert process.stderr
        words = " ".join(process.stderr.readline() for _ in range(2)).split()
        threading.Thread(target=self._keep, args=(process,), daemon=True).start()
        url, grpc, tells = words[3], words[8], words[-1]
        self.routers[pod["metadata"]["name"]] = RouterUrls(url, tells)
        ports = {names.HTTP: url, names.GRPC: grpc, names.METRICS: tells}
        return Address("127.0.0.1", {name: int(at.rpartition(":")[2]) for name, at in ports.items()})

    def _spawn(self, pod: dict[str, Any], command: list[str], **pipes: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
            **({"stderr": subprocess.DEVNULL} | pipes),
        )
        with self._guard:
            self._processes[pod["metadata"]["name"]] = process
        return process

    def _keep(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        with self.log.open("a") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()


@dataclass(frozen=True, slots=True)
class World:
    """A pipeline's objects in a cluster whose pods are real processes."""

    cluster: Cluster
    connection: Connection
    pods: Pods

    def create_model(self, server: Server, cores: int, replicas: int) -> None:
        labels = names.model_labels(PIPELINE, server)
        container = {
            "name": names.MODEL_CONTAINER,
            "image": "model",
            "resources": {"requests": {"cpu": str(cores)}},
            "ports": [{"name": names.GRPC, "containerPort": names.GRPC_PORT}],
        }
        self._deployment(
            names.deployment(PIPELINE, server), labels, names.model_annotations(server), container, replicas
        )

    def create_router(self, replicas: int) -> None:
        labels = names.labels(PIPELINE, names.ROUTER)
        ports = {names.HTTP: names.HTTP_PORT, names.GRPC: names.GRPC_PORT, names.METRICS: names.ADMIN_PORT}
        container = {
            "name": "router",
            "image": "router",
            "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        }
        self._service(names.router(PIPELINE), labels, ports)
        self._deployment(names.router(PIPELINE), labels, {}, container, replicas)

    def create_service(self, stage: str) -> None:
        selector = names.stage_labels(PIPELINE, stage)
        self._service(names.service(PIPELINE, stage), selector, {names.GRPC: names.GRPC_PORT})

    def scale(self, name: str, replicas: int) -> None:
        path = self.connection.path("apps/v1", "deployments", f"{name}/scale")
        self.connection.patch(path, {"spec": {"replicas": replicas}}, "application/merge-patch+json", {})

    def put_plan(self, record: Record, *rows: Allocation) -> Record:
        return write(self.connection, PIPELINE, record.moved(rows, "because", time.time()))

    def ready_pods(self, name: str) -> list[str]:
        selector = {"labelSelector": names.selector({names.PART_OF: PIPELINE})}
        pods = self.connection.get(self.connection.path("v1", "pods"), selector)["items"]
        return [p["metadata"]["name"] for p in pods if p["metadata"]["name"].startswith(name) and _is_ready(p)]

    def _service(self, name: str, selector: dict[str, str], ports: dict[str, int]) -> None:
        spec = {
            "clusterIP": "None",
            "selector": selector,
            "ports": [{"name": port, "port": number, "targetPort": port} for port, number in ports.items()],
        }
        self._create("v1", "services", {"metadata": {"name": name}, "spec": spec})

    def _deployment(
        self, name: str, labels: dict[str, str], annotations: dict[str, str], container: dict[str, Any], replicas: int
    ) -> None:
        template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": [container]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        self._create("apps/v1", "deployments", {"metadata": {"name": name, "labels": labels}, "spec": spec})

    def _create(self, group: str, resource: str, body: dict[str, Any]) -> None:
        self.connection.create(self.connection.path(group, resource), body)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


@contextmanager
def world(cluster: Cluster, folder: Path) -> Iterator[World]:
    assert cluster.double is not None
    path = write_config(folder, cluster.kubeconfig)
    pods = Pods(path, load_config(path), folder / "router.log")
    cluster.double.set(runner=pods)
    client, namespace = client_of(str(cluster.kubeconfig), None)
    try:
        yield World(cluster, Connection(client, namespace), pods)
    finally:
        client.rest_client.pool_manager.clear()
        pods.close()
