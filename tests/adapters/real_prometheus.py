"""A real Prometheus on a free port of loopback, scraping every second what a file names.

Debian's package unpacked is enough: see .ci/run. IPA_PROMETHEUS names the binary, and whoever sets it wants the tests
to run; without it and without one in the PATH they are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.dataplane.processes import ROOT, free_ports

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: routers
  file_sd_configs: [{{files: ["{targets}"], refresh_interval: 1s}}]
"""
UNPACKED = ROOT / "build" / "prometheus" / "usr" / "bin" / "prometheus"


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str
    targets: Path

    def scrape(self, urls: Sequence[str]) -> None:
        """Soon these routers and no others: Prometheus passes news of its targets on every five seconds."""
        new = self.targets.with_suffix(".new")
        new.write_text(json.dumps([{"targets": [url.removeprefix("http://") for url in urls]}]))
        new.rename(self.targets)


def binary() -> str:
    found = os.environ.get("IPA_PROMETHEUS") or shutil.which("prometheus") or (UNPACKED.exists() and str(UNPACKED))
    if not found:
        pytest.skip("there is no prometheus: neither $IPA_PROMETHEUS nor in the PATH nor unpacked in build/")
    return found


@contextmanager
def prometheus(folder: Path, urls: Sequence[str], tls: tuple[Path, Path] | None = None) -> Iterator[Prometheus]:
    """One that scrapes the routers at `urls`; `tls`: its certificate and key. Ready when the block begins."""
    (port,) = free_ports(1)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    server = Prometheus(url, folder / "targets.json")
    server.scrape(urls)
    (folder / "prometheus.yml").write_text(CONFIG.format(targets=server.targets))
    command = [
        binary(),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    if tls is not None:
        certificate, key = tls
        web = {"tls_server_config": {"cert_file": str(certificate), "key_file": str(key)}}
        (folder / "web.yml").write_text(json.dumps(web))
        command.append(f"--web.config.file={folder}/web.yml")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(url, process, folder / "prometheus.log")
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(trust_env=False, verify=trusting) as client:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                if client.get(f"{url}/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise AssertionError(log.read_text())
