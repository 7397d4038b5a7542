"""Traces from the disk: text, .csv, or a .tbz2 of one text."""

from __future__ import annotations

import bz2
import io
import tarfile
from pathlib import Path

from ipa.errors import UsageError
from ipa.workload.counts import Counts, from_csv, from_text
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
