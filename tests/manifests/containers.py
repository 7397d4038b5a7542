"""The containers of rendered pods as processes: their own command, environment, ports, probe and hook.

Each pod has an address of its own on loopback, so what its image would listen to on every address keeps its port.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from ipa.adapters.kubernetes import names
from tests.kube.node import Address

LET_GO_S = 2.5
"""In place of the preStop hook, which is longer: a router lets go within 2 s."""


QUICK = {"control": {"interval": "1s", "hold": "2s"}, "forecast": {"predictor": "last", "window": "5s"}}


@dataclass
class Containers:
    """The double's Runner. `kubeconfigs`: as whom a component asks, in place of its token."""

    files: Mapping[str, str]
    kubeconfigs: Mapping[str, Path]
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def start(self, pod: dict[str, Any]) -> Address:
        with self._guard:
            number = next(self._numbers)
        name, host = pod["metadata"]["name"], f"127.65.0.{number}"
        component = pod["metadata"]["labels"][names.COMPONENT]
        (container,) = pod["spec"]["containers"]
        config = str(self._mounted(component))
        words = [config if word == "/etc/ipa/config.yaml" else word for word in container["args"]]
        words = [host if word == "0.0.0.0" else word for word in words]
        variables = {each["name"]: each["value"] for each in container["env"]}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "ipa", *words], env=os.environ | variables, stdout=log, stderr=log
            )
        self.hosts[name] = host
        if component != names.CONTROLLER:  # which outside of a pod is on 127.0.0.1 alone
            self._started(name, container)
        return Address(host, {})

    def _started(self, name: str, container: dict[str, Any]) -> None:
        """As the kubelet's startup probe."""
        path, port = container["startupProbe"]["httpGet"]["path"], names.HTTP_PORT
        end_s = time.monotonic() + 60
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://{self.hosts[name]}:{port}{path}", trust_env=False).status_code == 200:
                    return
            if self.processes[name].poll() is not None or time.monotonic() > end_s:
                raise RuntimeError((self.folder / f"{name}.log").read_text()[-500:])
            time.sleep(0.05)

    def stop(self, pod: dict[str, Any], grace_s: float) -> None:
        process = self.processes[pod["metadata"]["name"]]
        if grace_s:
            time.sleep(LET_GO_S)
        process.terminate()
        process.wait(20)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _mounted(self, component: str) -> Path:
        folder = self.folder / component
        with self._guard:
            folder.mkdir(exist_ok=True)
            for name, text in self.files.items():
                (folder / name).write_text(text)
            document = yaml.safe_load(self.files["config.yaml"]) | QUICK
            if component in self.kubeconfigs:
                document["cluster"]["kubeconfig"] = str(self.kubeconfigs[component])
            (folder / "config.yaml").write_text(json.dumps(document))
        return folder / "config.yaml"
