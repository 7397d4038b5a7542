"""Loads of ten samples: sample i is filled with i, and its label is i."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import numpy as np

from ipa.adapters.load_target import Target
from ipa.adapters.loadgen import CONNECTIONS, Load, run_load, sample_order
from ipa.adapters.payload import Bodies, InputTensor, Payload
from ipa.adapters.wire import LoadProtocol
from ipa.workload.processes import FloatArray
from ipa.workload.summary import LoadResult, LoadSummary, summarise

SAMPLES = 10


def payload(*shape: int) -> Payload:
    inputs = np.repeat(np.arange(SAMPLES, dtype=np.float32), int(np.prod(shape)))
    return Payload(Path("p.npz"), inputs.reshape(SAMPLES, *shape), np.arange(SAMPLES))


def a_load(
    protocol: LoadProtocol,
    intended_s: FloatArray,
    timeout_s: float = 30.0,
    connections: int = CONNECTIONS,
    model: str = "digits",
    tensor: InputTensor | None = None,
) -> Load:
    tensor = tensor or InputTensor("image", "FP32", (2, 2))
    bodies = Bodies([payload(*tensor.shape)], partial(protocol.encode, model, tensor))
    return Load(intended_s, sample_order(SAMPLES, len(intended_s), 0), bodies, timeout_s, connections)


def evenly(requests: int, rate_rps: float) -> FloatArray:
    return np.arange(requests) / rate_rps


def sent(protocol: LoadProtocol, url: str, load: Load, model: str = "digits") -> LoadResult:
    return run_load(load, Target(model, protocol.check_url(url), protocol, None).open_wire, lambda sent: None)


def summed_up(result: LoadResult, slo_s: float = 10.0) -> LoadSummary:
    """Every load of the tests accounts for all it sent, reason by reason."""
    summary = summarise(result, slo_s, None)
    assert summary.sent == summary.answered + summary.dropped + summary.failed
    assert summary.dropped == sum(summary.drops.values())
    assert summary.failed == sum(summary.failures.values())
    return summary


def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
