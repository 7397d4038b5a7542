"""What a simulation leaves on the disk, for `ipa report`: its document, and each run's seconds and decisions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ipa.adapters.trace_files import refuse_existing, write_text
from ipa.errors import UsageError
from ipa.report.adapt import document as turn_document
from ipa.report.output import finite
from ipa.simulation.backtest import Run
from ipa.workload.per_second import Second, per_second
from ipa.workload.summary import ANSWERED

DOCUMENT = "simulation.json"


def check_folder(folder: Path, *, force: bool) -> None:
    """Raises UsageError, before anything is simulated, for a folder that cannot be made or holds a simulation."""
    if not folder.absolute().parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"--save {folder}: must be a folder, in one that exists")
    if not force:
        refuse_existing(folder / DOCUMENT)


def save_runs(folder: Path, document: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """The document comes last: a folder that has it is whole. Raises UsageError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"--save {folder}: cannot be made: {error.strerror}") from error
    several = len({run.config.control.interval_s for run in runs if run.turns}) > 1
    for run in runs:
        pace = f"-{run.config.control.interval_s:g}s" if several else ""
        name = f"{run.policy}{pace}-{run.seed}"
        write_text(folder / f"{name}.seconds.csv", _seconds(run))
        lines = (json.dumps(turn_document(run.config.pipeline.name, turn), allow_nan=False) for turn in run.turns)
        write_text(folder / f"{name}.decisions.jsonl", "".join(f"{line}\n" for line in lines))
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
