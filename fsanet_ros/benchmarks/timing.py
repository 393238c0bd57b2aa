"""Times of things that are to be compared: by turns, so that what else goes on hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

WARM_UP = 3


@dataclass(frozen=True)
class Milliseconds:
    """Median and quartiles of how long something takes."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return what a table has: the median, and the quartiles behind it."""
        return f'{self.median:7.2f} ({self.low:.2f} to {self.high:.2f})'


def time_by_turns(
    works: Mapping[str, Callable[[], object]], repeat: int
) -> dict[str, Milliseconds]:
    """
    Time each of several works ``repeat`` times, one after the other in every round.

    :raises ValueError: if repeat is below 1
    """
    if repeat < 1:
        raise ValueError(f'repeat is {repeat}: expected 1 or more')
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(WARM_UP + repeat):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            taken[name].append(1000.0 * (time.perf_counter() - start))
    result = {}
    for name, times in taken.items():
        low, median, high = np.percentile(times[WARM_UP:], (25, 50, 75)).tolist()
        result[name] = Milliseconds(median, low, high)
    return result
