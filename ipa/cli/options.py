"""Options that several commands take in the same words."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Output = Annotated[Literal["table", "json", "yaml"], typer.Option()]
PolicyName = Annotated[
    str,
    typer.Option(
        metavar="P",
        help="auto, label, milp, exhaustive, fa2-low, fa2-high, rim, static, inferline or inferline-auto.",
    ),
]
