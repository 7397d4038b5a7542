"""IPA's ARIMA(1,0,0): the largest of each 10 s follows x' = c + φ·x + noise, fitted to the window by least squares."""

from __future__ import annotations

from math import ceil

import numpy as np

from ipa.forecast.outlook import FloatArray, Outlook, largest_of

BLOCK_S = 10
STEADY = 0.999
"""Largest |φ|: beyond it the fitted process would run away."""


def predict(windows: FloatArray, horizon_s: float) -> Outlook:
    """Needs two blocks at least. The point forecast is the largest of the blocks' forecasts within the horizon."""
    maxima = block_maxima(windows)
    before, after = maxima[:, :-1], maxima[:, 1:]
    centre = before.mean(axis=1), after.mean(axis=1)
    spread = before - centre[0][:, None]
    variance = np.einsum("ij,ij->i", spread, spread)
    covariance = np.einsum("ij,ij->i", spread, after - centre[1][:, None])
    phi = np.clip(np.divide(covariance, variance, out=np.zeros_like(variance), where=variance > 0), -STEADY, STEADY)
    constant = centre[1] - phi * centre[0]
    noise = (after - constant[:, None] - phi[:, None] * before).std(axis=1)
    steps = max(1, ceil(horizon_s / BLOCK_S))
    forecast, largest = maxima[:, -1], np.zeros(len(windows))
    for _ in range(steps):
        forecast = constant + phi * forecast
        largest = np.maximum(largest, forecast)
    return Outlook(largest, noise, largest_of(steps))


def block_maxima(windows: FloatArray) -> FloatArray:
    """(n, blocks): the largest second of each whole 10 s, counted back from the window's end."""
    blocks = windows.shape[1] // BLOCK_S
    whole = windows[:, windows.shape[1] - blocks * BLOCK_S :].reshape(len(windows), blocks, BLOCK_S)
    maxima: FloatArray = whole.max(axis=2)
    return maxima
