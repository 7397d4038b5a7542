"""`ipa adapt`: a loop for each pipeline, alone in this thread or each in one of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ipa.adapters.clock import StoppableClock
    from ipa.adapters.clusters import Controlled
    from ipa.control import Loop, Turn
    from ipa.domain import Config
    from ipa.options import Problem
    from ipa.policy import Policy, Solution
    from ipa.policy.certified import Certify


class Shown(Protocol):
    def show(self, turn: Turn) -> None: ...


@dataclass(frozen=True, slots=True)
class Course:
    """One pipeline's loop, until when it runs on its clock (None: for ever), and who is told of each turn."""

    name: str
    loop: Loop
    until_s: float | None
    told: Callable[[Turn], None]

    def run(self) -> None:
        for turn in self.loop.turns(self.until_s):
            self.told(turn)


def with_interval(configs: Sequence[Config], interval: str | None) -> list[Config]:
    """With --interval in place of control.interval, if it is given. Raises UsageError."""
    from ipa.durations import positive_duration_s

    if interval is None:
        return list(configs)
    interval_s = positive_duration_s("--interval", interval)
    return [replace(config, control=replace(config.control, interval_s=interval_s)) for config in configs]


@dataclass(frozen=True, slots=True)
class Chooser:
    """Who chooses for a pipeline, `certify` in place of the policy if there is one; `seen` is what it chooses from."""

    config: Config
    policy: Policy
    certify: Certify | None
    seen: Callable[[Problem], Problem]


def chooser_for(config: Config, policy: str) -> Chooser:
    """Before anything is started: it may take seconds to compile. Raises UsageError for what cannot run here."""
    from ipa.cli.choosing import looking
    from ipa.cli.planning import refuse_oracle
    from ipa.policy import policy_of
    from ipa.policy.fixed import seen_by
    from ipa.policy.solution import TIME_LIMIT_S

    refuse_oracle(config)
    # A decision that is not proven after half an interval is taken as it is: the next one comes soon.
    limit_s = min(TIME_LIMIT_S, config.control.interval_s / 2)
    choose = policy_of(policy, config, limit_s)
    return Chooser(config, timed(choose), looking(config, policy, choose, limit_s), partial(seen_by, policy))


def courses(
    choosers: Sequence[Chooser],
    found: Sequence[Controlled],
    duration_s: float | None,
    shown: Sequence[Shown],
) -> list[Course]:
    """A loop for each pipeline, recorded in its journal and shown."""
    made = []
    for chooser, at, view in zip(choosers, found, shown, strict=True):
        name = chooser.config.pipeline.name
        until_s = None if duration_s is None else at.clock.now_s() + duration_s
        made.append(Course(name, loop_for(chooser, at), until_s, partial(_tell, name, at, view)))
    return made


def _tell(name: str, at: Controlled, view: Shown, turn: Turn) -> None:
    from ipa.report.adapt import document

    at.journal.append(document(name, turn))
    at.turned(turn)
    view.show(turn)


def loop_for(chooser: Chooser, at: Controlled) -> Loop:
    """The loop over the pipeline's ports."""
    from ipa.control import Loop
    from ipa.tuner import tuner_of

    return Loop(
        chooser.config,
        chooser.policy,
        at.cluster,
        at.monitor,
        at.clock,
        at.apply,
        seen=chooser.seen,
        certify=chooser.certify,
        tuner=tuner_of(chooser.config),
        traffic=at.traffic,
        constraints=at.constraints,
        announce=at.announce,
    )


def timed(policy: Policy) -> Policy:
    """The policy with the time it took in its answer."""

    def choose(problem: Problem) -> Solution:
        began_s = perf_counter()
        solution = policy(problem)
        return replace(solution, seconds=perf_counter() - began_s)

    return choose


def run_all(courses: Sequence[Course], clock: StoppableClock) -> None:
    """Runs each until it ends. A pipeline that fails for good ends alone; its error is raised once all have ended."""
    if len(courses) == 1:
        courses[0].run()
        return
    failed: list[BaseException] = []
    threads = [threading.Thread(target=_run, args=(course, failed), name=course.name) for course in courses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    clock.end()


def _run(course: Course, failed: list[BaseException]) -> None:
    from ipa.errors import IpaError

    try:
        course.run()
    except IpaError as error:
        sys.stderr.write(f"ipa: {course.name}: {error}\n")
        failed.append(error)
