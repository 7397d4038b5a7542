"""InferLine's evaluation in simulation, and what is better than it: tables and figures into out/inferline."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import TypeVar

from inferline_evaluation import better, document, equal, moving, still
from inferline_evaluation.document import Results
from paper_evaluation.document import check_out
from paper_evaluation.tables import for_terminal
from paper_evaluation.workloads import VARIABLE, WORKLOADS, loads
from spread import spread

from ipa.errors import IpaError
from ipa.report.console import stderr_console, stdout_console

STUDIES = ("still", "moving", "equal", "better")
SHOWN = ("still-summary", "moving-summary", "equal", "better")
Task = TypeVar("Task")
Found = TypeVar("Found")


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    try:
        _evaluate(arguments)
    except IpaError as error:
        print(f"paper-inferline: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _evaluate(arguments: argparse.Namespace) -> None:
    began_s = time.perf_counter()
    check_out(arguments.out)
    load = loads(os.environ, tuple(WORKLOADS))
    seed, seconds = arguments.seed, arguments.seconds

    def done(study: str, work: Callable[[Task], Found], tasks: Sequence[Task]) -> tuple[Sequence[Task], list[Found]]:
        found = []
        for result in spread(work, tasks, arguments.workers):
            found.append(result)
            stderr_console().print(f"{study} {len(found)}/{len(tasks)}  {time.perf_counter() - began_s:.0f} s")
        return tasks, found

    asked = arguments.study or STUDIES
    results = Results(
        load.source,
        seed,
        done("still", still.run, still.tasks(seed, seconds)) if "still" in asked else None,
        done("moving", moving.run, moving.tasks(seed, seconds)) if "moving" in asked else None,
        done("equal", equal.run, equal.tasks(load.traces, seed, seconds)) if "equal" in asked else None,
        done("better", better.compared, better.tasks(arguments.pipelines)) if "better" in asked else None,
    )
    found = document.tables(results)
    document.write(arguments.out, results, found, arguments.format)
    for table in found:
        if table.name in SHOWN:
            stdout_console().print(for_terminal(table))
    took_s = time.perf_counter() - began_s
    stdout_console().print(f"{load.source}; {took_s:.0f} s: {arguments.out}/evaluation.md")


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"{VARIABLE} names the trace; without it: stand-ins.")
    parser.add_argument("--out", type=Path, default=Path("out") / "inferline", help="folder, default out/inferline")
    parser.add_argument("--study", action="append", choices=STUDIES, help="only this one (repeatable)")
    parser.add_argument("--seconds", type=_positive, default=inf, help="only so many first seconds of each load")
    parser.add_argument("--pipelines", type=_positive, default=better.PIPELINES, help="how many random ones")
    parser.add_argument("--seed", type=_whole, default=0, help="of the arrivals")
    parser.add_argument("--format", choices=("png", "svg"), default="png", help="of the figures")
    parser.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="processes, default one a core")
    return parser.parse_args(words)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if _whole(text) == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
