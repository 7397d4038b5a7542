"""What a pipe gets."""

from __future__ import annotations

import pytest

from ipa.report.console import watched


def test_away_from_a_terminal_nobody_sees_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(watched(iter("abc"), 3, "simulated")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
