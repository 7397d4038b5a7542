"""`ipa simulate`: the runs as a document and as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from ipa.domain import Config, Pipeline
from ipa.report.console import stdout_console
from ipa.simulation.backtest import Row
from ipa.simulation.rivals import ORACLE

COLUMNS = tuple(field.name for field in fields(Row))


def document(trace: str, rows: Sequence[Row], reason: str | None = None) -> dict[str, Any]:
    """`reason`: why policies that were asked for have no row."""
    return {"trace": trace, "policies": [asdict(row) for row in rows], "reason": reason}


def unknown_starts(pipeline: Pipeline) -> str | None:
    """A warning where the profile does not say how long a replica takes to start, if so."""
    names = [f"{stage.name}/{v.name}" for stage in pipeline.stages for v in stage.variants if v.load_s is None]
    if not names:
        return None
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"variants.csv has no load_s of {shown}: their replicas start in no time here"


def setting(config: Config, duration_s: float) -> dict[str, Any]:
    """What a reader of the saved runs has to know of the pipeline."""
    slo = config.pipeline.slo
    return {
        "pipeline": config.pipeline.name,
        "slo_s": slo.latency_s,
        "percentile": slo.percentile,
        "drop_after_s": slo.drop_after_s,
        "interval_s": config.control.interval_s,
        "duration_s": duration_s,
    }


def print_table(config: Config, rows: Sequence[Row]) -> None:
    """Columns that say nothing here (one seed, one interval a policy, no money, no oracle) are left out."""
    from rich.table import Table

    shown = [(title, text) for title, text, says in _columns(config, rows) if says]
    table = Table()
    for number, (title, _) in enumerate(shown):
        table.add_column(title, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(text(row) for _, text in shown))
    stdout_console().print(table)


def _columns(config: Config, rows: Sequence[Row]) -> list[tuple[str, Any, bool]]:
    slo_s = config.pipeline.slo.latency_s
    return [
        ("policy", lambda row: row.policy, True),
        ("seed", lambda row: str(row.seed), len({row.seed for row in rows}) > 1),
        ("interval", lambda row: f"{row.interval_s:g} s", _intervals_differ(rows)),
        ("predictor", lambda row: row.predictor or "", _predictors_differ(rows)),
        ("requests", lambda row: f"{row.requests:,}", True),
        ("dropped", lambda row: f"{row.dropped:,}", True),
        (f"within {slo_s:g} s", lambda row: _share(row.slo_share), True),
        ("p50", lambda row: _ms(row.p50_s), True),
        ("p99", lambda row: _ms(row.p99_s), True),
        ("accuracy", lambda row: _share(row.accuracy), True),
        ("core h", lambda row: f"{row.core_hours:.2f}", True),
        ("cost", lambda row: f"{row.cost:.3f}", any(row.cost > 0 for row in rows)),
        ("changes", lambda row: str(row.changes), True),
        ("objective", lambda row: f"{row.objective:.4f}", True),
        (
            "regret",
            lambda row: "" if row.regret is None else f"{row.regret:.4f}",
            any(r.regret is not None for r in rows),
        ),
    ]


def _intervals_differ(rows: Sequence[Row]) -> bool:
    """Of one policy, that is: autoscalers have their own in any case."""
    return len({(row.policy, row.interval_s) for row in rows}) > len({row.policy for row in rows})


def _predictors_differ(rows: Sequence[Row]) -> bool:
    """But for the oracle's, which is called after it."""
    return len({row.predictor for row in rows if row.predictor and row.policy != ORACLE}) > 1


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value * 1000:,.0f} ms"
