"""`ipa fit` on paper: the comparison as a document, as a table and as small multiples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipa.latency.comparison import Fit
from ipa.latency.points import Server
from ipa.report.console import stdout_console
from ipa.report.pictures import empty_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_STYLES = {"linear": "--", "quadratic": "-"}
COLOURS = ("#0072b2", "#d55e00")  # blue and vermilion: told apart by colour-blind readers too (Okabe and Ito)


def document(pipeline: str, fits: Sequence[Fit]) -> dict[str, Any]:
    """{pipeline, fits: [{stage, variant, hardware, cores, latency, model, …}]}; coefficients in seconds."""
    return {"pipeline": pipeline, "fits": [_row(fit) for fit in fits]}


def _row(fit: Fit) -> dict[str, Any]:
    stage, variant, hardware, cores = fit.server
    names = ("gamma_s", "beta_s", "alpha_s")
    return {
        "stage": stage,
        "variant": variant,
        "hardware": hardware,
        "cores": cores,
        "latency": fit.latency,
        "model": fit.model,
        "points": len(fit.points),
        "coefficients": dict(zip(names, fit.curve.coefficients, strict=False)) if fit.curve else None,
        "r2": fit.r2,
        "worst_relative_error": fit.worst_relative_error,
        "better": fit.better,
        "reason": fit.reason,
    }


def print_table(fits: Sequence[Fit]) -> None:
    from rich.table import Table

    console = stdout_console()
    console.print("latency of a batch of b requests in ms, fitted on relative error")
    for server in dict.fromkeys(fit.server for fit in fits):
        table = Table(title=_server(server), title_justify="left")
        for column in ("latency", "model", "fit"):
            table.add_column(column)
        for column in ("R²", "worst error", "better"):
            table.add_column(column, justify="right", no_wrap=True)
        for fit in fits:
            if fit.server == server:
                table.add_row(latency_name(fit.latency), fit.model, *_cells(fit))
        console.print(table)


def _cells(fit: Fit) -> tuple[str, str, str, str]:
    if fit.curve is None or fit.r2 is None or fit.worst_relative_error is None:
        return f"refused: {fit.reason.removeprefix(fit.model + ': ')}", "", "", ""
    return (
        formula_ms(fit.curve.coefficients),
        f"{fit.r2:.4f}",
        f"{fit.worst_relative_error:.1%}",
        "✓" if fit.better else "",
    )


def formula_ms(coefficients: Sequence[float]) -> str:
    """(γ, β, α) in seconds → `α·b² + β·b + γ` in milliseconds."""
    powers = ("", "·b", "·b²")
    text = ""
    for power, c in reversed(list(enumerate(coefficients))):
        sign = ("- " if c < 0 else "+ ") if text else ("-" if c < 0 else "")
        text += f"{' ' if text else ''}{sign}{abs(c) * 1000:.4g}{powers[power]}"
    return text


def latency_name(latency: str) -> str:
    return latency if latency == "mean" else f"p{latency}"


def _server(server: Server) -> str:
    stage, variant, hardware, cores = server
    return f"{stage}/{variant} {cores} × {hardware}"


# --- plot --------------------------------------------------------------------------------------------------


def plot(pipeline: str, fits: Sequence[Fit], file: Path) -> None:
    """One small chart a server: measured points and fitted curves. Raises UsageError for an unwritable file."""
    servers = list(dict.fromkeys(fit.server for fit in fits))
    columns = min(3, max(1, len(servers)))
    rows = max(1, -(-len(servers) // columns))
    figure = empty_figure(4.2 * columns, 3.2 * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, server in zip(axes, servers, strict=False):
        _draw(axis, server, [fit for fit in fits if fit.server == server])
    for axis in axes[len(servers) :]:
        axis.set_axis_off()
    figure.suptitle(f"{pipeline}: latency of a batch")
    save(figure, file)


def _draw(axis: Axes, server: Server, fits: Sequence[Fit]) -> None:
    latencies = list(dict.fromkeys(fit.latency for fit in fits))
    for latency, colour in zip(latencies, COLOURS, strict=False):
        of_one = [fit for fit in fits if fit.latency == latency]
        batches = [batch for batch, _ in of_one[0].points]
        in_ms = [latency_s * 1000 for _, latency_s in of_one[0].points]
        axis.plot(batches, in_ms, "o", color=colour, markersize=4, label=latency_name(latency))
        for fit in of_one:
            _draw_curve(axis, fit, colour)
    # Both axes logarithmic: equal distances are equal relative errors, which is what the fit minimises.
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    ticks = sorted({batch for fit in fits for batch, _ in fit.points})
    axis.set_xticks(ticks, labels=[str(batch) for batch in ticks])
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.tick_params(which="both", labelsize=7)
    axis.set_title(_server(server), fontsize=9)
    axis.set_xlabel("batch")
    axis.set_ylabel("latency (ms)")
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=7)


def _draw_curve(axis: Axes, fit: Fit, colour: str) -> None:
    if fit.curve is None:
        return
    in_ms = [fit.curve.latency_s(batch) * 1000 for batch in fit.curve.batches]
    label = f"{fit.model}{' (better)' if fit.better else ''}"
    axis.plot(fit.curve.batches, in_ms, LINE_STYLES[fit.model], color=colour, linewidth=1, label=label)
