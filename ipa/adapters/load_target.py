"""Where a load goes: a given URL or the local run of that name, how it is spoken to, and what the model there takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipa.adapters.load_grpc import GRPC, SCHEME
from ipa.adapters.load_http import HTTP
from ipa.adapters.loadgen import Load, lead_in, run_load
from ipa.adapters.payload import Bodies, Payload, assumed_tensor, input_tensor
from ipa.adapters.state import RunState, attach
from ipa.adapters.wire import LoadProtocol, Tell, Wire
from ipa.errors import IpaError, Unavailable, UsageError
from ipa.workload.ledger import nothing_sent
from ipa.workload.summary import LoadResult, spent

PROTOCOLS: Mapping[str, LoadProtocol] = {"http": HTTP, "grpc": GRPC}


@dataclass(frozen=True, slots=True)
class Target:
    """`run` is None unless the load goes to the attached local run: only its cores can be counted."""

    pipeline: str
    url: str
    protocol: LoadProtocol
    run: RunState | None

    @property
    def open_wire(self) -> Callable[[Bodies, Tell], Wire]:
        return partial(self.protocol.open, self.url, self.pipeline)


def find_target(pipeline: str, url: str | None, protocol: str | None) -> Target:
    """The given URL, else that of the local run of `pipeline`; without a protocol the URL tells it.

    Raises UsageError if there is neither, or if URL and protocol contradict each other.
    """
    name = protocol or ("grpc" if url is not None and url.startswith(SCHEME) else "http")
    spoken = PROTOCOLS[name]
    run = attach(pipeline)
    local = None if run is None else _local_url(run, name)
    if url is not None:
        url = spoken.check_url(url)
        return Target(pipeline, url, spoken, run if url == local else None)
    if run is None:
        raise UsageError(f"nothing runs under the name {pipeline!r}: start `ipa serve`, or give --url")
    if local is None:
        raise UsageError(f"the run of {pipeline!r} does not say where it speaks {name}: give --url")
    return Target(pipeline, local, spoken, run)


def _local_url(run: RunState, protocol: str) -> str | None:
    address = run.grpc_address if protocol == "grpc" else run.url
    return None if address is None else PROTOCOLS[protocol].check_url(address)


def encode_bodies(target: Target, payloads: Sequence[Payload]) -> tuple[Bodies, str | None]:
    """The requests to send, and a warning if nothing answered there: the load then goes to where something may come up.

    Raises UsageError if the server has no such model, ConfigError if a payload does not fit it.
    """
    warning = None
    try:
        metadata = target.protocol.fetch_metadata(target.url, target.pipeline)
        tensor, *_ = [input_tensor(metadata, payload) for payload in payloads]
    except Unavailable as error:
        tensor = assumed_tensor(payloads[0])
        warning = f"{error}; the input is taken to be {tensor.name!r} and the load goes on"
    return Bodies(payloads, partial(target.protocol.encode, target.pipeline, tensor)), warning


def send(
    target: Target, load: Load, warm_up_s: float, progress: Callable[[int], None]
) -> tuple[LoadResult, float | None]:
    """The load, and the core seconds of the local run while it lasted; what warms up counts for neither."""
    if run_load(lead_in(load, warm_up_s), target.open_wire, lambda _sent: None).interrupted:
        return replace(nothing_sent(load.intended_s), interrupted=True), None
    before = core_seconds(target)
    result = run_load(load, target.open_wire, progress)
    return result, spent(before, core_seconds(target))


def core_seconds(target: Target) -> float | None:
    """Core seconds of the local run so far; None if the load goes elsewhere or the run does not answer."""
    if target.run is None:
        return None
    from ipa.adapters.local_cluster import LocalCluster

    cluster = LocalCluster(target.run)
    try:
        found = cluster.status().get("core_seconds")
    except IpaError:  # the run may have ended, or been started anew with another token
        return None  # core_hours is then unknown, which the report shows; the latencies still stand
    finally:
        cluster.close()
    return float(found) if isinstance(found, int | float) else None
