from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VIDEO = ROOT / "configs" / "video.yaml"


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ipa", "manifests", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_start_plan_runs_and_the_whole_choice_is_there() -> None:
    done = run(VIDEO, "--rate", "20", "--namespace", "vision", "--image", "model=m:2")
    assert done.returncode == 0, done.stderr
    found = list(yaml.safe_load_all(done.stdout))
    solved = subprocess.run(
        [sys.executable, "-m", "ipa", "solve", VIDEO, "--rate", "20", "--dry-run", "--output", "json"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    plan = {(row["stage"], row["variant"]): row["replicas"] for row in json.loads(solved.stdout)["plan"]}
    models = [each for each in found if each["kind"] == "Deployment" and "ipa/stage" in each["metadata"]["labels"]]
    assert len(models) == 10
    for each in models:
        about = each["metadata"]["annotations"]
        assert each["spec"]["replicas"] == plan.get((about["ipa/stage"], about["ipa/variant"]), 0)
        assert each["spec"]["template"]["spec"]["containers"][0]["image"] == "m:2"
    assert {each["metadata"]["namespace"] for each in found} == {"vision"}


def test_json_is_one_list_that_holds_the_same() -> None:
    as_yaml, as_json = run(VIDEO), run(VIDEO, "--output", "json")
    document = json.loads(as_json.stdout)
    assert (document["apiVersion"], document["kind"]) == ("v1", "List")
    assert document["items"] == list(yaml.safe_load_all(as_yaml.stdout))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--namespace", "Vision"), "--namespace 'Vision': must be up to 63 of a-z, 0-9 and -"),
        (("--image", "modle=x"), "--image 'modle=x': must be NAME=REF, NAME being model or router"),
        (("--image", "model="), "--image 'model='"),
        (("--rate", "-1"), "--rate"),
        (("--output", "xml"), "xml"),
    ],
)
def test_what_is_wrong_is_named(args: tuple[str, ...], said: str) -> None:
    done = run(VIDEO, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_rate_that_no_plan_serves_ends_with_3(tmp_path: Path) -> None:
    document = yaml.safe_load(VIDEO.read_text()) | {"profiles": str(ROOT / "profiles" / "video")}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(document | {"limits": {"cores": 1}}))
    done = run(path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "cores" in done.stderr
