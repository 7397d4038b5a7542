"""Accuracy first or cost first: the paper's three choices of weights, and a sweep, on one workload.

α·score − β·cost is maximised (δ is negligible), so what is chosen depends on α/β alone: α times f is β divided by f.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .cases import Case
from .comparison import RULES
from .runs import Outcomes
from .tables import Column, Table

# (α, β), as the notebook of the paper's figure 14 prints them (paper-revision-fig14-objecitve-preference.ipynb).
NAMES = ("accuracy first", "balanced", "cost first")
_AUDIO = ((10.0, 0.125), (10.0, 0.5), (0.125, 10.0))
PAPER: Mapping[str, Sequence[tuple[float, float]]] = {
    "video": ((10.0, 0.125), (4.0, 1.0), (0.125, 1.0)),
    "audio-qa": _AUDIO,
    "audio-sent": _AUDIO,
    "sum-qa": _AUDIO,
    "nlp": ((100.0, 0.0), (20.0, 0.5), (0.125, 10.0)),
}
FACTORS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)
BASELINES = ("fa2-low", "fa2-high", "rim")


def papers(pipeline: str, workload: str, start_s: float) -> list[Case]:
    """The paper's choices, in the order of NAMES."""
    return [Case(pipeline, workload, start_s=start_s, weights=weights) for weights in PAPER[pipeline]]


def ranked(pipeline: str, workload: str, start_s: float) -> list[Case]:
    """The same with the score of the paper's first version, the sum of normalised ranks."""
    return [replace(case, score="rank-sum") for case in papers(pipeline, workload, start_s)]


def sweep(pipeline: str, workload: str, start_s: float) -> list[Case]:
    """From cost first to accuracy first."""
    return [Case(pipeline, workload, start_s=start_s, accuracy_factor=f) for f in FACTORS]


def baselines(pipeline: str, workload: str, start_s: float) -> list[Case]:
    """What the sweep is drawn against, at the config's weights."""
    return [Case(pipeline, workload, system, start_s=start_s) for system in BASELINES]


def cases(pipelines: Sequence[str], workload: str, start_s: float) -> list[Case]:
    return [
        case
        for pipeline in pipelines
        for some in (papers, ranked, sweep, baselines)
        for case in some(pipeline, workload, start_s)
    ]


def table(pipelines: Sequence[str], workload: str, start_s: float, outcomes: Outcomes) -> Table:
    columns = (
        Column("pipeline"),
        Column("weights"),
        Column("accuracy", ".4f"),
        Column("cores", ".2f"),
        Column("late or dropped", ".2%"),
        Column("dropped", ".2%"),
    )
    rows = []
    for pipeline in pipelines:
        for some in (papers, ranked, sweep):
            for number, case in enumerate(some(pipeline, workload, start_s)):
                found = outcomes[case]
                words = _words(case, number)
                rows.append((pipeline, words, found.accuracy, found.cores, found.missed, found.dropped))
    return Table("preference", f"Accuracy first or cost first, on {workload}", columns, rows, RULES)


def _words(case: Case, number: int) -> str:
    if case.weights is None:
        return f"the config's, α × {case.accuracy_factor:g}"
    alpha, beta = case.weights
    return f"{NAMES[number]}: α {alpha:g}, β {beta:g}" + (", Σ ranks" if case.score == "rank-sum" else "")
