"""A config for a command: its warnings go to stderr, whatever the command then says on stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipa.domain import Config


def load_config(path: Path) -> Config:
    """As ipa.adapters.files.load_config, and says what it warns of."""
    from ipa.adapters import files

    config = files.load_config(path)
    for warning in config.warnings:
        sys.stderr.write(f"ipa: warning: {path}: {warning}\n")
    return config
