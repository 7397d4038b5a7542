"""Training the paper's network, with PyTorch: twelve maxima of 10 s in, the largest second of the next 20 s out.

As in the paper: 25 units, Adam, counts divided by the largest of the training data. Chosen here, so that the network is
as good as it can be: the loss, a learning rate that falls to zero, and loads of two sizes. SMAPE on days 12 to 14 of
the Twitter trace after fitting the days before: 7.4 % for squared errors of counts, 7.1 % for absolute ones, 7.0 % for
those relative to the truth, which alone see small loads as well as large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ipa.forecast.ar import block_maxima
from ipa.forecast.lstm import NAME, SHAPES, UNITS, WINDOW_S, Network, network_of
from ipa.forecast.model_file import ModelFile, Split, digest
from ipa.forecast.outlook import Errors, FloatArray, IntArray
from ipa.forecast.training.held_back import check, drawn, quantiles

if TYPE_CHECKING:
    import torch

    Tensors = tuple[torch.Tensor, torch.Tensor]
    """Scaled maxima (n, 12, 1) and what came (n,)."""

HORIZON_S = 20
DAMPINGS = (1, 8)
EPOCHS, BATCH, LEARNING_RATE = 30, 256, 4e-3


def train(counts: IntArray, split: Split, seed: int) -> ModelFile:
    """The network of the epoch that serves [held_back_s, end_s) best. Raises ModuleNotFoundError without PyTorch."""
    check(counts, split)
    fitted, held_back = (
        _pooled(counts[: split.end_s], *span)
        for span in ((split.start_s, split.held_back_s), (split.held_back_s, split.end_s))
    )
    largest_rps = float(fitted[1].max())
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of several threads are not the same twice
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights = _fit(_scaled(fitted, largest_rps), _scaled(held_back, largest_rps), 1 / largest_rps)
    finally:
        torch.set_num_threads(threads)
    payload = {"largest_rps": largest_rps, **weights}
    return ModelFile(
        predictor=NAME,
        seed=seed,
        horizons_s=(HORIZON_S,),
        dampings=DAMPINGS,
        window_s=WINDOW_S,
        split=split,
        counts_sha256=digest(counts[split.start_s : split.end_s]),
        made_with=f"torch {torch.__version__}",
        errors={HORIZON_S: _errors(network_of(payload), *held_back)},
        payload=payload,
    )


def _pooled(counts: IntArray, start_s: int, end_s: int) -> tuple[FloatArray, FloatArray]:
    """Block maxima (n, 12) and the largest seconds that came (n,), at every damping."""
    found = [drawn(counts // damping, start_s, end_s, HORIZON_S) for damping in DAMPINGS]
    return np.concatenate([block_maxima(each.windows) for each in found]), np.concatenate([e.came_rps for e in found])


def _scaled(samples: tuple[FloatArray, FloatArray], largest_rps: float) -> Tensors:
    import torch

    maxima, came = (torch.tensor(each / largest_rps, dtype=torch.float32) for each in samples)
    return maxima[:, :, None], came


def _fit(fitted: Tensors, held_back: Tensors, one: float) -> dict[str, Any]:
    """The weights of the best epoch, as SHAPES has them. `one`: what a request a second is in units of the tensors."""
    import torch

    network, dense = torch.nn.LSTM(1, UNITS, batch_first=True), torch.nn.Linear(UNITS, 1)
    parameters = [*network.parameters(), *dense.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)

    def loss(maxima: torch.Tensor, came: torch.Tensor) -> torch.Tensor:
        states, _last = network(maxima)
        forecast = dense(states[:, -1])[:, 0]
        return ((forecast - came).abs() / came.clamp(min=one)).mean()

    best, chosen = np.inf, _weights(network, dense)
    for _epoch in range(EPOCHS):
        for batch in torch.randperm(len(fitted[1])).split(BATCH):
            optimiser.zero_grad()
            loss(fitted[0][batch], fitted[1][batch]).backward()
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            now = float(loss(*held_back))
        if now < best:
            best, chosen = now, _weights(network, dense)
    return chosen


def _errors(network: Network, maxima: FloatArray, came_rps: FloatArray) -> Errors:
    """Relative ones: the network knows no other scale than its forecast."""
    point = np.maximum(network(maxima), 1e-9)
    return quantiles(came_rps / point - 1)


def _weights(network: torch.nn.LSTM, dense: torch.nn.Linear) -> dict[str, Any]:
    found = {
        "input": network.weight_ih_l0[:, 0],
        "recurrent": network.weight_hh_l0,
        "bias": network.bias_ih_l0 + network.bias_hh_l0,
        "dense": dense.weight[0],
        "offset": dense.bias[0],
    }
    return {name: found[name].detach().numpy().astype(np.float64).round(8).tolist() for name in SHAPES}
