"""Who takes part in a comparison; none may be judged by the seconds that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

from ipa.errors import UsageError
from ipa.forecast import Predictor
from ipa.forecast.model_file import ModelFile, digest
from ipa.forecast.outlook import IntArray


@dataclass(frozen=True, slots=True)
class Contender:
    """`model`: what it was trained to, if it was; `trained_here`: on seconds of the trace that it is judged by."""

    predict: Predictor
    model: ModelFile | None = None
    trained_here: bool = False


def check_unseen(name: str, contender: Contender, counts: IntArray, held_out: tuple[int, int]) -> None:
    """Raises UsageError if it was trained on what is held out, or not on this trace where it should have been."""
    if contender.model is None:
        return
    start, end = contender.model.split.start_s, contender.model.split.end_s
    same = end <= len(counts) and digest(counts[start:end]) == contender.model.counts_sha256
    if contender.trained_here and not same:
        raise UsageError(
            f"--model {name}: was not trained on seconds {start}:{end} of this trace, as it says (SHA-256 "
            f"{contender.model.counts_sha256[:12]}…); --elsewhere compares it all the same"
        )
    if same and start < held_out[1] and held_out[0] < end:
        raise UsageError(
            f"--held-out {held_out[0]}:{held_out[1]}: {name} was trained on seconds {start}:{end} of this trace"
        )
