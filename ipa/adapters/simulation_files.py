"""What a simulation leaves on the disk, for `ipa report`: its document, and each run's seconds and decisions."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ipa.adapters.report_simulation import DECISIONS, DOCUMENT, SECONDS
from ipa.adapters.trace_files import refuse_existing, write_text
from ipa.errors import UsageError
from ipa.report.adapt import document as turn_document
from ipa.report.output import finite
from ipa.simulation.backtest import Run
from ipa.workload.per_second import Second, per_second
from ipa.workload.summary import ANSWERED


def open_folder(folder: Path, *, force: bool) -> None:
    """Make it. Raises UsageError, before anything is simulated, for one that cannot be written or holds a simulation.

    A folder of other files is not emptied.
    """
    if not folder.absolute().parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"--save {folder}: must be a folder, in one that exists")
    if not force:
        refuse_existing(folder / DOCUMENT)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"--save {folder}: cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--save {folder}: must be writable")


def save_run(folder: Path, run: Run, *, several_intervals: bool) -> None:
    """POLICY-SEED.seconds.csv and .decisions.jsonl; POLICY-INTERVAL-SEED where several were asked for.

    Raises UsageError. A simulation that the folder held goes first: a reader would take its files for this one's.
    """
    if (folder / DOCUMENT).exists():
        for old in (folder / DOCUMENT, *folder.glob(f"*{SECONDS}"), *folder.glob(f"*{DECISIONS}")):
            old.unlink()
    pace = f"-{run.config.control.interval_s:g}s" if several_intervals else ""
    name = f"{run.policy}{pace}-{run.seed}"
    write_text(folder / f"{name}{SECONDS}", _seconds(run))
    lines = (json.dumps(turn_document(run.config.pipeline.name, turn), allow_nan=False) for turn in run.turns)
    write_text(folder / f"{name}{DECISIONS}", "".join(f"{line}\n" for line in lines))


def save_document(folder: Path, document: Mapping[str, Any]) -> None:
    """It comes last: a folder that has it is whole. Raises UsageError."""
    write_text(folder / DOCUMENT, json.dumps(finite(document), indent=2) + "\n")


def _seconds(run: Run) -> str:
    """As `ipa load --per-second`, and the accuracy and the cores of the second."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(field.name for field in fields(Second)), "accuracy", "cores"])
    rows = per_second(run.result, run.config.pipeline.slo.latency_s)
    bounds = np.searchsorted(run.result.intended_s, np.arange(len(rows) + 1)).tolist()
    at_s = [each.at_s for each in run.spending]
    for row, first, end in zip(rows, bounds, bounds[1:], strict=False):
        answers = run.accuracy[first:end][run.result.outcome[first:end] == ANSWERED]
        cores = run.spending[int(np.searchsorted(at_s, row.second, side="right")) - 1].cores
        writer.writerow([*asdict(row).values(), float(answers.mean()) if len(answers) else None, cores])
    return text.getvalue()
