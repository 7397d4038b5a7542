"""What `ipa report` says on the terminal of the page it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ipa.report.console import stdout_console
from ipa.report.html.charts import told
from ipa.report.html.story import Run
from ipa.report.html.verdict import tone, verdict


def document(run: Run, page: Path, size_bytes: int) -> dict[str, Any]:
    """`verdict`: the page's headline; `held`: per policy and seed, null where the recording does not tell."""
    held = {"held": True, "missed": False, "unknown": None}
    return {
        "file": str(page),
        "bytes": size_bytes,
        "kind": run.kind,
        "pipeline": run.title,
        "duration_s": run.duration_s,
        "verdict": verdict(run, told(run, 1)[0]).headline,
        "policies": [
            {
                "policy": policy.policy,
                "seed": policy.seed,
                "held": held[tone(policy.summary, run.objective)],
                "turns": len(policy.decisions),
            }
            for policy in run.policies
        ],
        "notes": list(run.notes),
    }


def print_table(said: dict[str, Any]) -> None:
    from rich.text import Text  # names are what was recorded, and no markup

    console = stdout_console()
    console.print(Text(f"{said['pipeline']}: {said['verdict']}"))
    for note in said["notes"]:
        console.print(Text(f"  {note}"))
    console.print(Text(f"{said['file']} ({said['bytes'] / 1024:.0f} KiB)"), soft_wrap=True)
