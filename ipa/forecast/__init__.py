"""Arrivals → rate. A predictor takes windows of counts per second and a horizon, and returns an Outlook on the largest
second within it. One file each; PREDICTORS names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ipa.forecast import ar, ewma, last, maximum, mean, oracle
from ipa.forecast.outlook import FloatArray, Outlook

Predictor = Callable[[FloatArray, float], Outlook]
"""Windows (n, seconds) of counts, oldest first, and a horizon in seconds → what is expected of each."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`make`: from the content of a model file, None for who needs none. `history_s`: the fewest seconds it works on.

    `model`: the model file that comes with ipa.
    """

    make: Callable[[bytes | None], Predictor]
    history_s: int
    model: str | None = None


def _as_it_is(predict: Predictor) -> Callable[[bytes | None], Predictor]:
    return lambda _content: predict


PREDICTORS: dict[str, Entry] = {
    "ewma": Entry(_as_it_is(ewma.predict), 10),
    "last": Entry(_as_it_is(last.predict), 1),
    "max": Entry(_as_it_is(maximum.predict), 1),
    "mean": Entry(_as_it_is(mean.predict), 1),
    "ar": Entry(_as_it_is(ar.predict), 4 * ar.BLOCK_S),
    "oracle": Entry(_as_it_is(oracle.predict), 1),
}
