"""`ipa fit`: fitted latency models of a profile, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output


def fit(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw curves and points: .png, .svg or .pdf.")
    ] = None,
    output: Output = "table",
) -> None:
    """Fit latency models to the profile.

    Linear and quadratic: coefficients, R², worst relative error, curves.
    """
    from ipa.adapters.profile_files import all_measurements
    from ipa.cli.loading import load_config
    from ipa.latency.comparison import compare
    from ipa.report import fit as report
    from ipa.report.output import emit
    from ipa.report.pictures import check_plot_file

    if plot is not None:
        check_plot_file(plot)
    settings = load_config(config)
    pipeline = settings.pipeline
    fits = compare(all_measurements(settings), pipeline.latency.percentile)
    if plot is not None:
        report.plot(pipeline.name, fits, plot)
    emit(report.document(pipeline.name, fits), output, lambda: report.print_table(fits))
