"""What both kernels share: how they are compiled, their records, the outcomes they tell, their random numbers.

numba keeps what it compiled on the disk and notices a change of the file that a function stands in, but not of files
that it calls into: who edits `uniform` clears __pycache__.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Records = Any  # a structured array: numba reads and writes its fields in place
F = TypeVar("F", bound=Callable[..., Any])

# Nothing is allocated here, so references need no counting (_nrt): with it a run takes 20 times as long.
OPTIONS: Any = {"_nrt": False, "error_model": "numpy"}

ANSWERED, LATE, FULL, NO_REPLICA = range(4)
DRAWS = 1000  # the stream of a stage's service times; below it are the streams of the coins


def fields(integers: str, floats: str) -> np.dtype[Any]:
    return np.dtype(
        [*((name, np.int64) for name in integers.split()), *((name, np.float64) for name in floats.split())]
    )


def compiled(function: F) -> F:
    """All become one function: a call that hands on the state would cost more than most of what is done with it."""
    return cast(F, numba.njit(forceinline=True, **OPTIONS)(function))


def entered(function: F) -> F:
    """What is called from Python; kept on the disk with all that was inlined into it."""
    return cast(F, numba.njit(cache=True, **OPTIONS)(function))


@compiled
def uniform(seed: int, stream: int, number: int) -> float:
    """splitmix64 of (seed, stream, number) as a uniform number in [0, 1): no order of events can change it."""
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(stream + 1) * np.uint64(0xBF58476D1CE4E5B9)
    z += np.uint64(number + 1) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return float(z >> np.uint64(11)) * 2.0**-53
