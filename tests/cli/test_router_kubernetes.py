"""`ipa router` with `cluster: {kind: kubernetes}`, in front of an API server that has nothing yet."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx
import pytest

from ipa.cli.app import main
from tests.adapters.kubernetes.pods import ROOT, write_config
from tests.cli.test_router import started
from tests.kube.double import Double
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]


@pytest.mark.slow
@pytest.mark.cluster
def test_it_follows_the_cluster_and_is_not_ready_before_every_stage_is(
    cluster: Cluster, double: Double, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    write_config(tmp_path, cluster.kubeconfig)
    with started(tmp_path, "--port=0", PYTHONPATH=str(ROOT)) as process:
        assert process.stderr
        listens, follows = (process.stderr.readline().split() for _ in range(2))
        url, tells = listens[3], follows[-1]
        assert " ".join(follows[:7]) == "follows ConfigMap pipe-plan of namespace ipa-test, tells"
        for path, status in (("/v2/health/live", 200), ("/v2/health/ready", 503), ("/v2/models/pipe", 503)):
            assert httpx.get(f"{url}{path}", trust_env=False).status_code == status
        assert httpx.put(f"{tells}/plan", json={"stages": []}, trust_env=False).status_code == 405
        assert httpx.get(f"{tells}/arrivals", trust_env=False).status_code == 200
        for _ in range(200):
            if len({r.resource for r in double.records if r.verb == "watch"}) == 2:
                break
            time.sleep(0.05)
        asked = {(r.verb, r.resource) for r in double.records}
        assert asked == {(v, r) for v in ("list", "watch") for r in ("endpointslices", "configmaps")}
        process.terminate()
        assert (process.wait(timeout=20), process.stderr.read()) == (0, "")


def test_without_a_way_into_the_cluster_it_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ipa", "router", "pipe.yaml", "--port=0"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert f"ipa: cluster: {tmp_path}/none: " in capsys.readouterr().err
