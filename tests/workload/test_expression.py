"""Trace expressions: what they mean, and what each mistake is told."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipa.errors import UsageError
from ipa.workload.expression import FileTerm, ProcessTerm, Term, parse


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("constant:20x60s", ProcessTerm("constant", 20.0, 0.0, 60.0)),
        ("poisson:2.5x600ms", ProcessTerm("poisson", 2.5, 1.0, 0.6)),
        ("gamma:20:cv4x2m", ProcessTerm("gamma", 20.0, 4.0, 120.0)),
        ("constant:0x5s", ProcessTerm("constant", 0.0, 0.0, 5.0)),
        ("poisson:1e-3x1h", ProcessTerm("poisson", 1e-3, 1.0, 3600.0)),
    ],
)
def test_a_process(text: str, term: ProcessTerm) -> None:
    assert parse(text) == (term,)


@pytest.mark.parametrize(
    ("text", "path", "start", "end", "damping"),
    [
        ("t.txt", "t.txt", 0, None, 1),
        ("t.txt@5:9", "t.txt", 5, 9, 1),
        ("t.txt/8", "t.txt", 0, None, 8),
        ("dir/t.tbz2@1301160:1302360/8", "dir/t.tbz2", 1301160, 1302360, 8),
        ("/a@b/t.csv", "/a@b/t.csv", 0, None, 1),
        ("/a@b/t.csv@0:1", "/a@b/t.csv", 0, 1, 1),
        ("runs/2020/1", "runs/2020", 0, None, 1),
        ("./poisson:x", "./poisson:x", 0, None, 1),
    ],
)
def test_a_file(text: str, path: str, start: int, end: int | None, damping: int) -> None:
    (term,) = parse(text)
    assert isinstance(term, FileTerm)
    assert (term.path, term.start, term.end, term.damping) == (path, start, end, damping)


@pytest.mark.parametrize(
    ("text", "path", "damping", "speed"),
    [
        ("t.txt*10", "t.txt", 1, 10.0),
        ("t.txt@5:9/8*0.5", "t.txt", 8, 0.5),
        ("a*b/t.txt", "a*b/t.txt", 1, 1.0),
        ("a*2*1", "a*2", 1, 1.0),
    ],
)
def test_a_file_at_another_speed(text: str, path: str, damping: int, speed: float) -> None:
    (term,) = parse(text)
    assert isinstance(term, FileTerm)
    assert (term.path, term.damping, term.speed) == (path, damping, speed)


def test_a_process_at_another_speed_has_another_rate() -> None:
    assert parse("gamma:20:cv4x60s*10") == (ProcessTerm("gamma", 200.0, 4.0, 6.0),)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is empty"),
        ("constant:20x60s+", "part 2: is empty"),
        ("uniform:20x60s", "unknown kind 'uniform'; known are constant, poisson, gamma"),
        ("poisson:20", "must be RATExDURATION"),
        ("poisson:20x60", "is not a duration: write a number and a unit"),
        ("poisson:20x0s", "must be longer than 0"),
        ("poisson:20x-5s", "is not a duration"),
        ("poisson:20x1e99s", "at most"),
        ("poisson:20x1-1s", "is not a duration"),
        ("poisson:nanx60s", "must be finite and at least 0"),
        ("poisson:infx60s", "must be finite and at least 0"),
        ("poisson:-1x60s", "must be finite and at least 0"),
        ("poisson:fastx60s", "rate 'fast' is not a number"),
        ("poisson:20:cv4x60s", "poisson takes a rate only"),
        ("gamma:20x60s", "gamma needs its variation"),
        ("gamma:20:cv0x60s", "must lie in"),
        ("gamma:20:cvnanx60s", "must lie in"),
        ("gamma:20:4x60s", "gamma needs its variation"),
        ("constant:1x1s+f@9:9", "part 2: START 9 must be less than END 9"),
        ("f@9:3", "START 9 must be less than END 3"),
        ("f@-1:3", "START '-1' must be a whole number"),
        ("f@0:", "END '' must be a whole number"),
        ("f@0:2.5", "END '2.5' must be a whole number"),
        ("f@0:2/0", "DAMPING 0 must be at least 1"),
        ("f/0", "DAMPING 0 must be at least 1"),
        ("f/-2", "DAMPING '-2' must be a whole number"),
        ("f/2.5", "DAMPING '2.5' must be a whole number"),
        ("f@0:2/x", "DAMPING 'x' must be a whole number"),
        ("@0:2", "names no file"),
        ("*2", "names no file"),
        ("f*0", "SPEED 0 must lie in 0.001…1000"),
        ("poisson:20x60s*1e9", "SPEED 1e9 must lie in"),
        ("f@0:2/8*", "SPEED '' is not a number"),
        ("f@0:2/8*-2", "SPEED -2 must lie in"),
        ("f@0:2/8*1.2.3", "SPEED '1.2.3' is not a number"),
    ],
)
def test_a_mistake_is_named(text: str, rule: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert rule in str(error.value)
    assert repr(text) in str(error.value)


processes = st.builds(
    ProcessTerm,
    st.just("gamma"),
    st.floats(0, 1e6),
    st.floats(0.01, 100),
    st.floats(1e-3, 1e6),
)
files = st.builds(
    lambda path, start, seconds, damping, speed: FileTerm(path, start, start + seconds, damping, "", speed),
    st.text("abc/.-_@*", min_size=1).filter(lambda path: path.strip() == path),
    st.integers(0, 10**9),
    st.integers(1, 10**9),
    st.integers(1, 10**6),
    st.floats(0.001, 1000),
)


def _write(term: Term) -> str:
    if isinstance(term, ProcessTerm):
        numbers = f"{term.rate_rps!r}:cv{term.cv!r}x{term.duration_s!r}s"
        return f"{term.kind}:{numbers}".replace("e+", "e")  # + joins terms
    return f"{term.path}@{term.start}:{term.end}/{term.damping}*{term.speed!r}"


@settings(deadline=None)
@given(st.lists(st.one_of(processes, files), min_size=1, max_size=5))
def test_what_is_written_is_read(terms: list[Term]) -> None:
    read = parse("+".join(map(_write, terms)))
    assert [_write(term) for term in read] == [_write(term) for term in terms]


@settings(deadline=None)
@given(st.text())
@example("a\nb")
def test_any_text_is_terms_or_a_usage_error(text: str) -> None:
    try:
        terms = parse(text)
    except UsageError:
        return
    assert terms
