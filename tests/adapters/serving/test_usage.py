from __future__ import annotations

from ipa.adapters.serving.usage import CoreSeconds


def test_cores_count_from_spawn_to_exit() -> None:
    used = CoreSeconds()
    assert used.total(5.0) == 0
    used.begin("a", 2, 10.0)
    used.begin("b", 1, 11.0)
    assert used.total(12.0) == 2 * 2 + 1
    used.end("a", 13.0)
    assert used.total(20.0) == 2 * 3 + 9
