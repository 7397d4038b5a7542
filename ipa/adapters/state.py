"""Where a local run says how to reach it, so that other commands can attach by the pipeline's name.

The folder is `$XDG_RUNTIME_DIR/ipa/NAME`, else `ipa-UID/NAME` in the system's folder for temporary files. It holds
state.json (readable by its owner alone: it carries tokens), a lock that lives as long as the run, and logs.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ipa.errors import ServingError

_STATE = "state.json"
_LOCK = "lock"
# An attaching process holds the lock for an instant; one that runs holds it for good.
_LOCK_ATTEMPTS = 20
_LOCK_WAIT_S = 0.025


@dataclass(frozen=True, slots=True)
class RunState:
    """How to reach a run: `url` is the pipeline's, `token` opens control_url, `admin_token` opens admin_url.

    `grpc_address` is the pipeline's host:port for gRPC.
    """

    name: str
    pid: int
    url: str
    control_url: str
    token: str
    admin_url: str
    admin_token: str
    grpc_address: str | None = None


def state_folder(name: str) -> Path:
    """Where the state of the pipeline `name` lives; it need not exist."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    root = Path(runtime) / "ipa" if runtime else Path(tempfile.gettempdir()) / f"ipa-{os.getuid()}"
    return root / name


@contextlib.contextmanager
def claim(name: str) -> Iterator[Path]:
    """The state folder of `name`, for one run at a time; at the end its state.json is removed.

    Raises ServingError if one runs already, or if the folder belongs to somebody else.
    """
    import fcntl

    folder = state_folder(name)
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(each)
    with (folder / _LOCK).open("a+") as lock:
        if not _acquire(lock.fileno(), fcntl.LOCK_EX):
            lock.seek(0)
            raise ServingError(f"{name} already runs (pid {lock.read().strip() or 'unknown'}), see {folder}")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        remove(folder)  # what a killed run left would be taken for this one's
        try:
            yield folder
        finally:
            remove(folder)


def _acquire(descriptor: int, kind: int) -> bool:
    import fcntl

    for _ in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_S)
    return False


def _check_owner(folder: Path) -> None:
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise ServingError(f"{folder} is not a folder of this user (uid {os.getuid()}): refusing to use it")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def write(folder: Path, state: RunState) -> None:
    """Atomic: whoever reads state.json finds all of it or none."""
    new = folder / f"{_STATE}.new"
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(state), file)
    new.replace(folder / _STATE)


def remove(folder: Path) -> None:
    (folder / _STATE).unlink(missing_ok=True)


def attach(name: str) -> RunState | None:
    """The run of `name`, None if none runs: a file that a killed run left behind counts as nothing.

    Raises ServingError if the folder belongs to somebody else.
    """
    folder = state_folder(name)
    if not folder.exists():
        return None
    for each in (folder.parent, folder):
        _check_owner(each)
    if not _is_claimed(folder / _LOCK):
        return None
    try:
        found = json.loads((folder / _STATE).read_text())
    except FileNotFoundError:
        return None  # it is starting and cannot be reached yet, or it has just stopped
    return RunState(**{field.name: found[field.name] for field in fields(RunState)})


def _is_claimed(lock: Path) -> bool:
    """Whether a living process holds the lock; the system frees it however a process ends."""
    import fcntl

    try:
        file = lock.open()
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
