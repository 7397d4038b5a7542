from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ipa.cli.fit import fit
from ipa.errors import UsageError

CONFIG = """
name: video
slo: {latency: 1s}
profiles: profile
batches: [1]  # what a plan may use; a curve rests on all
stages: [{name: detect}]
"""
MEASUREMENTS = (
    "stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,"
    "throughput_rps,requests,source\n"
    + "".join(f"detect,small,cpu,1,{b},{0.01 + 0.002 * b},,,{0.02 + 0.004 * b},,,paper\n" for b in (1, 2, 4, 8))
)

app = typer.Typer()
app.command()(fit)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "variants.csv").write_text(
        "stage,variant,accuracy,metric,memory_mb,load_s,source\ndetect,small,0.5,mAP,,,paper\n"
    )
    (tmp_path / "profile" / "measurements.csv").write_text(MEASUREMENTS)
    (tmp_path / "video.yaml").write_text(CONFIG)
    return tmp_path / "video.yaml"


def test_json_is_one_document(config: Path) -> None:
    result = CliRunner().invoke(app, [str(config), "--output", "json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["pipeline"] == "video"
    better = [row for row in document["fits"] if row["better"]]
    assert [(row["latency"], row["model"]) for row in better] == [("99", "linear"), ("mean", "linear")]
    assert better[0]["coefficients"]["beta_s"] == pytest.approx(0.004)


def test_the_table_and_the_plot(config: Path) -> None:
    picture = config.with_name("curves.png")
    result = CliRunner().invoke(app, [str(config), "--plot", str(picture)])
    assert result.exit_code == 0, result.output
    assert "linear" in result.stdout
    assert picture.stat().st_size > 1000


def test_a_wrong_ending_is_refused_before_the_config_is_read(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "missing.yaml"), "--plot", str(tmp_path / "curves.txt")])
    assert isinstance(result.exception, UsageError)
    assert "curves.txt" in str(result.exception)
