from __future__ import annotations

from ipa.adapters.serving.backoff import LONGEST_S, QUIET_S, Backoff


def test_it_doubles_up_to_the_longest() -> None:
    backoff = Backoff()
    assert [backoff.next_s(float(i)) for i in range(9)] == [
        0.5,
        1,
        2,
        4,
        8,
        16,
        LONGEST_S,
        LONGEST_S,
        LONGEST_S,
    ]


def test_it_is_short_again_after_a_quiet_minute() -> None:
    backoff = Backoff()
    for i in range(5):
        backoff.next_s(float(i))
    assert backoff.next_s(4.0 + QUIET_S) == 16  # not yet
    assert backoff.next_s(5.0 + 2 * QUIET_S) == 0.5
