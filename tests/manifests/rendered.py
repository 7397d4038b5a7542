"""Shipped configs, rendered: what tests of manifests look at."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ipa.adapters.files import config_texts, load_config
from ipa.domain import Allocation, Config, Plan
from ipa.manifests import Images, Wanted, mounted, render, sizes

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
IMAGES = Images("registry/ipa-model:1", "registry/ipa-router:1")


def smallest_plan(config: Config) -> Plan:
    """One replica of the first variant of each stage, on its fewest cores."""
    rows = []
    for stage in config.pipeline.stages:
        first = next(m for m in config.pipeline.measurements if m.stage == stage.name)
        rows.append(Allocation(stage.name, first.variant, first.hardware, first.cores, 1, 2))
    return Plan(tuple(rows))


@cache
def wanted(path: Path, rights: str = "control", monitored: bool = True) -> Wanted:
    config = load_config(path)
    files = mounted(*config_texts(path), IMAGES, str(path))
    pods = sizes(config.pipeline, smallest_plan(config), {})
    return Wanted(config, "vision", IMAGES, files, pods, rights, monitored)


def objects(path: Path, rights: str = "control") -> list[dict[str, Any]]:
    return render(wanted(path, rights))


def of_kind(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in found if each["kind"] == kind]


def pod_templates(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["spec"]["template"] for each in of_kind(found, "Deployment")]


def component(found: dict[str, Any]) -> str:
    return str(found["metadata"]["labels"]["app.kubernetes.io/component"])
