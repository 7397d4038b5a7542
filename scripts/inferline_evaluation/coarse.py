"""CG, the paper's baseline: the pipeline as one black box, of one kind of server and one batch, replicated as a whole.

The largest throughput for its price whose batches pass the pipeline within the SLO. Which hardware the paper's CG took
is not known here, so ours takes the best one: that favours it.
"""

from __future__ import annotations

from math import ceil

from ipa.domain import Allocation, Config, Plan
from ipa.evaluation import evaluate_live
from ipa.options import TOLERANCE, price_list


def plan(config: Config, rate_rps: float) -> Plan | None:
    """The cheapest for a rate; None where no kind of server is fast enough."""
    pipeline, problem = config.pipeline, price_list(config.pipeline).at(0.0)
    found: list[tuple[float, int, Plan]] = []
    for server in dict.fromkeys((m.hardware, m.cores) for m in pipeline.measurements):
        for batch in sorted({m.batch for m in pipeline.measurements}):
            unit = [Allocation(s.name, s.variants[0].name, *server, batch, 1) for s in pipeline.stages]
            units = max(1, ceil(rate_rps / _carried_rps(config, unit) - TOLERANCE))
            whole = Plan(tuple(Allocation(a.stage, a.variant, *server, batch, units) for a in unit))
            judged = evaluate_live(problem, whole)
            if judged is not None and judged.feasible:
                found.append((judged.cost_per_hour, batch, whole))
    return min(found, key=lambda each: each[:2])[2] if found else None


def _carried_rps(config: Config, unit: list[Allocation]) -> float:
    """What one box carries: its slowest stage."""
    rows = {(m.stage, m.hardware, m.cores, m.batch): m.rate_rps for m in config.pipeline.measurements}
    return min(rows[a.stage, a.hardware, a.cores, a.batch] / config.pipeline.stage(a.stage).visits for a in unit)
