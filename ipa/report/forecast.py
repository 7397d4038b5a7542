"""`ipa forecast compare`: who forecasts how well, as a document, a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ipa.forecast.comparison import Score
from ipa.forecast.questions import Answer
from ipa.report.console import stdout_console
from ipa.report.pictures import empty_figure, save

COLOUR = "#0072b2"


def document(trace: str, answers: Sequence[Answer]) -> dict[str, Any]:
    """{trace, horizon_s, damping, windows, …, predictors: [{name, smape, under_share, cpu_us, …}]}; of several
    horizons or dampings {trace, comparisons: [the same of each]}."""
    each = [_comparison(answer) for answer in answers]
    return {"trace": trace, **each[0]} if len(each) == 1 else {"trace": trace, "comparisons": each}


def _comparison(answer: Answer) -> dict[str, Any]:
    asked = answer.question
    return {
        "horizon_s": asked.horizon_s,
        "damping": asked.damping,
        "windows": answer.windows,
        "held_out": list(answer.held_out),
        "window_s": asked.window_s,
        "every_s": asked.every_s,
        "quantile": asked.quantile,
        "against": asked.against,
        "predictors": [_row(score) for score in answer.scores],
    }


def _row(score: Score) -> dict[str, Any]:
    row = asdict(score) | {"smape": score.smape.mean}
    return row | {"smape_low": score.smape.low, "smape_high": score.smape.high}


def comparisons(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document.get("comparisons", [document])
    return found


def print_table(document: dict[str, Any]) -> None:
    from rich.table import Table

    for found in comparisons(document):
        percent = f"{100 * found['quantile']:g} %"
        title = (
            f"the largest second of the next {found['horizon_s']} s, counts divided by {found['damping']}: "
            f"{found['windows']:,} windows"
        )
        table = Table(title=title, title_justify="left")
        table.add_column("predictor")
        for name in ("SMAPE % (95 %)", f"− {found['against']}", "too low", "by", "else high by"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in (f"{percent} bound held", "uncalibrated", "pinball rps", "CPU µs"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in found["predictors"]:
            table.add_row(*_cells(row))
        stdout_console().print(table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    difference = row["difference"]
    return (
        row["name"],
        f"{row['smape']:.2f} ({row['smape_low']:.2f}…{row['smape_high']:.2f})",
        "" if difference is None else f"{difference['mean']:+.2f} ({difference['low']:+.2f}…{difference['high']:+.2f})",
        f"{row['under_share']:.1%}",
        f"{row['under_depth']:.1%}",
        f"{row['over']:.1%}",
        f"{row['held']:.1%}",
        f"{row['held_raw']:.1%}",
        f"{row['pinball_rps']:.3g}",
        f"{row['cpu_us']:.0f}",
    )


def plot(document: dict[str, Any], file: Path) -> None:
    """SMAPE with its interval, a row of bars a horizon and damping. Raises UsageError for an unwritable file."""
    found = comparisons(document)
    figure = empty_figure(6.4, 0.8 + 0.35 * sum(len(each["predictors"]) + 1 for each in found))
    axes = figure.subplots(len(found), 1, squeeze=False, sharex=True)[:, 0]
    for axis, each in zip(axes, found, strict=True):
        rows = sorted(each["predictors"], key=lambda row: -float(row["smape"]))
        lengths = [row["smape"] for row in rows]
        whiskers = [
            [row["smape"] - row["smape_low"] for row in rows],
            [row["smape_high"] - row["smape"] for row in rows],
        ]
        axis.barh([row["name"] for row in rows], lengths, xerr=whiskers, color=COLOUR, height=0.6, ecolor="black")
        axis.set_title(f"next {each['horizon_s']} s, counts divided by {each['damping']}", fontsize=9)
        axis.grid(visible=True, axis="x", alpha=0.3)
    axes[-1].set_xlabel("SMAPE in percent, 95 % interval")
    save(figure, file)
