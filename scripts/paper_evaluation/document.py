"""All studies into a folder: evaluation.md, a CSV a table, the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ipa.adapters.trace_files import write_text
from ipa.errors import UsageError
from ipa.report.pictures import check_plot_file

from . import ablation, claims, comparison, figures, preference
from .cases import Case
from .runs import Outcomes
from .tables import Table, as_csv, as_markdown
from .workloads import WORKLOADS, Loads

MOVING = ("bursty", "fluctuating")  # where a forecast matters; preferences are compared on the first, as in the paper


@dataclass(frozen=True, slots=True)
class Scope:
    """What is evaluated. `format`: of the figures, png or svg."""

    pipelines: tuple[str, ...]
    workloads: tuple[str, ...]
    start_s: float
    seed: int
    format: str = "png"

    @property
    def moving(self) -> tuple[str, ...]:
        """Those of the workloads, or all if none moves."""
        return tuple(name for name in MOVING if name in self.workloads) or self.workloads

    @property
    def claims(self) -> claims.Setting:
        return claims.Setting(self.pipelines, self.workloads, self.moving[0], self.start_s)


@dataclass(frozen=True, slots=True)
class Studies:
    """The cases of each study."""

    compared: Sequence[Case]
    ablated: Sequence[Case]
    preferred: Sequence[Case]
    claimed: Sequence[Case]

    @property
    def cases(self) -> list[Case]:
        """Each once, those of one pipeline and workload may stand anywhere."""
        return list(dict.fromkeys([*self.compared, *self.ablated, *self.preferred, *self.claimed]))


def studies(scope: Scope) -> Studies:
    pipelines, workloads, start_s = scope.pipelines, scope.workloads, scope.start_s
    return Studies(
        compared=comparison.cases(pipelines, workloads, start_s),
        ablated=ablation.cases(pipelines, scope.moving),
        preferred=preference.cases(pipelines, scope.moving[0], start_s),
        claimed=claims.cases(scope.claims),
    )


def tables(scope: Scope, chosen: Studies, outcomes: Outcomes) -> list[Table]:
    """In the order of the document; the first and the last one sum it up."""
    return [
        comparison.summary(chosen.compared, outcomes),
        comparison.table(chosen.compared, outcomes),
        ablation.summary(chosen.ablated, outcomes),
        ablation.table(chosen.ablated, outcomes),
        preference.table(scope.pipelines, scope.moving[0], scope.start_s, outcomes),
        claims.table(scope.claims, outcomes),
    ]


def check_out(out: Path) -> None:
    """Makes the folder, before anything is run. Raises UsageError, also where there is nothing to draw with."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be made: {error.strerror}") from error
    check_plot_file(out / "comparison.png")


def write(out: Path, scope: Scope, loads: Loads, chosen: Studies, found: Sequence[Table], outcomes: Outcomes) -> None:
    for table in found:
        write_text(out / f"{table.name}.csv", as_csv(table))
    names = draw(out, scope, loads, chosen, outcomes)
    parts = [preamble(scope, loads), *map(as_markdown, found), "### Figures\n", *(f"![{n}]({n})\n" for n in names)]
    write_text(out / "evaluation.md", "\n".join(parts))


def draw(out: Path, scope: Scope, loads: Loads, chosen: Studies, outcomes: Outcomes) -> list[str]:
    """The names of the files."""
    ending = scope.format
    figures.comparison(out / f"comparison.{ending}", chosen.compared, outcomes)
    figures.predictors(out / f"predictors.{ending}", chosen.ablated, outcomes)
    figures.preference(out / f"preference.{ending}", scope.pipelines, scope.moving[0], scope.start_s, outcomes)
    for pipeline in scope.pipelines:
        figures.timeline(out / f"timeline-{pipeline}.{ending}", pipeline, chosen.compared, outcomes, loads)
    timelines = [f"timeline-{pipeline}.{ending}" for pipeline in scope.pipelines]
    return [f"comparison.{ending}", *timelines, f"predictors.{ending}", f"preference.{ending}"]


def preamble(scope: Scope, loads: Loads) -> str:
    spans = [f"{name} ({loads.traces[name].duration_s:g} s of {WORKLOADS[name].seconds})" for name in scope.workloads]
    return f"""# The IPA paper's evaluation, in simulation

Load: {loads.source}: {", ".join(spans)}. Seed {scope.seed}.

- Every system runs the same loop with the same weights, predictor and limits, request by request through simulated
  queues (`ipa simulate`); service times are the profile's means, of which most are estimated (profiles/README.md).
- A replica takes {scope.start_s:g} s to start, which is assumed: nobody measured it. `ipa simulate` on the configs as
  they are starts replicas at once (`--start 0s` here).
- Cost is the mean of the cores that existed, replicas that start or drain included; neither here nor in the paper does
  it count the router's cores.
"""
