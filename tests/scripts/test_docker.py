"""The images of scripts/docker, without Docker: their steps in a folder and a clean virtual environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2, copytree
from string import Template
from typing import Any

import httpx
import pytest

from ipa.manifests.objects import USER
from tests.dataplane.processes import free_ports
from tests.manifests.rendered import CONFIGS, component, objects, of_kind, wanted

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "scripts" / "docker"
DIGITS = next(path for path in CONFIGS if path.stem == "digits")
Step = tuple[str, str]
BUILD = "IPA_TEST_IMAGES"
# Two minutes of one core, most of it pip's: asked for by name.
_MARKS = (
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(BUILD not in os.environ, reason=f"installs all packages anew; {BUILD}=1 runs it"),
)


def slow_build(test: Callable[..., None]) -> Callable[..., None]:
    for mark in _MARKS:
        test = mark(test)
    return test


def steps(name: str) -> list[Step]:
    """(instruction, argument) in order, with the defaults of ARG in place of their names."""
    defaults: dict[str, str] = {}
    found = []
    for line in (DOCKER / f"{name}.Dockerfile").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        instruction, _, argument = line.partition(" ")
        if instruction == "ARG":
            key, _, value = argument.partition("=")
            defaults[key] = value
        else:
            found.append((instruction, Template(argument).substitute(defaults)))
    return found


def only(name: str, instruction: str) -> str:
    (argument,) = [argument for each, argument in steps(name) if each == instruction]
    return argument


@pytest.mark.parametrize("name", ["model", "router"])
def test_an_image_runs_ipa_as_the_user_that_its_pods_have(name: str) -> None:
    assert only(name, "USER") == f"{USER}:{USER}"
    assert json.loads(only(name, "ENTRYPOINT")) == ["ipa"]
    assert {instruction for instruction, _ in steps(name)} == {
        *("FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD")
    }


@pytest.mark.parametrize("name", ["model", "router"])
def test_what_an_image_copies_is_there_and_not_ignored(name: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in (source for each, argument in steps(name) if each == "COPY" for source in argument.split()[:-1]):
        assert (ROOT / source).exists()
        assert any(source == each or source.startswith(f"{each}/") for each in allowed)


def test_the_model_image_does_by_itself_what_its_pods_say() -> None:
    of_models = [d for d in of_kind(objects(DIGITS), "Deployment") if component(d) == "model"]
    for each in of_models:
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert [arg for arg in container["args"] if arg not in ("--hardware", "cpu")] == json.loads(
            only("model", "CMD")
        )


@dataclass(frozen=True, slots=True)
class Built:
    """An image as a folder; its programs are in `programs`."""

    root: Path
    programs: Path

    def at(self, text: str) -> str:
        """A command of the image, with its paths in the folder."""
        for path in ("/src", "/models", "/etc/ipa"):
            text = text.replace(path, f"{self.root}{path}")
        return text

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG") or k.startswith(("PIP_", "SSL_"))}
        path = f"{self.programs}:/usr/bin:/bin"
        return kept | {"PATH": path, "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "TMPDIR": "/tmp"}

    def do(self, name: str) -> None:
        for instruction, argument in steps(name):
            if instruction == "COPY":
                *sources, target = argument.split()
                self._copy(sources, Path(self.at(target)))
            elif instruction == "RUN":
                subprocess.run(
                    ["sh", "-c", self.at(argument)], env=self.environment(), check=True, capture_output=True, text=True
                )

    def _copy(self, sources: list[str], target: Path) -> None:
        for source in map(ROOT.joinpath, sources):
            if source.is_dir():
                copytree(source, target, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                copy2(source, target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both images in one folder, the router's last: it has the model server's packages and one more."""
    root = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    image = Built(root, root / "venv" / "bin")
    image.do("model")
    image.do("router")
    return image


@slow_build
def test_a_built_image_has_all_that_its_commands_need(built: Built) -> None:
    for command in ("router", "adapt", "replica", "solve"):
        done = subprocess.run([built.programs / "ipa", command, "--help"], env=built.environment(), capture_output=True)
        assert done.returncode == 0
    check = "import kubernetes, mlserver, onnxruntime, ipa; print(ipa.__file__)"
    found = subprocess.run(
        [built.programs / "python", "-c", check],
        env=built.environment(),
        cwd=built.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(built.root) in found.stdout


@slow_build
def test_a_model_server_in_its_image_gets_ready_answers_and_ends_on_sigterm(built: Built) -> None:
    (deployment,) = [
        d
        for d in of_kind(objects(DIGITS), "Deployment")
        if d["metadata"].get("annotations", {}).get("ipa/variant") == "mlp-xs"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    mounted = Path(built.at("/etc/ipa"))
    mounted.mkdir(parents=True, exist_ok=True)
    for name, text in wanted(DIGITS).files.items():
        (mounted / name).write_text(built.at(text))
    with running(built, container) as url:
        until_ready(f"{url}{container['readinessProbe']['httpGet']['path']}")
        image = {"name": "crop", "datatype": "FP32", "shape": [1, 1, 16, 16], "data": [0.5] * 256}
        answer = httpx.post(f"{url}/v2/models/mlp-xs/infer", json={"inputs": [image]}, trust_env=False)
        assert answer.status_code == 200, answer.text


@contextmanager
def running(image: Built, container: dict[str, Any]) -> Iterator[str]:
    """A container's command as its image starts it, listening on this machine alone; its address."""
    port, grpc_port = free_ports(2)
    entry = json.loads(only("model", "ENTRYPOINT"))
    words = [image.at(word).replace("0.0.0.0", "127.0.0.1") for word in [*entry, *container["args"]]]
    variables = {each["name"]: each["value"] for each in container["env"]}
    process = subprocess.Popen(
        [image.programs / words[0], *words[1:], "--port", str(port), "--grpc-port", str(grpc_port)],
        env=image.environment() | variables,
        cwd="/",
    )
    try:
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def until_ready(url: str, seconds: float = 120.0) -> None:
    end_s = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        assert time.monotonic() < end_s, f"{url}: not ready within {seconds:g} s"
        time.sleep(0.1)
