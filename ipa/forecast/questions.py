"""What a comparison asks: from the words of a command line to windows of a trace, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ipa.durations import positive_duration_s
from ipa.errors import UsageError
from ipa.forecast import PREDICTORS
from ipa.forecast.comparison import Score, compare
from ipa.forecast.contenders import Contender, check_unseen
from ipa.forecast.outlook import IntArray
from ipa.forecast.samples import samples


@dataclass(frozen=True, slots=True)
class Question:
    """`held_out`: [start, end) in seconds, None for the last third of the trace."""

    horizon_s: int
    damping: int
    window_s: int
    every_s: int
    held_out: tuple[int, int] | None
    quantile: float
    against: str


@dataclass(frozen=True, slots=True)
class Answer:
    question: Question
    held_out: tuple[int, int]
    windows: int
    scores: tuple[Score, ...]


def questions(
    names: Sequence[str],
    *,
    horizons: Sequence[str],
    dampings: Sequence[str],
    window: str,
    every: str,
    held_out: str | None,
    quantile: float,
    against: str | None,
) -> list[Question]:
    """One for every horizon and damping. Raises UsageError naming the option, the value and the rule."""
    window_s, every_s = _seconds("--window", window), _seconds("--every", every)
    for name in names:
        if window_s < PREDICTORS[name].history_s:
            raise UsageError(f"--window {window}: {name} needs at least {PREDICTORS[name].history_s} s")
    if not 0 < quantile < 1:
        raise UsageError(f"--quantile {quantile:g}: must lie between 0 and 1, both excluded")
    against = names[-1] if against is None else against
    if against not in names:
        raise UsageError(f"--against {against!r}: is not compared; one of {', '.join(names)}")
    part = None if held_out is None else span("--held-out", held_out)
    return [
        Question(
            _seconds("--horizon", horizon), _whole("--damping", damping), window_s, every_s, part, quantile, against
        )
        for damping in dampings
        for horizon in horizons
    ]


def ask_all(
    asked: Sequence[Question], contenders: Mapping[str, Contender], counts: IntArray, cpu_s: Callable[[], float]
) -> Iterator[Answer]:
    """Raises UsageError where the held-out part is not in the trace, holds no window, or was seen in training."""
    predictors = {name: contender.predict for name, contender in contenders.items()}
    for question in asked:
        start, end = question.held_out or (2 * len(counts) // 3, len(counts))
        if end > len(counts):
            raise UsageError(f"--held-out {start}:{end}: the trace ends after {len(counts)} s")
        for name, contender in contenders.items():
            check_unseen(name, contender, counts, (start, end))
        found = samples(
            counts // question.damping,
            start,
            end,
            window_s=question.window_s,
            horizon_s=question.horizon_s,
            every_s=question.every_s,
        )
        if not len(found.at_s):
            needed = question.window_s + question.horizon_s
            raise UsageError(f"--held-out {start}:{end}: holds no {needed} s in a row without a gap")
        scores = compare(predictors, found, question.horizon_s, question.quantile, question.against, cpu_s)
        yield Answer(question, (start, end), len(found.at_s), tuple(scores))


def _seconds(option: str, text: str) -> int:
    seconds = positive_duration_s(option, text)
    if seconds != round(seconds):
        raise UsageError(f"{option} {text}: must be whole seconds, as the counts of a trace are")
    return round(seconds)


def _whole(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 9 and int(text) > 0):
        raise UsageError(f"{option} {text!r}: must be a whole number of at least 1")
    return int(text)


def span(option: str, text: str) -> tuple[int, int]:
    """START:END in seconds. Raises UsageError naming the option, the value and the rule."""
    start, colon, end = text.partition(":")
    numbers = [each for each in (start, end) if each.isascii() and each.isdecimal() and len(each) <= 12]
    if not colon or len(numbers) != 2 or int(start) >= int(end):
        raise UsageError(f"{option} {text!r}: must be START:END in whole seconds, END excluded and after START")
    return int(start), int(end)
