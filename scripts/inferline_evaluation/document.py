"""All studies into a folder: evaluation.md, a CSV a table, the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paper_evaluation.tables import Table, as_csv, as_markdown

from inferline_evaluation import better, equal, figures, moving, still
from ipa.adapters.trace_files import write_text

PREAMBLE = """# InferLine's evaluation, in simulation

Load: {source}; gamma, spike and two-phase loads are made, seed {seed}.

The paper's headlines beside it: up to 7.6 times cheaper than coarse-grained plans (here `cost / inferline` of cg-peak
and cg-mean), up to 34.5 times fewer SLO misses (here `missed / inferline`).

What differs from the paper, and why:

- Four pipelines of its shapes on an estimated profile (profiles/README.md); licence plates are read off vehicles.
- The AutoScale traces are not at hand: spike and two phases are drawn.
- The data plane is ipa's: it drops what can no longer make it within twice the SLO, so an overload ends; the paper's
  queues grow. Misses count both. A stage that fans out is not simulated: no request visits a stage twice.
- A replica takes 5 s to start, stage after stage: a change is carried out before the next one is looked at.
- Hardware is (kind, cores). `DowngradeHW` goes to the next cheaper one only, as in the paper.
- The tuner counts in ticks of 20 ms. What the envelope of the last minute calls for is not taken away, nor is anything
  in the first minute, nor what the optimiser planned less than a minute ago; fewer replicas than planned meet as much
  less. It tolerates 10 % (ratio) and 5 % (literal). The ratio never goes below what carries a load that lasts 10 s.
- The exact plan must pass a stricter test than the greedy one of `inferline-plan`: the upper end of the percentile's
  confidence interval on arrivals of the sample's law, not the sample's own percentile. `better` holds both to it.
- CG gets the best single kind of server. DS2 is left out: hpa and kpa stand for the tuners people run.
"""


@dataclass(frozen=True, slots=True)
class Results:
    """What each study found; one that was not asked for is None."""

    source: str
    seed: int
    still: tuple[Sequence[still.Task], Sequence[still.Found]] | None = None
    moving: tuple[Sequence[moving.Task], Sequence[moving.Found]] | None = None
    equal: tuple[Sequence[equal.Task], Sequence[equal.Found]] | None = None
    better: tuple[Sequence[better.Task], Sequence[better.Compared]] | None = None


def tables(results: Results) -> list[Table]:
    """Those that sum up come first."""
    found: list[Table] = []
    if results.still:
        found.append(still.summary(results.still[1]))
    if results.moving:
        found.append(moving.summary(results.moving[1]))
    if results.equal:
        found.append(equal.table(*results.equal))
    if results.better:
        found.append(better.table(results.better[1]))
    found += [still.table(*results.still)] if results.still else []
    return [*found, *([moving.table(*results.moving)] if results.moving else [])]


def write(out: Path, results: Results, found: Sequence[Table], ending: str) -> None:
    for table in found:
        write_text(out / f"{table.name}.csv", as_csv(table))
    drawn = []
    if results.still:
        figures.plans(out / f"plans.{ending}", *results.still)
        drawn.append("plans")
    if results.moving:
        figures.timelines(out / f"timelines.{ending}", *results.moving)
        drawn.append("timelines")
    if results.better:
        figures.savings(out / f"savings.{ending}", results.better[1])
        drawn.append("savings")
    pictures = [f"![{name}]({name}.{ending})\n" for name in drawn]
    preamble = PREAMBLE.format(source=results.source, seed=results.seed)
    write_text(out / "evaluation.md", "\n".join([preamble, *map(as_markdown, found), "### Figures\n", *pictures]))
