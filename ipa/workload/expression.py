"""A trace expression, taken apart: `poisson:20x60s+FILE@0:600/8` → terms. Opens no file; `trace.assemble` goes on.

    expression  = term { "+" term }
    term        = ( process | file ) [ "*" SPEED ]            SPEED times as fast: a minute takes 60 s / SPEED
    process     = KIND ":" RATE [ ":cv" CV ] "x" DURATION     constant, poisson, gamma
    file        = FILE [ "@" START ":" END ] [ "/" DAMPING ]  counts per second
    DURATION    = NUMBER ( "us" | "ms" | "s" | "m" | "h" )

SPEED compresses time: as many requests in less of it, so rates grow by SPEED; DAMPING is what takes requests away.
A file whose whole path looks like something else can be told apart: `./poisson:x` is a file, `runs/2020/1` is the
file `runs/2020`, undamped, and `a*2*1` the file `a*2`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ipa.durations import positive_duration_s
from ipa.errors import UsageError
from ipa.workload.processes import PROCESSES

LONGEST_S = 1e8
SMALLEST_CV, LARGEST_CV = 0.01, 100.0
SMALLEST_SPEED, LARGEST_SPEED = 0.001, 1000.0

# DOTALL: a path may hold any character
_PROCESS = re.compile(r"(?P<kind>[A-Za-z_-]+):(?P<body>.*)", re.DOTALL)
_SLICED = re.compile(r"(?P<path>.*)@(?P<start>[^@:/]*):(?P<end>[^@:/]*)(?:/(?P<damping>.*))?", re.DOTALL)
_FASTER = re.compile(r"(?P<term>.*)\*(?P<speed>[0-9.eE-]*)", re.DOTALL)
_WHOLE = re.compile(r"(?P<path>.*?)(?:/(?P<damping>-?[0-9.]+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ProcessTerm:
    """`kind` is a key of PROCESSES; `cv` is the coefficient of variation of its inter-arrival times."""

    kind: str
    rate_rps: float
    cv: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class FileTerm:
    """Seconds `start` to `end` (excluded; None is the end of the file), every count divided by `damping`; each takes
    1 / `speed` seconds."""

    path: str
    start: int
    end: int | None
    damping: int
    where: str
    speed: float = 1.0


Term = ProcessTerm | FileTerm


def parse(expression: str) -> tuple[Term, ...]:
    """The terms of `expression`, in order. Raises UsageError naming the term and the rule."""
    texts = expression.split("+")
    return tuple(_term(text, _where(expression, number, len(texts))) for number, text in enumerate(texts, 1))


def _duration_s(text: str, where: str) -> float:
    seconds = positive_duration_s(where, text)
    if seconds > LONGEST_S:
        raise UsageError(f"{where}: duration {text!r} must be at most {LONGEST_S:g} s")
    return seconds


def _where(expression: str, number: int, terms: int) -> str:
    return f"trace {expression!r}" + (f", part {number}" if terms > 1 else "")


def _term(text: str, where: str) -> Term:
    text = text.strip()
    if not text:
        raise UsageError(f"{where}: is empty; give KIND:RATExDURATION or FILE[@START:END][/DAMPING][*SPEED]")
    faster = _FASTER.fullmatch(text)
    speed = 1.0 if faster is None else _speed(faster["speed"], where)
    text = text if faster is None else faster["term"]
    process = _PROCESS.fullmatch(text)
    return _process(process["kind"], process["body"], speed, where) if process else _file(text, speed, where)


def _speed(text: str, where: str) -> float:
    speed = _number(text, where, "SPEED")
    if not SMALLEST_SPEED <= speed <= LARGEST_SPEED:
        raise UsageError(f"{where}: SPEED {text} must lie in {SMALLEST_SPEED:g}…{LARGEST_SPEED:g}")
    return speed


def _process(kind: str, body: str, speed: float, where: str) -> ProcessTerm:
    if kind not in PROCESSES:
        known = ", ".join(PROCESSES)
        raise UsageError(f"{where}: unknown kind {kind!r}; known are {known} (a file of that name: ./{kind}:…)")
    numbers, times, duration = body.rpartition("x")
    if not times:
        raise UsageError(f"{where}: {body!r} must be RATExDURATION, as in {kind}:20x60s")
    rate, _, parameter = numbers.partition(":")
    # a stationary process in compressed time is the same process at a higher rate
    rate_rps, duration_s = _rate(rate, where) * speed, _duration_s(duration, where) / speed
    return ProcessTerm(kind, rate_rps, _cv(kind, parameter, where), duration_s)


def _rate(text: str, where: str) -> float:
    rate_rps = _number(text, where, "rate")
    if not (math.isfinite(rate_rps) and rate_rps >= 0):
        raise UsageError(f"{where}: rate {text!r} must be finite and at least 0 requests per second")
    return rate_rps


def _cv(kind: str, parameter: str, where: str) -> float:
    fixed = PROCESSES[kind].cv
    if fixed is not None:
        if parameter:
            raise UsageError(f"{where}: {kind} takes a rate only, not {parameter!r}")
        return fixed
    if not parameter.startswith("cv"):
        raise UsageError(f"{where}: {kind} needs its variation, as in {kind}:20:cv4x60s, not {parameter!r}")
    cv = _number(parameter.removeprefix("cv"), where, "cv")
    if not SMALLEST_CV <= cv <= LARGEST_CV:
        raise UsageError(f"{where}: {parameter!r} must lie in {SMALLEST_CV:g}…{LARGEST_CV:g}")
    return cv


def _file(text: str, speed: float, where: str) -> FileTerm:
    match = _SLICED.fullmatch(text)
    start, end = 0, None
    if match is not None:
        start, end = _whole(match["start"], where, "START"), _whole(match["end"], where, "END")
        if start >= end:
            raise UsageError(f"{where}: START {start} must be less than END {end}")
    else:
        match = _WHOLE.fullmatch(text)
        assert match is not None  # every string is a path
    damping = 1 if match["damping"] is None else _whole(match["damping"], where, "DAMPING")
    if damping < 1:
        raise UsageError(f"{where}: DAMPING {damping} must be at least 1")
    if not match["path"]:
        raise UsageError(f"{where}: {text!r} names no file")
    return FileTerm(match["path"], start, end, damping, where, speed)


def _whole(text: str, where: str, what: str) -> int:
    if re.fullmatch(r"[0-9]{1,15}", text) is None:
        raise UsageError(f"{where}: {what} {text!r} must be a whole number, 0 or more")
    return int(text)


def _number(text: str, where: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: {what} {text!r} is not a number") from None
