"""`ipa profile --visits` on the screen: what was counted, and what to write into the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipa.report.console import stdout_console

MOST_LOST = 0.01  # of the answers


def table(document: Mapping[str, Any]) -> None:
    """The document: {pipeline, answered, lost, stages: [{stage, configured, answered, visits}]}."""
    from rich.table import Table

    console = stdout_console()
    grid = Table(title=f"{document['pipeline']}: visits of {document['answered']:,} answers", title_justify="left")
    grid.add_column("stage", overflow="fold")
    for column in ("answered", "visits", "in the config"):
        grid.add_column(column, justify="right")
    for row in document["stages"]:
        visits = "–" if row["visits"] is None else f"{row['visits']:.4g}"
        grid.add_row(row["stage"], f"{row['answered']:,}", visits, f"{row['configured']:g}")
    console.print(grid)
    if document["lost"] > MOST_LOST * document["answered"]:
        rule = "some stages answered them, others did not: count again at a load that all of it can serve"
        console.print(f"{document['lost']:,} requests without an answer: {rule}", soft_wrap=True)
        return
    for row in document["stages"]:
        if row["visits"] is not None and abs(row["visits"] - row["configured"]) > 0.01 * row["configured"]:
            console.print(f"stages: {row['stage']}: visits: {row['visits']:.4g}", highlight=False, markup=False)
