"""A page in headless Chromium: its DOM, its picture, what it said on the console and what it asked of the network."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
# It must reach nothing itself either, and ask nothing of a desktop that is not there.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
)


def chromium() -> str | None:
    """The browser's path; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Seen:
    dom: str
    picture: Path
    console: tuple[str, ...]
    requests: tuple[str, ...]


def look(page: Path, folder: Path, width: int = 1280, height: int = 1000, theme: str = "light") -> Seen:
    """Opens the file; `folder` takes the picture, the log and the browser's profile."""
    browser = chromium()
    assert browser is not None
    picture, log = folder / "picture.png", folder / "net.json"
    command = [
        browser,
        *OPTIONS,
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}",
        f"--screenshot={picture}",
        f"--log-net-log={log}",
        "--dump-dom",
        page.absolute().as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    console = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    return Seen(done.stdout, picture, console, _requests(json.loads(log.read_text())))


def _requests(log: dict[str, Any]) -> tuple[str, ...]:
    """Addresses that a page asked for: the origin of a file is null, the browser's own requests have none."""
    found = (event.get("params", {}) for event in log["events"])
    return tuple(p["url"] for p in found if "url" in p and p.get("initiator", "not an origin") != "not an origin")
