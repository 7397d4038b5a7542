"""`ipa report`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Folder of simulate --save, .json or .csv of load, .jsonl of adapt, or a pipeline's name.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page, .html; default: beside RUN.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="Names the SLO where the recording does not.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    output: Output = "table",
) -> None:
    """Make one HTML file of a simulation, a load or an adapt journal.

    Load and forecast, plan, latency, accuracy, cost, decisions; needs no network and no server.
    """
    from ipa.adapters.files import load_config_unmeasured
    from ipa.adapters.report_files import check_page, find, read_run, write_page
    from ipa.adapters.trace_files import refuse_existing
    from ipa.report.html.page import render
    from ipa.report.html.told import document, print_table
    from ipa.report.output import emit

    recording = find(run)
    page = out or recording.page
    check_page(page)
    if not force:
        refuse_existing(page)
    story = read_run(recording, load_config_unmeasured(config) if config else None)
    text = render(story)
    write_page(page, text)
    said = document(story, page, len(text.encode()))
    emit(said, output, lambda: print_table(said))
