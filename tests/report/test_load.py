"""What a load says to people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.report.load import few_connections, late_generator, print_table
from ipa.report.load_plot import percentile_curve, plot
from ipa.workload.ledger import Ledger, Reply
from ipa.workload.summary import ANSWERED, DROPPED, LoadResult, summarise


def _result(lag_s: float = 0.0, waited: int = 0) -> LoadResult:
    ledger = Ledger(np.array([0.0, 1.0]))
    ledger.due(0, 1, lag_s)
    ledger.due(1, 2, 1.0 + lag_s)
    ledger.note(0, Reply(ANSWERED), 0.5, None)
    ledger.note(1, Reply(DROPPED, "[red]deadline"), 0.0, None)
    ledger.waited(waited)
    return ledger.result()


def test_the_table_names_the_reasons_as_the_server_did(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(summarise(_result(), 1.0, None))
    out = capsys.readouterr().out
    assert "drops: [red]deadline" in out
    assert "failures" not in out


def test_a_warning_says_what_of_the_generator_was_the_limit() -> None:
    assert late_generator(summarise(_result(), 1.0, None)) is None
    assert few_connections(_result(), 256) is None
    assert "could not keep up" in str(late_generator(summarise(_result(lag_s=0.02), 1.0, None)))
    assert "5 requests found 256 others in flight" in str(few_connections(_result(waited=5), 256))


def test_the_plot_is_drawn_even_of_nothing(tmp_path: Path) -> None:
    plot("digits", _result(), 0.25, tmp_path / "p.svg")
    assert b"<svg" in (tmp_path / "p.svg").read_bytes()
    plot("digits", Ledger(np.empty(0)).result(), 0.25, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=2000))
def test_the_curve_is_the_quantiles_of_the_sample(latencies: list[float]) -> None:
    nines, latency_s = percentile_curve(np.array(latencies))
    ordered = sorted(latencies)
    assert (latency_s[0], latency_s[-1]) == (ordered[0], ordered[-1])
    for inverse, value in zip(nines.tolist(), latency_s.tolist(), strict=True):
        below = sum(each < value for each in ordered) / len(ordered)
        at_most = sum(each <= value for each in ordered) / len(ordered)
        assert below - 1e-6 <= 1 - 1 / inverse <= at_most + 1e-6
