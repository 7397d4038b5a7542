"""Record: one JSON line a decision, appended at once, so that a crash loses nothing that was decided."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from ipa.errors import UsageError

LARGEST_BYTES = 10_000_000
"""A file this long is set aside as FILE.1, FILE.2 …: at a decision every 10 s each lasts about a day."""


class Journal:
    def __init__(self, path: Path) -> None:
        """Raises UsageError if the file cannot be written."""
        try:
            self._handler = RotatingFileHandler(path, maxBytes=LARGEST_BYTES, backupCount=3, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--journal {path}: cannot be written: {error.strerror}") from error
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def append(self, document: Mapping[str, Any]) -> None:
        line = json.dumps(document, allow_nan=False)
        self._handler.emit(logging.LogRecord("ipa.journal", logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        self._handler.close()
