from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipa.adapters import state
from ipa.adapters.state import RunState
from ipa.errors import ServingError

RUN = RunState("tiny", 1, "http://url", "http://control", "token", "http://admin", "admin token")


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_nothing_runs() -> None:
    assert state.attach("tiny") is None


def test_a_run_is_found_while_it_lasts(runtime: Path) -> None:
    with state.claim("tiny") as folder:
        assert folder == runtime / "ipa/tiny"
        assert state.attach("tiny") is None  # starting: it cannot be reached yet
        state.write(folder, RUN)
        assert state.attach("tiny") == RUN
        assert state.attach("other") is None
    assert state.attach("tiny") is None
    assert not (folder / "state.json").exists()


def test_folder_and_file_are_private() -> None:
    with state.claim("tiny") as folder:
        state.write(folder, RUN)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "state.json").stat().st_mode & 0o777 == 0o600


def test_an_open_folder_is_closed(runtime: Path) -> None:
    (runtime / "ipa/tiny").mkdir(parents=True)
    (runtime / "ipa/tiny").chmod(0o755)
    with state.claim("tiny") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_one_run_at_a_time() -> None:
    claimed = f"already runs \\(pid {os.getpid()}\\)"
    with state.claim("tiny"), pytest.raises(ServingError, match=claimed), state.claim("tiny"):
        pass
    with state.claim("tiny"):
        pass


def test_two_pipelines_side_by_side() -> None:
    with state.claim("one"), state.claim("two"):
        pass


def test_what_a_killed_run_left_counts_as_nothing() -> None:
    killed = (
        "import os, signal; from ipa.adapters import state\n"
        "with state.claim('tiny') as folder:\n"
        "    state.write(folder, state.RunState('tiny', os.getpid(), '', '', '', '', ''))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert (state.state_folder("tiny") / "state.json").exists()
    assert state.attach("tiny") is None
    with state.claim("tiny"):
        assert state.attach("tiny") is None  # nor is it taken for the run that starts now


def test_somebody_elses_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with state.claim("tiny"):
        pass
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(ServingError, match="not a folder of this user"):
        state.attach("tiny")
    with pytest.raises(ServingError, match="not a folder of this user"), state.claim("tiny"):
        pass


def test_a_link_in_the_place_of_the_folder_is_refused(runtime: Path) -> None:
    (runtime / "ipa").mkdir()
    (runtime / "elsewhere").mkdir()
    (runtime / "ipa/tiny").symlink_to(runtime / "elsewhere")
    with pytest.raises(ServingError, match="not a folder"), state.claim("tiny"):
        pass


def test_without_a_runtime_folder_it_lives_among_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    folder = state.state_folder("tiny")
    assert folder.name == "tiny" and folder.parent.name == f"ipa-{os.getuid()}"
