"""What to render: all that the objects of a pipeline depend on, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.way import Size
from ipa.config.schema import is_namespace
from ipa.domain import Config
from ipa.errors import UsageError


@dataclass(frozen=True, slots=True)
class Images:
    """What pods run: `model` in models, `router` in router and controller."""

    model: str
    router: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """`files`: what the ConfigMap mounts, by file name. `sizes`: one for each Deployment of the choice.

    `rights`: which row of RIGHTS the controller gets. `monitored`: whether there is a PodMonitor.
    """

    config: Config
    namespace: str
    images: Images
    files: Mapping[str, str]
    sizes: Mapping[Server, Size]
    rights: str = "control"
    monitored: bool = True

    @property
    def pipeline(self) -> str:
        return self.config.pipeline.name


def images(config: Config, given: Sequence[str], version: str) -> Images:
    """`given`: NAME=REF, before the config's, before ipa-NAME:VERSION. Raises UsageError."""
    found = {"model": f"ipa-model:{version}", "router": f"ipa-router:{version}"} | dict(config.cluster.images)
    for text in given:
        name, _, reference = text.partition("=")
        if name not in found or not reference or reference != "".join(reference.split()):
            raise UsageError(f"--image {text!r}: must be NAME=REF, NAME being {' or '.join(found)}")
        found[name] = reference
    return Images(found["model"], found["router"])


def namespace_given(config: Config, given: str | None) -> str:
    """Before the config's, before `default`: a RoleBinding must name it. Raises UsageError."""
    if given is not None and not is_namespace(given):
        raise UsageError(f"--namespace {given!r}: must be up to 63 of a-z, 0-9 and -, with no - at either end")
    return given or config.cluster.namespace or "default"
