"""What an operator asks of a pipeline, by `cluster.kind`: its state, what was decided, and an earlier plan.

Another back end is another entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ipa.adapters.clock import StoppableClock
from ipa.adapters.report_journal import JournalLines, journal_lines, read_journal
from ipa.domain import Config, Plan
from ipa.errors import UsageError
from ipa.ports import Outcome
from ipa.report.html.story import Decision
from ipa.report.status import Running, Status


@dataclass(frozen=True, slots=True)
class Operator:
    """Each raises UsageError where nothing runs, Unavailable where nobody answers.

    `live`: the plan that runs, None if none. `roll_back` takes the plan and why, and says what became of it.
    """

    status: Callable[[Config], Status]
    journal: Callable[[Config], JournalLines]
    live: Callable[[Config], Plan | None]
    roll_back: Callable[[Config, Plan, str, StoppableClock], Outcome]


def decisions(read: JournalLines, pipeline: str) -> tuple[Decision, ...]:
    """Those about one pipeline, of a journal that may hold several."""
    return tuple(d for of, d in zip(read.pipelines, read.decisions, strict=True) if of == pipeline)


# --- on this machine --------------------------------------------------------------------------------------------


def _local_status(config: Config) -> Status:
    from contextlib import closing

    from ipa.adapters.local_cluster import LocalCluster
    from ipa.adapters.local_run import running

    state = running(config.pipeline.name)
    with closing(LocalCluster(state)) as cluster:
        found, plan = cluster.status(), cluster.live()
    ready = [(r["stage"], r["variant"]) for r in found["replicas"] if r["state"] == "routed"]
    rows = tuple(Running(a, ready.count((a.stage, a.variant))) for a in plan.allocations) if plan else ()
    return Status(config.pipeline.name, "local", state.url, bool(found["ready"]), rows)


def _local_journal(config: Config) -> JournalLines:
    """The newest file and the one that was set aside before it."""
    from ipa.adapters.state import state_folder

    path = state_folder(config.pipeline.name) / "decisions.jsonl"
    older = path.with_name(f"{path.name}.1")
    if not path.exists():
        rule = "`ipa adapt` records there; another file is read with --journal"
        raise UsageError(f"{path}: is missing, so nothing is known of pipeline {config.pipeline.name!r}: {rule}")
    return journal_lines(_bytes(older) + _bytes(path), str(path)) if older.exists() else read_journal(path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _local_live(config: Config) -> Plan | None:
    from contextlib import closing

    from ipa.adapters.local_cluster import LocalCluster
    from ipa.adapters.local_run import running

    with closing(LocalCluster(running(config.pipeline.name))) as cluster:
        return cluster.live()


def _local_roll_back(config: Config, plan: Plan, why: str, clock: StoppableClock) -> Outcome:
    """Recorded beside what `ipa adapt` decides; that, if it runs, decides anew at its next turn."""
    from contextlib import closing

    from ipa.adapters.journal import Journal
    from ipa.adapters.local_cluster import LocalCluster
    from ipa.adapters.local_run import running
    from ipa.adapters.state import state_folder
    from ipa.report.adapt import by_hand

    name = config.pipeline.name
    with closing(LocalCluster(running(name))) as cluster:
        live = cluster.live()
        outcome = cluster.apply(plan)
    with closing(Journal(state_folder(name) / "decisions.jsonl")) as journal:
        journal.append(by_hand(name, clock.now_s(), live, plan, why, outcome))
    return outcome


# --- in Kubernetes ----------------------------------------------------------------------------------------------


def _kubernetes_status(config: Config) -> Status:
    from ipa.adapters.kubernetes.attached import connected
    from ipa.adapters.kubernetes.status import status

    with connected(config) as connection:
        return status(connection, config)


def _kubernetes_journal(config: Config) -> JournalLines:
    from ipa.adapters.kubernetes import journal, names
    from ipa.adapters.kubernetes.attached import connected

    name = config.pipeline.name
    with connected(config) as connection:
        lines = journal.read(connection, name)
    return journal_lines("".join(f"{line}\n" for line in lines).encode(), f"ConfigMap {names.journal_map(name)}")


def _kubernetes_live(config: Config) -> Plan | None:
    from ipa.adapters.kubernetes.attached import connected
    from ipa.adapters.kubernetes.status import live

    with connected(config) as connection:
        return live(connection, config)


def _kubernetes_roll_back(config: Config, plan: Plan, why: str, clock: StoppableClock) -> Outcome:
    from ipa.adapters.kubernetes.attached import connected
    from ipa.adapters.kubernetes.rollback import roll_back

    with connected(config) as connection:
        return roll_back(connection, config, plan, why, clock)


OPERATORS: Mapping[str, Operator] = {
    "local": Operator(_local_status, _local_journal, _local_live, _local_roll_back),
    "kubernetes": Operator(_kubernetes_status, _kubernetes_journal, _kubernetes_live, _kubernetes_roll_back),
}
