"""RUN of `ipa report`: which recording it names, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ipa.adapters.files import read_text
from ipa.adapters.report_cells import parse
from ipa.adapters.report_journal import journal_run
from ipa.adapters.report_seconds import load_run
from ipa.adapters.report_simulation import DOCUMENT, simulation_run
from ipa.adapters.state import state_folder
from ipa.adapters.trace_files import write_text
from ipa.domain import Config
from ipa.errors import UsageError
from ipa.report.html.story import Objective, Run

Reader = Callable[["Recording", Objective, str | None], Run]

READERS: dict[str, Reader] = {
    "simulation": lambda found, objective, _: simulation_run(found.paths[0], objective),
    "journal": lambda found, objective, _: journal_run(found.paths[0], objective),
    "load": lambda found, objective, title: load_run(
        _ending(found.paths, ".json"), _ending(found.paths, ".csv"), objective, title or found.paths[0].stem
    ),
}
KNOWN = (
    "a folder of `ipa simulate --save`, the .json and .csv of `ipa load --output json --per-second`, "
    "a .jsonl journal of `ipa adapt`, or the name of a pipeline that was adapted here"
)


@dataclass(frozen=True, slots=True)
class Recording:
    """`format`: a key of READERS; `page`: where its report goes unless told otherwise."""

    format: str
    paths: tuple[Path, ...]
    page: Path


def find(run: str) -> Recording:
    """What RUN names: a folder, a file, or else a pipeline. Raises UsageError."""
    if not run:
        raise UsageError(f"RUN is empty: RUN is {KNOWN}")
    try:
        return _found(run, Path(run))
    except OSError as error:  # a name that is too long, a folder of somebody else
        raise UsageError(f"{run}: {error.strerror}") from error


def _found(run: str, path: Path) -> Recording:
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        return _of_file(path)
    if path.name != run:
        raise UsageError(f"{run}: no such file or folder")
    journal = state_folder(run) / "decisions.jsonl"
    if not journal.exists():
        raise UsageError(f"{run}: no such file, and no journal of a pipeline of that name ({journal})")
    return Recording("journal", (journal,), Path(f"{run}.html"))


def _in_folder(folder: Path) -> Recording:
    page = folder / "report.html"
    if (folder / DOCUMENT).exists():
        return Recording("simulation", (folder,), page)
    journals, documents, tables = (sorted(folder.glob(f"*{ending}")) for ending in (".jsonl", ".json", ".csv"))
    if len(journals) == 1 and not tables:
        return Recording("journal", (journals[0],), page)
    if not journals and len(documents) <= 1 and len(tables) <= 1 and documents + tables:
        return replace(_of_file((documents + tables)[0]), page=page)
    names = ", ".join(path.name for path in journals + documents + tables) or "none of them"
    raise UsageError(f"{folder}: must hold one recording, but holds {names}: name a file; RUN is {KNOWN}")


def _of_file(path: Path) -> Recording:
    page = path.with_suffix(".html")
    ending = path.suffix.lower()
    if ending == ".jsonl":
        return Recording("journal", (path,), page)
    if ending == ".csv":
        return Recording("load", _with_neighbour(path, ".json"), page)
    if ending == ".json":
        document = parse(read_text(path), str(path))
        if "policies" in document.values:
            return Recording("simulation", (path.parent,), page)
        if "send_lag_p99_s" in document.values or {"sent", "answered"} <= set(document.values):
            return Recording("load", _with_neighbour(path, ".csv"), page)
    raise UsageError(f"{path}: unknown format: RUN is {KNOWN}")


def _with_neighbour(path: Path, ending: str) -> tuple[Path, ...]:
    """And the file beside it of the same name, or the only one there of that ending that is of a load."""
    same = path.with_suffix(ending)
    others = [same] if same.exists() else [other for other in path.parent.glob(f"*{ending}") if _is_of_load(other)]
    return (path, others[0]) if len(others) == 1 else (path,)


def _is_of_load(path: Path) -> bool:
    """Whether its beginning is that of a load's seconds or totals."""
    start = path.read_bytes()[:200]
    return start.startswith(b"second,sent,") or b'"sent"' in start


def _ending(paths: tuple[Path, ...], ending: str) -> Path | None:
    return next((path for path in paths if path.suffix.lower() == ending), None)


def read_run(recording: Recording, config: Config | None) -> Run:
    """The recording; the objective, where the recording does not say, and the name are those of `config`."""
    pipeline = config.pipeline if config else None
    objective = Objective(pipeline.slo.latency_s, pipeline.slo.percentile) if pipeline else Objective(None)
    return READERS[recording.format](recording, objective, pipeline.name if pipeline else None)


def check_page(path: Path) -> None:
    """Raises UsageError, before any work, for a page that cannot be written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {path}: the ending {path.suffix!r} is not .html")
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--out {path}: must be a file in a folder that exists")


def write_page(path: Path, text: str) -> None:
    """Replaces the file in one step. Raises UsageError."""
    write_text(path, text)
