"""`ipa forecast compare`, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ipa.cli.app import app
from ipa.errors import ConfigError, UsageError

RUN = CliRunner()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An hour that wanders, with a gap."""
    random = np.random.default_rng(1)
    counts = random.poisson(60 * np.exp(np.cumsum(random.normal(0, 0.01, 3_600))))
    counts[3_000:3_100] = 0
    file = tmp_path_factory.mktemp("trace") / "hour.txt"
    file.write_text(" ".join(map(str, counts)))
    return str(file)


def compared(*words: str) -> dict[str, object]:
    found = RUN.invoke(app, ["forecast", "compare", *words, "--output", "json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    document: dict[str, object] = json.loads(found.stdout)
    return document


def test_one_horizon_and_damping_is_the_contracts_object(trace: str) -> None:
    found = compared(trace, "--predictor", "ewma,max", "--held-out", "1200:3600")
    assert {"horizon_s": 20, "damping": 1}.items() <= found.items()
    # Every 10 s, without what touches the gap of seconds 3000 to 3099.
    whole = [t for t in range(1320, 3581, 10) if t + 20 <= 3000 or t - 120 >= 3100]
    assert found["windows"] == len(whole)
    rows = found["predictors"]
    assert isinstance(rows, list)
    assert [row["name"] for row in rows] == ["ewma", "max"]
    assert {"smape", "under_share", "cpu_us"} <= rows[0].keys()
    assert rows[0]["smape_low"] < rows[0]["smape"] < rows[0]["smape_high"]
    assert rows[0]["difference"]["mean"] == pytest.approx(rows[0]["smape"] - rows[1]["smape"])
    assert rows[1]["difference"] is None


def test_several_are_a_list_and_the_default_is_everyone_on_the_last_third(trace: str) -> None:
    found = compared(trace, "--horizon", "10s,60s", "--damping", "1,8")
    each = found["comparisons"]
    assert isinstance(each, list)
    assert [(one["damping"], one["horizon_s"]) for one in each] == [(1, 10), (1, 60), (8, 10), (8, 60)]
    assert {tuple(one["held_out"]) for one in each} == {(2400, 3600)}
    assert {"ewma", "last", "max", "mean", "ar"} <= {row["name"] for row in each[0]["predictors"]}
    assert "oracle" not in {row["name"] for row in each[0]["predictors"]}


def test_the_table_and_the_picture(trace: str, tmp_path: Path) -> None:
    file = tmp_path / "smape.svg"
    found = RUN.invoke(app, ["forecast", "compare", trace, "--predictor", "ewma,ar", "--plot", str(file)])
    assert "the largest second of the next 20 s" in found.stdout
    assert "│ ewma" in found.stdout
    assert "SMAPE in percent" in file.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--predictor", "tea"], "--predictor 'tea': is not one of ewma"),
        (["--predictor", "oracle"], "--predictor 'oracle': is not one of ewma"),
        (["--predictor", "ewma,ewma"], "'ewma' is named twice"),
        (["--predictor", "ewma,max", "--against", "mean"], "--against 'mean': is not compared; one of ewma, max"),
        (["--horizon", "2.5s"], "--horizon 2.5s: must be whole seconds, as the counts of a trace are"),
        (["--horizon", "20"], "'20' is not a duration"),
        (["--damping", "0"], "--damping '0': must be a whole number of at least 1"),
        (["--window", "30s"], "--window 30s: ar needs at least 40 s"),
        (["--held-out", "3600:1200"], "--held-out '3600:1200': must be START:END"),
        (["--held-out", "1200:4000"], "--held-out 1200:4000: the trace ends after 3600 s"),
        (["--held-out", "2990:3130"], "holds no 140 s in a row without a gap"),
        (["--quantile", "1"], "--quantile 1: must lie between 0 and 1, both excluded"),
        (["--model", "ewma=x"], "--model 'ewma=x': must be P=FILE"),
        (["--plot", "smape.txt"], "the ending '.txt' is not one of"),
    ],
)
def test_what_cannot_be_asked_is_said_by_name(trace: str, words: list[str], said: str) -> None:
    predictors = [] if "--predictor" in words else ["--predictor", "ewma,ar"]
    with pytest.raises(UsageError) as error:
        RUN.invoke(app, ["forecast", "compare", trace, *predictors, *words], catch_exceptions=False)
    assert said in str(error.value)


def trained(trace: str, out: Path, *words: str) -> dict[str, object]:
    found = RUN.invoke(
        app, ["forecast", "train", trace, "--out", str(out), *words, "--output", "json"], catch_exceptions=False
    )
    assert found.exit_code == 0, found.output
    document: dict[str, object] = json.loads(found.stdout)
    return document


def test_what_was_trained_can_be_compared_and_is_the_same_when_trained_again(trace: str, tmp_path: Path) -> None:
    out, again = tmp_path / "model.json.gz", tmp_path / "again.json.gz"
    said = trained(trace, out, "--seed", "5")
    assert (said["predictor"], said["seed"], said["bytes"]) == ("lightgbm", 5, out.stat().st_size)
    assert (said["fitted"], said["held_back"]) == ([0, 1920], [1920, 2400])
    found = compared(trace, "--predictor", "ewma,lightgbm", "--model", f"lightgbm={out}")
    assert isinstance(found["predictors"], list)
    trained(trace, again, "--seed", "5", "--train", "0:2400")
    assert again.read_bytes() == out.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again.json.gz", "model.json.gz"]


def test_a_model_is_judged_by_what_it_has_not_seen_of_the_trace_that_it_names(trace: str, tmp_path: Path) -> None:
    out, other = tmp_path / "model.json.gz", tmp_path / "other.txt"
    trained(trace, out)
    other.write_text(" ".join(["20"] * 3_600))
    asked = ["--predictor", "ewma,lightgbm", "--model", f"lightgbm={out}"]
    with pytest.raises(UsageError, match="--held-out 2000:3600: lightgbm was trained on seconds 0:2400 of this trace"):
        compared(trace, *asked, "--held-out", "2000:3600")
    with pytest.raises(UsageError, match="--model lightgbm: was not trained on seconds 0:2400 of this trace"):
        compared(str(other), *asked)
    assert compared(str(other), *asked, "--elsewhere")["windows"] == 107


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train", "9:3"], "--train '9:3': must be START:END"),
        (["--train", "0:9000"], "lie within the 3600 seconds of the trace"),
        (["--train", "0:500"], "at least 20 are needed"),
        (["--predictor", "lstm", "--train", "0:500"], "at least 20 are needed"),
        (["--out", "no/such/folder.gz"], "the folder no/such does not exist"),
        (["--out", "."], "is a folder"),
    ],
)
def test_what_cannot_be_trained_is_said_by_name(trace: str, tmp_path: Path, words: list[str], said: str) -> None:
    out = [] if "--out" in words else ["--out", str(tmp_path / "model.json.gz")]
    with pytest.raises(UsageError) as error:
        RUN.invoke(app, ["forecast", "train", trace, *out, *words], catch_exceptions=False)
    assert said in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_file_is_overwritten_only_by_force(trace: str, tmp_path: Path) -> None:
    out = tmp_path / "model.json.gz"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists; --force overwrites it"):
        trained(trace, out)
    assert out.read_text() == "mine"
    trained(trace, out, "--force")
    assert out.read_bytes() != b"mine"


def test_a_damaged_file_is_refused(trace: str, tmp_path: Path) -> None:
    file = tmp_path / "model.json.gz"
    file.write_bytes(b"\x1f\x8b")
    with pytest.raises(ConfigError, match="lightgbm model file"):
        RUN.invoke(app, ["forecast", "compare", trace, "--model", f"lightgbm={file}"], catch_exceptions=False)


def test_training_the_network_says_what_to_install(trace: str, tmp_path: Path) -> None:
    if find_spec("torch"):
        pytest.skip("torch is installed")
    words = ["forecast", "train", trace, "--predictor", "lstm", "--out", str(tmp_path / "lstm.json.gz")]
    found = subprocess.run([sys.executable, "-m", "ipa", *words], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (1, "ipa: this needs the package 'torch': pip install 'ipa[lstm]'\n")
