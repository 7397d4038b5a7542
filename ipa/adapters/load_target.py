"""Where a load goes: a given URL or the local run of that name, and what the model there takes."""

from __future__ import annotations

from dataclasses import dataclass

from ipa.adapters.loadgen import fetch_core_seconds, fetch_metadata
from ipa.adapters.payload import Bodies, Payload, assumed_tensor, input_tensor
from ipa.adapters.state import RunState, attach
from ipa.errors import IpaError, Unavailable, UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """`run` is None unless the load goes to the attached local run: only its cores can be counted."""

    url: str
    run: RunState | None


def find_target(pipeline: str, url: str | None) -> Target:
    """The given URL, else that of the local run of `pipeline`. Raises UsageError if there is neither."""
    run = attach(pipeline)
    if url is None and run is None:
        raise UsageError(f"nothing runs under the name {pipeline!r}: start `ipa serve`, or give --url")
    if run is None or (url is not None and url.rstrip("/") != run.url.rstrip("/")):
        return Target(str(url), None)
    return Target(run.url, run)


def encode_bodies(target: Target, pipeline: str, payload: Payload) -> tuple[Bodies, str | None]:
    """The requests to send, and a warning if nothing answered there: the load then goes to where something may come up.

    Raises UsageError if the server has no such model, ConfigError if the payload does not fit it.
    """
    try:
        tensor = input_tensor(fetch_metadata(target.url, pipeline), payload)
    except Unavailable as error:
        tensor = assumed_tensor(payload)
        return Bodies(payload, tensor), f"{error}; the input is taken to be {tensor.name!r} and the load goes on"
    return Bodies(payload, tensor), None


def core_seconds(target: Target) -> float | None:
    """Core seconds of the local run so far; None if the load goes elsewhere or the run does not answer."""
    if target.run is None:
        return None
    try:
        return fetch_core_seconds(target.run.control_url, target.run.token)
    except IpaError:  # the run may have ended, or been started anew with another token
        return None  # core_hours is then unknown, which the report shows; the latencies still stand
