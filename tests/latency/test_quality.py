from __future__ import annotations

import pytest

from ipa.latency import MODELS, quality


def test_known_numbers() -> None:
    """A curve of 1, 2, 3 s against 1.1, 1.8, 3 s, worked by hand."""
    model = MODELS["table"](((1, 1.0), (2, 2.0), (3, 3.0)))
    r2, worst = quality(model, ((1, 1.1), (2, 1.8), (3, 3.0)))
    mean = 5.9 / 3
    assert r2 == pytest.approx(1 - (0.01 + 0.04) / sum((v - mean) ** 2 for v in (1.1, 1.8, 3.0)))
    assert worst == pytest.approx(0.2 / 1.8)


def test_constant_latencies_have_no_spread_to_explain() -> None:
    flat = ((1, 0.3), (2, 0.3), (4, 0.3))
    assert quality(MODELS["linear"](flat), flat)[0] == 1.0
    assert quality(MODELS["table"](((1, 0.1), (2, 0.3), (4, 0.3))), flat)[0] == 0.0
