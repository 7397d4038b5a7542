"""Traces from the disk (text, .csv, or a .tbz2 of one text) and onto it."""

from __future__ import annotations

import bz2
import io
import os
import tarfile
from pathlib import Path

from ipa.errors import UsageError
from ipa.workload.counts import Counts, from_csv, from_text, select
from ipa.workload.expression import FileTerm, parse
from ipa.workload.trace import Trace, assemble


def load_trace(expression: str) -> Trace:
    """The trace of `expression`; relative files are relative to the working directory. Raises UsageError."""
    terms = parse(expression)
    files = {term.path: term.where for term in terms if isinstance(term, FileTerm)}
    return assemble(terms, {path: read_counts(path, where) for path, where in files.items()})


def read_counts(path: str, where: str) -> Counts:
    """Requests in each second of the file. Raises UsageError; `where` says which part of what asked for it."""
    source = f"{where}: {path}"
    try:
        content = _unpacked(Path(path)) if path.lower().endswith((".tbz2", ".tar.bz2")) else Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError) as error:
        raise UsageError(f"{source}: must be a .tbz2 archive of one text file ({error})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{source}: must be text ({error})") from error
    return from_csv(text, source) if path.lower().endswith(".csv") else from_text(text, source)


def _unpacked(path: Path) -> bytes:
    # unpacked first: seeking back in a compressed archive would unpack it once more
    with tarfile.open(fileobj=io.BytesIO(bz2.decompress(path.read_bytes()))) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        if len(files) != 1:
            raise tarfile.TarError(f"it holds {len(files)} files")
        stream = archive.extractfile(files[0])
        assert stream is not None  # a regular file has a stream
        return stream.read()


def cut_counts(expression: str) -> Counts:
    """The counts of one slice, FILE[@START:END][/DAMPING]. Raises UsageError for any other expression."""
    (term, *more) = parse(expression)
    if more or not isinstance(term, FileTerm) or term.speed != 1:
        raise UsageError(f"{expression!r}: one FILE[@START:END][/DAMPING] can be cut; `ipa trace make` takes the rest")
    return select(read_counts(term.path, term.where), term)


def check_out(path: Path) -> None:
    """Raises UsageError, before any work, for a file that cannot be written as counts."""
    if path.name.lower().endswith((".tbz2", ".tar.bz2")):
        raise UsageError(f"{path}: traces are written as text or .csv")
    check_place(path)


def check_place(path: Path) -> None:
    """Raises UsageError for a folder, or a file in a folder that does not exist."""
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path}: {'is a folder' if path.is_dir() else f'the folder {path.parent} does not exist'}")


def refuse_existing(path: Path) -> None:
    """Raises UsageError if there is something at `path`."""
    if os.path.lexists(path):
        raise UsageError(f"{path}: exists; --force overwrites it")


def write_counts(path: Path, counts: Counts) -> None:
    """Requests in each second: a .csv with `second,count`, else text with one count a line. Raises UsageError."""
    values = counts.tolist()
    if path.suffix.lower() == ".csv":
        lines = ["second,count", *(f"{second},{count}" for second, count in enumerate(values))]
    else:
        lines = [str(count) for count in values]
    write_text(path, "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` in one step: a reader, or a run cut short, sees the old file or the new one, never a part."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)  # there only if the writing was cut short, by an error or by ^C
