"""Trace files on the disk."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from ipa.adapters.trace_files import load_trace
from ipa.errors import UsageError
from ipa.workload.trace import CountSegment, arrival_times


def _archive(path: Path, *texts: str) -> None:
    with tarfile.open(path, "w:bz2") as archive:
        for number, text in enumerate(texts):
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def _counts(expression: str) -> list[int]:
    (segment,) = load_trace(expression).segments
    assert isinstance(segment, CountSegment)
    counts: list[int] = segment.counts.tolist()
    return counts


def test_text_csv_and_archive_agree(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("8 16\n24 32")
    (tmp_path / "t.csv").write_text("\ufeffsecond,count\n0,8\n1,16\n2,24\n3,32\n")
    _archive(tmp_path / "t.tbz2", "8 16 24 32 ")
    for name in ("t.txt", "t.csv", "t.tbz2"):
        assert _counts(str(tmp_path / name)) == [8, 16, 24, 32]
        assert _counts(f"{tmp_path / name}@1:3/10") == [1, 2]


def test_one_file_twice_and_a_process(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("8 16")
    trace = load_trace(f"{tmp_path}/t.txt@0:1+constant:1x2s+{tmp_path}/t.txt@1:2")
    assert [segment.expected_requests for segment in trace.segments] == [8, 2, 16]


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("t.txt", b"", "holds no counts"),
        ("t.txt", b"\xff\xfe\x00", "must be text"),
        ("t.txt", b"1 -1", "second 1: count -1"),
        ("t.tbz2", b"", "must be a .tbz2 archive"),
        ("t.tbz2", b"1 2 3", "Invalid data stream"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=rule) as error:
        load_trace(f"constant:1x1s+{tmp_path / name}")
    assert "part 2" in str(error.value)
    assert name in str(error.value)


def test_an_archive_of_two_files_is_refused(tmp_path: Path) -> None:
    _archive(tmp_path / "t.tbz2", "1", "2")
    with pytest.raises(UsageError, match="it holds 2 files"):
        load_trace(str(tmp_path / "t.tbz2"))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_trace(str(tmp_path / "none.txt"))
    with pytest.raises(UsageError, match="Is a directory"):
        load_trace(str(tmp_path))


def test_an_end_beyond_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("1 2 3")
    with pytest.raises(UsageError, match="END 4 is beyond the 3 seconds"):
        load_trace(f"{tmp_path}/t.txt@1:4")


@pytest.mark.skipif("IPA_TWITTER_TRACE" not in os.environ, reason="IPA_TWITTER_TRACE names no trace")
def test_the_evaluated_slice_of_the_twitter_trace() -> None:
    trace = load_trace(f"{os.environ['IPA_TWITTER_TRACE']}@1301160:1302360/8")
    assert len(arrival_times(trace, 0)) == 14_437
