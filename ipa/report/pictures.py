"""Picture files: what may be asked for with --plot, checked before any work, and how one is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ipa.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")


def check_plot_file(file: Path) -> None:
    """Raises UsageError, before any work, for a wrong ending, a missing folder or no matplotlib."""
    if file.suffix.lower() not in FORMATS:
        raise UsageError(f"--plot {file}: the ending {file.suffix!r} is not one of {', '.join(FORMATS)}")
    if not file.parent.is_dir():
        raise UsageError(f"--plot {file}: the folder {file.parent} does not exist")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--plot {file}: matplotlib is missing; install the extra `plot` (ipa[plot])") from error


def empty_figure(width: float, height: float) -> Figure:
    """A figure in inches that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, file: Path) -> None:
    """In the format of the file's ending. Raises UsageError for an unwritable file."""
    try:
        figure.savefig(file, format=file.suffix.lower().lstrip("."))
    except OSError as error:
        raise UsageError(f"--plot {file}: cannot be written: {error.strerror}") from error
