"""Every error ipa raises on purpose, and the exit code of each.

IpaError (1)
├── UsageError (2)      the command line asks for something that cannot be
├── ConfigError (2)     a config or profile breaks rules: all of them at once
├── ServingError (1)    a process or port on this machine failed for good
├── Unfit (2)           a latency model that its points do not carry (ipa.latency)
├── NoFeasiblePlanError (3) a command needs a plan to go on and there is none (ipa.cli)
├── RolledBackError (4) a plan was applied, did not become ready, and the one before runs again (ipa.cli)
├── Refused (1)         an API server said no, for good (ipa.adapters.kubernetes)
├── Stopping (1)        this process is to end; a change is broken off (ipa.adapters.kubernetes)
└── Unavailable (1)     a peer did not answer: retryable, the loop holds and tries again

"No feasible plan" and "no decision" are values, not errors.
"""

from __future__ import annotations

from dataclasses import dataclass


class IpaError(Exception):
    """The root; its message says what, where, the offending value and the rule."""

    exit_code = 1


class UsageError(IpaError):
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a config: where (a dotted path or file and line), and what is wrong."""

    where: str
    rule: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}"


class ConfigError(IpaError):
    exit_code = 2

    def __init__(self, source: str, violations: list[Violation]) -> None:
        self.source = source
        self.violations = tuple(violations)
        super().__init__("\n".join([f"{source}: {len(violations)} problem(s)", *(f"  {v}" for v in violations)]))


class ServingError(IpaError):
    pass


class Unavailable(IpaError):
    pass
